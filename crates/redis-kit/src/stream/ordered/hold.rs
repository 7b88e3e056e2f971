//! Keeps a partition's lease by heartbeats, and says when it was lost or is another's turn.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, warn};

use super::scripts::{Contender, Standing};
use crate::Connection;

/// A partition that this instance holds.
pub(super) struct Hold {
    pub(super) fence: u64,
    lost: CancellationToken,
    wanted: CancellationToken,
    heart: AbortOnDropHandle<()>,
}

impl Hold {
    /// Begins to beat; the lease was taken at `since`.
    pub(super) fn keep(
        contender: &Contender,
        redis: &Connection,
        fence: u64,
        lease: Duration,
        since: Instant,
    ) -> Self {
        let (lost, wanted) = (CancellationToken::new(), CancellationToken::new());
        let heart = Heart {
            contender: contender.clone(),
            redis: redis.clone(),
            fence,
            lease,
            until: since + lease,
            wanted: wanted.clone(),
        };
        let told = lost.clone();
        let beating = tokio::spawn(async move {
            heart.beat().await;
            told.cancel();
        });
        Self { fence, lost, wanted, heart: AbortOnDropHandle::new(beating) }
    }

    /// Ends the heartbeats, so that none can follow what is sent from now on: one that came after the partition was given
    /// away would take it again, and nobody would know.
    pub(super) async fn end(self) {
        self.heart.abort();
        let _ = self.heart.await;
    }

    /// Told when the lease is lost: whatever is done from then on is refused.
    pub(super) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Told when it is another instance's turn.
    pub(super) fn wanted(&self) -> &CancellationToken {
        &self.wanted
    }
}

struct Heart {
    contender: Contender,
    redis: Connection,
    fence: u64,
    lease: Duration,
    /// Until when the lease stands for certain, by this machine's clock.
    until: Instant,
    wanted: CancellationToken,
}

impl Heart {
    /// Beats three times in a lease's time. Returns when the lease was lost, or may have been.
    async fn beat(mut self) {
        let pause = self.lease / 3;
        let mut next = Instant::now() + pause;
        loop {
            sleep_until(next.min(self.until)).await;
            let asked = Instant::now();
            if asked >= self.until {
                warn!(
                    stream = self.contender.stream,
                    "the lease of the partition could not be prolonged in time"
                );
                return;
            }
            next = asked + pause;
            let standing = self.contender.contend(&mut self.redis, Some(self.fence), self.lease);
            match timeout_at(self.until, standing).await {
                Ok(Ok(Standing::Held)) => self.until = asked + self.lease,
                Ok(Ok(Standing::Wanted)) => {
                    self.until = asked + self.lease;
                    self.wanted.cancel();
                }
                // Taken: what was held is gone, with Redis's data, and this is a lease that nobody uses.
                Ok(Ok(Standing::Other | Standing::Taken { .. })) => {
                    warn!(stream = self.contender.stream, "the partition is another's by now");
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
