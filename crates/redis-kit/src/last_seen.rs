use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// When something was last seen to work, for watchdogs. Cheap to clone; clones share it. It begins as seen.
#[derive(Clone, Debug)]
pub struct LastSeen {
    since: Instant,
    /// Milliseconds from `since` to the last time.
    seen: Arc<AtomicU64>,
}

impl Default for LastSeen {
    fn default() -> Self {
        Self { since: Instant::now(), seen: Arc::default() }
    }
}

impl LastSeen {
    /// It works now.
    pub fn touch(&self) {
        let elapsed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.seen.store(elapsed, Ordering::Relaxed);
    }

    /// How long ago that was.
    pub fn ago(&self) -> Duration {
        let seen = Duration::from_millis(self.seen.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(seen)
    }
}
