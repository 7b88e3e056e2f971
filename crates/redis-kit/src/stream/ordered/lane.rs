//! One instance on one partition: waits until the partition is its own, passes entries, gives it away.

use std::{pin::pin, sync::Arc};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    cursor::Cursor,
    hold::Hold,
    passage::{End, Passage},
    scripts::{Contender, Standing},
};
use crate::{
    Backoff, Connection, Error, patiently,
    stream::{Handler, StreamId, WorkerStatus, attempt::Attempts, keys::GroupKeys, worker::report_failure},
};

pub(crate) struct OrderedLane<H> {
    contender: Contender,
    attempts: Arc<Attempts<H>>,
    reader: Connection,
    redis: Connection,
    status: WorkerStatus,
    /// What the first contest brought.
    first: (Standing, Instant),
}

impl<H: Handler> OrderedLane<H> {
    /// Contends for the partition for the first time, waiting for Redis for as long as it takes. `instance` must be the same for
    /// all partitions, because by its place among the others it is told which are its own, and new for every process.
    pub(crate) async fn start(
        instance: &str,
        attempts: Attempts<H>,
        reader: Connection,
        redis: Connection,
        status: WorkerStatus,
    ) -> Result<Self, Error> {
        let contender = Contender {
            instance: instance.into(),
            keys: GroupKeys::new(&attempts.stream, &attempts.group),
            stream: attempts.stream.clone(),
            group: attempts.group.clone(),
            partition: attempts.partition,
        };
        let since = Instant::now();
        let lease = attempts.options.lease;
        let standing =
            patiently(|| async { contender.contend(&mut redis.clone(), None, lease).await }).await?;
        Ok(Self { contender, attempts: Arc::new(attempts), reader, redis, status, first: (standing, since) })
    }

    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let (mut standing, mut since) = self.first.clone();
        let mut failures = 0;
        loop {
            if let Standing::Taken { fence, cursor } = standing {
                self.hold(fence, cursor, since, &shutdown).await;
            } else {
                shutdown.run_until_cancelled(sleep(self.attempts.options.claim_interval)).await;
            }
            if shutdown.is_cancelled() {
                break;
            }
            since = Instant::now();
            let lease = self.attempts.options.lease;
            standing = match self.contender.contend(&mut self.redis.clone(), None, lease).await {
                Ok(standing) => {
                    failures = 0;
                    self.status.polled(self.attempts.partition);
                    standing
                }
                Err(error) => {
                    failures += 1;
                    report_failure(&self.contender.stream, &self.contender.group, &error, failures);
                    shutdown.run_until_cancelled(Backoff::wait_to_reconnect(failures)).await;
                    Standing::Other
                }
            };
        }
        if let Err(error) = self.contender.leave(&mut self.redis.clone()).await {
            debug!(%error, "could not leave; the partition is free when the lease has run out");
        }
    }

    /// Passes entries for as long as the partition is held.
    async fn hold(&self, fence: u64, cursor: StreamId, since: Instant, shutdown: &CancellationToken) {
        let (stream, group) = (&self.contender.stream, &self.contender.group);
        info!(stream, group, fence, %cursor, "holds the partition");
        let options = &self.attempts.options;
        let hold = Hold::keep(&self.contender, &self.redis, fence, options.lease, since);
        let stop = shutdown.child_token();
        let passage = Passage {
            contender: &self.contender,
            hold: &hold,
            attempts: &self.attempts,
            reader: self.reader.clone(),
            redis: self.redis.clone(),
            status: &self.status,
            cursor: Cursor::found(cursor),
            stop: &stop,
            append_at: Instant::now(),
            tip_at: Instant::now(),
            failures: None,
            passed_over: Vec::new(),
        };
        let end = self.pass(passage, &hold, &stop, shutdown).await;
        hold.end().await;
        match end {
            End::Lost => {
                self.attempts.metrics.leases_lost.increment(1);
                warn!(stream, group, fence, "lost the partition");
            }
            // It leaves at once, and gives the partition away thereby.
            End::Stopped if shutdown.is_cancelled() => {}
            End::Stopped => {
                if let Err(error) = self.contender.give(&mut self.redis.clone(), fence).await {
                    debug!(%error, "could not give the partition away; it will be given up when asked again");
                }
                info!(stream, group, fence, "gave the partition away");
            }
        }
    }

    /// Runs until passing ends by itself, or this instance is to stop or it is another's turn.
    async fn pass(
        &self,
        passage: Passage<'_, H>,
        hold: &Hold,
        stop: &CancellationToken,
        shutdown: &CancellationToken,
    ) -> End {
        let mut passing = pin!(passage.run());
        tokio::select! {
            end = &mut passing => end,
            () = hold.wanted().cancelled() => self.finish(stop, passing).await,
            () = shutdown.cancelled() => self.finish(stop, passing).await,
        }
    }

    /// Lets the entry that is being handled finish, for a while.
    async fn finish(&self, stop: &CancellationToken, passing: impl Future<Output = End>) -> End {
        stop.cancel();
        timeout(self.attempts.options.grace, passing).await.unwrap_or(End::Stopped)
    }
}
