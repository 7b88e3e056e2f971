use std::time::Duration;

use crate::Backoff;

/// How a [`Worker`](super::Worker) reads, retries and gives up.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// How many entries of one stream are handled at a time. No more are read than can be started at once, so that
    /// none ages in a buffer. Default 16.
    pub concurrency: usize,
    /// How long one read waits for entries, and so how long a stop may take to be noticed. Default 500 ms.
    pub block: Duration,
    /// How long an entry may be pending without a result before any consumer takes it over. Longer than the
    /// longest a handler takes, or its work is done again (its commit, though, is refused). Default 15 s.
    pub claim_idle: Duration,
    /// How often to look for entries whose retry is due or whose consumer is gone. Default 500 ms.
    pub claim_interval: Duration,
    /// Attempts after which an entry goes to the dead letters; `None` retries for ever. Default 20.
    pub max_attempts: Option<u32>,
    /// The pause before the next attempt.
    pub backoff: Backoff,
    /// How long handlers may take to finish once a stop was asked for; then they are dropped, and their entries handed
    /// back for others to take at once. Default 8 s.
    pub grace: Duration,
    /// Whether to acknowledge entries of a type this program does not know. Only for projections and listeners, which
    /// lose nothing by it; work must never be skipped. Default false: they go to the dead letters.
    pub skip_unknown: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 16,
            block: Duration::from_millis(500),
            claim_idle: Duration::from_secs(15),
            claim_interval: Duration::from_millis(500),
            max_attempts: Some(20),
            backoff: Backoff::default(),
            grace: Duration::from_secs(8),
            skip_unknown: false,
        }
    }
}
