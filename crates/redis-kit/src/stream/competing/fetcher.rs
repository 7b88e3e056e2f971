//! Decides what a consumer takes, and when.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    in_hand::InHand,
    scripts::{Claimed, Member, Taken},
};
use crate::{
    Connection, Error,
    stream::{WorkerOptions, delayed::append_all_due, metrics::DeliveryMetrics, worker::report_failure},
};

/// How many entries one read takes at most: more save nothing, and would be decoded before the first is handled.
const MOST: usize = 1000;

pub(super) struct Fetcher {
    pub(super) member: Arc<Member>,
    pub(super) reader: Connection,
    pub(super) redis: Connection,
    pub(super) in_hand: Arc<InHand>,
    pub(super) options: WorkerOptions,
    pub(super) metrics: DeliveryMetrics,
    /// From when on nothing new is taken.
    pub(super) stop: CancellationToken,
    /// Whether entries may be pending here that are not in hand, because a reply was lost.
    has_strays: bool,
    claim_at: Instant,
    /// Whether the last fetch took entries that had been waiting.
    claimed_last: bool,
    reap_at: Instant,
    failures: u32,
}

/// What a look at the stream brought.
pub(super) enum Fetched {
    Entries(Vec<Taken>),
    /// This consumer's lease was revoked, or its group is gone.
    Ended,
    /// Redis cannot serve it now, for so many times in a row.
    Failed(u32),
}

impl Fetcher {
    pub(super) fn new(
        member: Arc<Member>,
        reader: Connection,
        redis: Connection,
        in_hand: Arc<InHand>,
        options: WorkerOptions,
        metrics: DeliveryMetrics,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        // Everybody gets the time of a lease to come back before anybody is taken for dead: Redis may have been away, and
        // with it every heartbeat.
        let reap_at = now + options.lease;
        Self {
            member,
            reader,
            redis,
            in_hand,
            options,
            metrics,
            stop,
            has_strays: false,
            claim_at: now,
            claimed_last: false,
            reap_at,
            failures: 0,
        }
    }

    /// Takes entries for which there is room; waits a little for some to come.
    ///
    /// Must not be dropped midway: entries that came with a dropped read would be pending and unseen.
    pub(super) async fn fetch(&mut self) -> Fetched {
        match self.try_fetch().await {
            Ok(fetched) => {
                self.failures = 0;
                fetched
            }
            Err(error) => self.recover(&error),
        }
    }

    async fn try_fetch(&mut self) -> Result<Fetched, Error> {
        let room = self.in_hand.room(self.options.block).await.min(MOST);
        if self.stop.is_cancelled() {
            return Ok(Fetched::Entries(Vec::new()));
        }
        if room == 0 {
            self.ask().await?;
            return Ok(Fetched::Entries(Vec::new()));
        }
        if self.options.pause.is_on() {
            return self.pause().await;
        }
        if self.has_strays {
            let strays = self.strays(room).await?;
            if !strays.is_empty() {
                return Ok(Fetched::Entries(strays));
            }
        }
        if Instant::now() >= self.reap_at && !self.reap().await? {
            return Ok(Fetched::Ended);
        }
        // What waits and what is new take turns: neither can keep the other from being handled.
        let new_entries_turn = std::mem::take(&mut self.claimed_last);
        if !new_entries_turn && Instant::now() >= self.claim_at {
            let Some(entries) = self.claim(room).await? else { return Ok(Fetched::Ended) };
            if !entries.is_empty() {
                self.claimed_last = true;
                return Ok(Fetched::Entries(entries));
            }
            self.append_due().await?;
        }
        // More may be waiting to be claimed, so this read must not wait for entries that are not there yet.
        let block = (!new_entries_turn).then_some(self.options.block);
        Ok(Fetched::Entries(self.member.read(&mut self.reader, room, block).await?))
    }

    /// Does everything but take entries, and waits a little for the pause to end.
    async fn pause(&mut self) -> Result<Fetched, Error> {
        if Instant::now() >= self.reap_at && !self.reap().await? {
            return Ok(Fetched::Ended);
        }
        if Instant::now() >= self.claim_at {
            self.append_due().await?;
        }
        self.ask().await?;
        self.stop.run_until_cancelled(self.options.pause.end_within(self.options.block)).await;
        if !self.options.pause.is_on() {
            // What waits may have become due meanwhile.
            self.claim_at = Instant::now();
        }
        Ok(Fetched::Entries(Vec::new()))
    }

    /// Fails if Redis is away. Handlers that wait for it to record their outcome must not hide that. The stream's own node is
    /// what matters.
    async fn ask(&mut self) -> Result<(), Error> {
        redis::cmd("EXISTS").arg(&*self.member.stream).exec_async(&mut self.redis).await?;
        Ok(())
    }

    async fn append_due(&mut self) -> Result<(), Error> {
        append_all_due(&mut self.redis, &self.member.stream).await?;
        self.claim_at = Instant::now() + self.options.claim_interval;
        Ok(())
    }

    async fn claim(&mut self, room: usize) -> Result<Option<Vec<Taken>>, Error> {
        // Before the answer: what is put down meanwhile is not pending any more either.
        let in_hand = self.in_hand.len();
        let Some(Claimed { entries, lost, pending }) = self.member.claim(&mut self.redis, room).await? else {
            return Ok(None);
        };
        self.report_lost(&lost);
        self.has_strays = pending > in_hand + entries.len();
        Ok(Some(entries))
    }

    async fn strays(&mut self, room: usize) -> Result<Vec<Taken>, Error> {
        let in_hand = self.in_hand.ids();
        let Claimed { entries, lost, .. } = self.member.strays(&mut self.redis, room, &in_hand).await?;
        self.report_lost(&lost);
        self.has_strays = entries.len() == room;
        if !entries.is_empty() {
            info!(
                stream = &*self.member.stream,
                entries = entries.len(),
                "took up entries whose reply was lost"
            );
        }
        Ok(entries)
    }

    /// Ends consumers that are gone. False if this one is.
    async fn reap(&mut self) -> Result<bool, Error> {
        let Some(released) = self.member.reap(&mut self.redis, self.options.lease).await? else {
            return Ok(false);
        };
        self.report_lost(&released.lost);
        if !released.revoked.is_empty() || released.entries > 0 {
            self.metrics.released.increment(released.entries as u64);
            warn!(stream = &*self.member.stream, group = &*self.member.group, consumers = ?released.revoked,
                entries = released.entries, "took over what consumers that are gone left behind");
            // They are due at once.
            self.claim_at = Instant::now();
        }
        self.reap_at = Instant::now() + (self.options.lease / 10).max(self.options.claim_interval);
        Ok(true)
    }

    fn report_lost(&self, lost: &[String]) {
        if !lost.is_empty() {
            self.metrics.lost.increment(lost.len() as u64);
            error!(stream = &*self.member.stream, group = &*self.member.group, ids = ?lost,
                "entries were deleted from the stream before anybody had handled them");
        }
    }

    fn recover(&mut self, error: &Error) -> Fetched {
        self.failures += 1;
        self.has_strays = true;
        self.reap_at = Instant::now() + self.options.lease;
        if error.is_group_missing() {
            return Fetched::Ended;
        }
        report_failure(&self.member.stream, &self.member.group, error, self.failures);
        Fetched::Failed(self.failures)
    }
}
