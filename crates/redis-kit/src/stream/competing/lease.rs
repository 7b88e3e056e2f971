//! A consumer's lease: as long as it stands, what is pending on the consumer is its own.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, warn};

use super::scripts::Member;
use crate::Connection;

/// Keeps a lease by heartbeats until it is dropped, and says when the lease was lost.
pub(super) struct Lease {
    lost: CancellationToken,
    _heart: AbortOnDropHandle<()>,
}

impl Lease {
    /// Begins to beat; the lease was taken at `since`.
    pub(super) fn keep(member: Arc<Member>, redis: Connection, time: Duration, since: Instant) -> Self {
        let lost = CancellationToken::new();
        let heart = Heart { member, redis, time, until: since + time };
        let told = lost.clone();
        let beating = tokio::spawn(async move {
            heart.beat().await;
            told.cancel();
        });
        Self { lost, _heart: AbortOnDropHandle::new(beating) }
    }

    /// Told when the lease is lost.
    pub(super) fn lost(&self) -> &CancellationToken {
        &self.lost
    }
}

struct Heart {
    member: Arc<Member>,
    redis: Connection,
    time: Duration,
    /// Until when the lease stands for certain, by this machine's clock: what matters when Redis cannot be reached.
    until: Instant,
}

impl Heart {
    /// Beats three times in a lease's time. Returns when the lease was revoked, or may have been.
    async fn beat(mut self) {
        let pause = self.time / 3;
        let mut next = Instant::now() + pause;
        loop {
            sleep_until(next.min(self.until)).await;
            let asked = Instant::now();
            if asked >= self.until {
                warn!(consumer = self.member.consumer, "the lease could not be prolonged in time");
                return;
            }
            // An answer that comes too late is none.
            let beat = self.member.heartbeat(&mut self.redis, self.time);
            match tokio::time::timeout_at(self.until, beat).await {
                // Redis took the time before it answered, so the lease stands at least this long.
                Ok(Ok(true)) => {
                    self.until = asked + self.time;
                    next = asked + pause;
                }
                Ok(Ok(false)) => {
                    warn!(consumer = self.member.consumer, "the lease was revoked");
                    return;
                }
                Ok(Err(error)) => {
                    debug!(%error, "a heartbeat failed");
                    next = Instant::now() + pause / 10;
                }
                Err(_late) => {}
            }
        }
    }
}
