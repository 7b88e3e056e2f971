//! Trims one stream, round after round.

use metrics::{Counter, Unit, counter, describe_counter, describe_gauge};
use tokio::time::sleep;
use tracing::{debug, error, warn};

use super::{RetentionOptions, RetentionPolicy, stall::Stalls, trim};
use crate::{Backoff, Connection, Error};

pub(super) struct Keeper {
    redis: Connection,
    stream: String,
    policy: RetentionPolicy,
    options: RetentionOptions,
    stalls: Stalls,
    trimmed: Counter,
    /// How often in a row Redis failed.
    failures: u32,
}

pub(super) fn describe_metrics() {
    describe_counter!("stream_trimmed_entries_total", "Entries that retention removed from the stream.");
    describe_gauge!(
        "stream_retention_held_seconds",
        Unit::Seconds,
        "For how long the group has needed, without moving, an entry that the retention policy says may go; 0 if it does not."
    );
}

impl Keeper {
    pub(super) fn new(
        redis: Connection,
        stream: String,
        policy: RetentionPolicy,
        options: RetentionOptions,
    ) -> Self {
        let stalls = Stalls::new(stream.clone(), options.stall_after);
        let trimmed = counter!("stream_trimmed_entries_total", "stream" => stream.clone());
        Self { redis, stream, policy, options, stalls, trimmed, failures: 0 }
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.round().await {
                Ok(()) => {
                    self.failures = 0;
                    sleep(self.options.interval).await;
                }
                Err(error) => self.recover(&error).await,
            }
        }
    }

    async fn round(&mut self) -> Result<(), Error> {
        loop {
            let step = trim(&mut self.redis, &self.stream, &self.policy, self.options.step).await?;
            self.stalls.observe(step.held.as_ref());
            if step.removed == 0 {
                return Ok(());
            }
            self.trimmed.increment(step.removed);
            debug!(stream = self.stream, removed = step.removed, "trimmed");
        }
    }

    async fn recover(&mut self, error: &Error) {
        self.failures = self.failures.saturating_add(1);
        let stream = &self.stream;
        if error.is_transient() {
            if self.failures == 1 {
                warn!(stream, %error, "Redis cannot trim now; waiting for it");
            }
            Backoff::wait_to_reconnect(self.failures).await;
        } else {
            if self.failures == 1 {
                error!(stream, %error, "Redis refuses to trim; the stream grows until that is mended");
            }
            // No sooner than it would look again anyway.
            sleep(self.options.interval.max(Backoff::RECONNECT.limit)).await;
        }
    }
}
