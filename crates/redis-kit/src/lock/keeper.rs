//! What stands behind a guard: renews the lock, notices its loss, and gives it back when the guard is gone.

use std::{
    future::pending,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::counter;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{attempt::Holding, claim::Claim, options::validity};

/// What a guard and its keeper share. When both are gone the claim is, and gives the lock back.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) claim: Claim,
    pub(super) lost: CancellationToken,
    since: Instant,
    deadline: Mutex<Instant>,
    /// Whoever else waits for this lock in this process need not ask Redis as long as this is here.
    turn: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Hold {
    pub(super) fn new(holding: Holding, turn: Option<OwnedSemaphorePermit>) -> Self {
        let Holding { claim, since, .. } = holding;
        let deadline = since + validity(claim.options().ttl);
        Self {
            claim,
            lost: CancellationToken::new(),
            since,
            deadline: Mutex::new(deadline),
            turn: Mutex::new(turn),
        }
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
        counter!("locks_lost_total").increment(1);
        // The lock may be free, and whoever waits for it here must ask.
        drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// When it is to be renewed for the first time.
    pub(super) fn first_renewal(&self) -> Instant {
        self.since + self.claim.options().ttl / 3
    }

    /// Keeps the lock until this is dropped.
    pub(super) async fn keep(self: Arc<Self>) {
        self.renew().await;
        self.lose();
        // Who held it may not have noticed yet. What it may still have is left to it for that long.
        pending::<()>().await;
    }

    /// Renews the lock three times in its time to live. Returns when the lock was lost, or may have been.
    async fn renew(&self) {
        let (key, options) = (self.claim.key(), self.claim.options());
        let end = self.since.checked_add(options.max_hold);
        let mut next = self.first_renewal();
        loop {
            let deadline = self.deadline();
            sleep_until(next.min(deadline)).await;
            let asked = Instant::now();
            if asked >= deadline {
                warn!(key, "the lock could not be renewed in time, or was held as long as it may be");
                return;
            }
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(asked));
            let ttl = options.ttl.min(left);
            if asked + validity(ttl) <= deadline {
                // Nothing is left to be gained before it has been held for as long as it may be.
                next = deadline;
                continue;
            }
            let renewed = self.claim.renew(ttl);
            // An answer that comes too late is none.
            let Ok(renewed) = timeout_at(deadline, renewed).await else { continue };
            if renewed.is_refused() {
                warn!(key, "the lock was revoked");
                return;
            }
            match renewed.verdict() {
                // Redis took the time before it answered, so the lock stands at least this long.
                Ok(true) => {
                    self.extend(asked + validity(ttl));
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
