//! What stands behind a guard: renews the lock, notices its loss, and gives it back when the guard is gone.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::counter;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{attempt::Holding, claim::Claim, options::validity};

/// What a guard and its keeper both know.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) lost: CancellationToken,
    deadline: Mutex<Instant>,
    /// Whoever else waits for this lock in this process need not ask Redis as long as this is here.
    turn: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Hold {
    pub(super) fn new(holding: &Holding, turn: Option<OwnedSemaphorePermit>) -> Self {
        let deadline = holding.since + validity(holding.claim.options().ttl);
        Self { lost: CancellationToken::new(), deadline: Mutex::new(deadline), turn: Mutex::new(turn) }
    }

    /// Until when the lock is held for certain, by this machine's clock: what matters when Redis cannot be reached.
    pub(super) fn deadline(&self) -> Instant {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_held(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < self.deadline()
    }

    fn extend(&self, deadline: Instant) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    fn lose(&self) {
        self.lost.cancel();
        // The lock may be free, and whoever waits for it here must ask.
        drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// The task behind a guard. Each has its own, so that a guard may be dropped anywhere.
pub(super) struct Keeper {
    /// Given back when both this and the guard's are gone.
    pub(super) claim: Arc<Claim>,
    pub(super) hold: Arc<Hold>,
    pub(super) since: Instant,
}

impl Keeper {
    /// Keeps the lock until `guard` is dropped.
    pub(super) async fn run(self, mut guard: oneshot::Receiver<Infallible>) {
        tokio::select! {
            _dropped = &mut guard => {}
            () = self.renew() => {
                self.hold.lose();
                counter!("locks_lost_total").increment(1);
                // Who held it may not have noticed yet. What it may still have is left to it for that long.
                let _dropped = guard.await;
            }
        }
    }

    /// Renews the lock three times in its time to live. Returns when the lock was lost, or may have been.
    async fn renew(&self) {
        let (key, options) = (self.claim.key(), self.claim.options());
        let end = self.since + options.max_hold;
        let mut next = self.since + options.ttl / 3;
        loop {
            let deadline = self.hold.deadline();
            sleep_until(next.min(deadline)).await;
            let asked = Instant::now();
            if asked >= deadline {
                warn!(key, "the lock could not be renewed in time, or was held as long as it may be");
                return;
            }
            let ttl = options.ttl.min(end.saturating_duration_since(asked));
            if asked + validity(ttl) <= deadline {
                // Nothing is left to be gained before it has been held for as long as it may be.
                next = deadline;
                continue;
            }
            let renewed = self.claim.renew(ttl);
            // An answer that comes too late is none.
            let Ok(renewed) = tokio::time::timeout_at(deadline, renewed).await else { continue };
            if renewed.is_refused() {
                warn!(key, "the lock was revoked");
                return;
            }
            match renewed.verdict() {
                // Redis took the time before it answered, so the lock stands at least this long.
                Ok(true) => {
                    self.hold.extend(asked + validity(ttl));
                    next = asked + options.ttl / 3;
                }
                answer => {
                    debug!(key, ?answer, "the lock was not renewed");
                    next = Instant::now() + (options.ttl / 30).max(Duration::from_millis(1));
                }
            }
        }
    }
}
