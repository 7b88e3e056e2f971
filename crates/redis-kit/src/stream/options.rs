use std::time::Duration;

use super::Pause;
use crate::Backoff;

/// How a [`Worker`](super::Worker) reads, retries and gives up, and what it guarantees thereby.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Which consumer may take which entry. Default [`Mode::Competing`].
    pub mode: Mode,
    /// How many entries of one stream are in hand at a time, read or being handled. No more are read than there is
    /// room for, so that none ages in a buffer. In ordered mode, how many are committed together at most. Default 16.
    pub concurrency: usize,
    /// How long one read waits for entries, and so how long a stop may take to be noticed. Default 500 ms.
    pub block: Duration,
    /// How long a consumer that gives no sign of life keeps what it has. It gives one three times in this time, so a handler
    /// may take as long as it likes; one whose consumer is cut off from Redis for this long is cancelled. What a dead consumer
    /// left is taken over after this time, a tenth of it, `claim_interval` and `block` at the latest: at the defaults
    /// within 17.5 s. In ordered mode a dead instance's partition is another's after this time and `claim_interval`: within
    /// 15.5 s. Default 15 s.
    pub lease: Duration,
    /// How often to look for entries whose retry is due. In ordered mode, how often to look whether the partition is free.
    /// Default 500 ms.
    pub claim_interval: Duration,
    /// In ordered mode, how many times as long as passing entries took the stream rests afterwards, two seconds at most: for
    /// work that may be late and should leave its time to others. It rests once as long in any case, and longer while the
    /// runtime's threads are busy for more than half of the time. What comes meanwhile is passed together. Default 0.
    pub rest: u32,
    /// In ordered mode, for how long after entries were passed those are left to gather that come next, so that one call passes
    /// all of them: for work that may be a little late, which then costs as little when entries come one by one as when they
    /// come together. What comes first after a pause is passed at once, and so is what a read had no room for. Default 0.
    pub gather: Duration,
    /// Attempts after which an entry goes to the dead letters; `None` retries for ever. Takeovers and lost replies are no
    /// attempts. Default 20.
    pub max_attempts: Option<u32>,
    /// The pause before the next attempt. An entry that waits stays pending, survives restarts, and is seen by no other
    /// group again. In ordered mode the partition waits with it.
    pub backoff: Backoff,
    /// In ordered mode, a channel on which to announce every second how far the group has come in each of its streams
    /// ([`crate::pubsub::tip`]), so that subscribers of what the handler publishes notice that they missed the last message.
    /// Default none.
    pub tips: Option<String>,
    /// Keeps the worker from taking anything for as long as it is on. Default off, and nobody else has the switch.
    pub pause: Pause,
    /// How long handlers may take to finish once a stop was asked for; then they are dropped, and their entries handed
    /// back for others to take at once. Default 8 s.
    pub grace: Duration,
    /// Whether to acknowledge entries of a type this program does not know. Only for projections and listeners, which
    /// lose nothing by it; work must never be skipped. Default false: they go to the dead letters.
    pub skip_unknown: bool,
}

/// The two ways of delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Any consumer takes any entry, many at a time, in no order. A failing entry holds up no other.
    #[default]
    Competing,
    /// One instance at a time holds a stream, by a lease, and handles its entries one after the other, in their order. Streams
    /// are spread evenly over the instances, and anew when one comes or goes. A failing entry holds up its stream.
    Ordered,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            concurrency: 16,
            block: Duration::from_millis(500),
            lease: Duration::from_secs(15),
            claim_interval: Duration::from_millis(500),
            rest: 0,
            gather: Duration::ZERO,
            max_attempts: Some(20),
            backoff: Backoff::default(),
            tips: None,
            pause: Pause::default(),
            grace: Duration::from_secs(8),
            skip_unknown: false,
        }
    }
}
