use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::Holding,
    keeper::Hold,
    keepers::{Keepers, Kept},
};
use crate::Error;

/// The lock was lost: it could not be renewed in time, was revoked, or was held as long as it may be. What was done
/// under it may be half done, and another may be doing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lock was lost before the work was done")]
pub struct Lost;

/// A lock that is held. It is renewed in the background until this is released or dropped, or [`max_hold`] is over.
///
/// Dropping it never blocks: the lock is given back in the background, and tried to be for as long as it would stand.
/// Where no background is left, in a runtime that ends, the lock expires by itself.
///
/// [`max_hold`]: super::LockOptions::max_hold
#[derive(Debug)]
#[must_use = "a lock is given back when its guard is dropped"]
pub struct Guard {
    token: u64,
    hold: Arc<Hold>,
    kept: Kept,
}

impl Guard {
    pub(super) fn new(holding: Holding, turn: Option<OwnedSemaphorePermit>, keepers: &Arc<Keepers>) -> Self {
        let token = holding.token;
        let hold = Arc::new(Hold::new(holding, turn));
        let kept = keepers.keep(&hold);
        Self { token, hold, kept }
    }

    /// The fencing token: higher than that of everybody who held this lock before. Send it with each write, and have
    /// the write refused if it has seen a higher one.
    ///
    /// It is comparable with tokens of the same lock only, and fits into 53 bits, so that Lua and JSON keep it exactly.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Cancelled when the lock is lost: at once when Redis says that it is another's or nobody's, and at the
    /// [`deadline`](Self::deadline) when Redis says nothing.
    pub fn lost(&self) -> &CancellationToken {
        &self.hold.lost
    }

    /// Until when the lock is held whatever happens to Redis's answers, by this machine's monotonic clock. Each renewal
    /// moves it on.
    pub fn deadline(&self) -> Instant {
        self.hold.deadline()
    }

    /// Whether the lock is not known to be lost and its deadline is not over.
    pub fn is_held(&self) -> bool {
        self.hold.is_held()
    }

    /// Does `work` for as long as the lock is held. When it is lost the work is dropped where it waits, and none of it
    /// begins after that, also not in a process that was paused.
    ///
    /// # Errors
    /// [`Lost`] if it was, before the work was done.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Lost> {
        let (mut work, mut lost) = (pin!(work), pin!(self.hold.lost.cancelled()));
        poll_fn(|context| {
            // The clock is asked too: after a pause the work may be woken before the keeper.
            if lost.as_mut().poll(context).is_ready() || !self.is_held() {
                return Poll::Ready(Err(Lost));
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }

    /// Gives the lock back, and tells whether it was still held until then. If the answer was lost it is tried again in the
    /// background, as when the guard is dropped, and so it is if this is dropped midway.
    ///
    /// # Errors
    /// If Redis does not say.
    pub async fn release(self) -> Result<bool, Error> {
        // First, because a renewal that is refused behind the release would pass for a loss.
        drop(self.kept);
        let released = self.hold.claim.release().await;
        if released.is_complete() {
            self.hold.claim.settle();
        }
        Ok(released.verdict()?)
    }
}
