//! One consumer on one stream, the reading side: decides what to take, and when. A worker has a lane for each of
//! its streams.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{self, JoinError, JoinSet},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::{
    Handler, StreamId, WorkerStatus,
    scripts::{Claimed, RawEntry, Receipt},
    settler::Settler,
};
use crate::{Backoff, Connection, Error};

pub(super) struct Lane<H> {
    partition: usize,
    settler: Arc<Settler<H>>,
    reader: Connection,
    slots: Arc<Semaphore>,
    handling: JoinSet<()>,
    /// What is being handled, by task: an entry may come back before the task that postponed it has been joined.
    in_hand: HashMap<task::Id, Receipt>,
    status: WorkerStatus,
    claim_cursor: String,
    claim_at: Instant,
    /// Whether the last fetch took over entries that had been waiting.
    claimed_last: bool,
    failures: u32,
}

impl<H: Handler> Lane<H> {
    pub(super) fn new(
        partition: usize,
        settler: Settler<H>,
        reader: Connection,
        status: WorkerStatus,
    ) -> Self {
        Self {
            partition,
            slots: Arc::new(Semaphore::new(settler.options.concurrency)),
            settler: Arc::new(settler),
            reader,
            handling: JoinSet::new(),
            in_hand: HashMap::new(),
            status,
            claim_cursor: "-".into(),
            claim_at: Instant::now(),
            claimed_last: false,
            failures: 0,
        }
    }

    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        while let Some(slots) = shutdown.run_until_cancelled(self.free_slots()).await {
            self.forget_finished();
            // Not raced against the shutdown: entries that came with a dropped read would be pending and unseen.
            match self.fetch(slots.len()).await {
                Ok(entries) => {
                    self.failures = 0;
                    self.status.polled(self.partition);
                    self.dispatch(entries, slots);
                }
                Err(error) => self.recover(error, &shutdown).await,
            }
        }
        self.drain().await;
    }

    /// Takes every slot that is free, waiting a little for the first; none means that all handlers are busy.
    async fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let first = timeout(self.settler.options.block, Arc::clone(&self.slots).acquire_owned()).await;
        // Late, or closed, which this semaphore never is.
        let Ok(Ok(first)) = first else { return Vec::new() };
        let others = std::iter::from_fn(|| Arc::clone(&self.slots).try_acquire_owned().ok());
        std::iter::once(first).chain(others).collect()
    }

    async fn fetch(&mut self, limit: usize) -> Result<Vec<RawEntry>, Error> {
        if limit == 0 {
            // Handlers that wait for Redis to record their outcome are busy too, and must not hide that it is away.
            redis::cmd("PING").exec_async(&mut self.settler.redis.clone()).await?;
            return Ok(Vec::new());
        }
        // What waits and what is new take turns: neither can keep the other from being handled.
        let new_entries_turn = std::mem::take(&mut self.claimed_last);
        if !new_entries_turn && Instant::now() >= self.claim_at {
            let claimed = self.claim(limit).await?;
            if !claimed.is_empty() {
                self.claimed_last = true;
                return Ok(claimed);
            }
            self.claim_at = Instant::now() + self.settler.options.claim_interval;
        }
        let Settler { member, options, .. } = &*self.settler;
        // More may be waiting to be claimed, so this read must not wait for entries that are not there yet.
        let block = if new_entries_turn { Duration::ZERO } else { options.block };
        member.read(&mut self.reader, limit, block).await
    }

    async fn claim(&mut self, limit: usize) -> Result<Vec<RawEntry>, Error> {
        let Settler { member, options, .. } = &*self.settler;
        let in_hand: Vec<StreamId> = self.in_hand.values().map(|receipt| receipt.id).collect();
        let mut redis = self.settler.redis.clone();
        let Claimed { cursor, entries, lost } =
            member.claim(&mut redis, options.claim_idle, limit, &self.claim_cursor, &in_hand).await?;
        self.claim_cursor = cursor;
        if !lost.is_empty() {
            self.settler.metrics.lost.increment(lost.len() as u64);
            error!(stream = member.stream, group = member.group, ids = ?lost,
                "entries were deleted from the stream before anybody had handled them");
        }
        for entry in &entries {
            debug!(stream_id = %entry.receipt.id, deliveries = entry.receipt.deliveries, "took over an entry");
        }
        Ok(entries)
    }

    fn dispatch(&mut self, entries: Vec<RawEntry>, slots: Vec<OwnedSemaphorePermit>) {
        for (entry, slot) in entries.into_iter().zip(slots) {
            let (settler, partition) = (Arc::clone(&self.settler), self.partition);
            let receipt = entry.receipt;
            let task = self.handling.spawn(async move {
                settler.handle(partition, entry).await;
                drop(slot);
            });
            self.in_hand.insert(task.id(), receipt);
        }
    }

    fn forget_finished(&mut self) {
        while let Some(finished) = self.handling.try_join_next_with_id() {
            self.in_hand.remove(&task_id(finished));
        }
    }

    async fn finish_all(&mut self) {
        while let Some(finished) = self.handling.join_next_with_id().await {
            self.in_hand.remove(&task_id(finished));
        }
    }

    async fn recover(&mut self, error: Error, shutdown: &CancellationToken) {
        self.failures += 1;
        let Settler { member, redis, .. } = &*self.settler;
        let (stream, group) = (&member.stream, &member.group);
        if error.is_group_missing() {
            error!(
                stream,
                group,
                "the group is gone, as after Redis lost its data; starting anew at the stream's first entry"
            );
            if let Err(error) = member.create_group(redis.clone()).await {
                warn!(stream, group, %error, "cannot create the group yet");
            }
        } else if self.failures == 1 && error.is_transient() {
            warn!(stream, group, %error, "Redis cannot serve this worker now; waiting for it");
        } else if self.failures == 1 {
            error!(stream, group, %error, "Redis refuses what this worker needs; trying again");
        }
        shutdown.run_until_cancelled(Backoff::wait_to_reconnect(self.failures)).await;
    }

    async fn drain(mut self) {
        let grace = self.settler.options.grace;
        if timeout(grace, self.finish_all()).await.is_err() {
            self.hand_back().await;
        }
        if let Err(error) = self.settler.member.leave(&mut self.settler.redis.clone()).await {
            debug!(%error, "could not leave the group; an idle consumer stays behind");
        }
    }

    /// Drops the handlers that are still running, and lets others take their entries at once.
    async fn hand_back(&mut self) {
        warn!(unfinished = self.in_hand.len(), "handing back entries whose handlers did not finish in time");
        self.handling.shutdown().await;
        let Settler { member, redis, .. } = &*self.settler;
        for receipt in self.in_hand.values() {
            // Fenced: an entry whose outcome was recorded just now stays settled.
            if let Err(error) = member.postpone(&mut redis.clone(), *receipt, Duration::ZERO, false).await {
                debug!(%error, stream_id = %receipt.id, "could not hand an entry back; it is taken over when it is idle");
                // The next would fail alike, and to wait that out for each of them would take too long.
                return;
            }
        }
    }
}

fn task_id(finished: Result<(task::Id, ()), JoinError>) -> task::Id {
    finished.map_or_else(|panicked| panicked.id(), |(id, ())| id)
}
