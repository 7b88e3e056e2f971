//! Passes the entries of a partition, one after the other, while it is held.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug, error, warn};

use super::{
    cursor::{Cursor, Move},
    hold::Hold,
    rest::rest_after,
    scripts::Contender,
};
use crate::{
    Backoff, Connection, Error,
    pubsub::tip,
    stream::{
        Commit, Delivery, Handler, Prepared, StreamId, WorkerOptions, WorkerStatus,
        attempt::{Attempts, Outcome, RawEntry},
        delayed::append_all_due,
        failures::Failures,
        message::RawFields,
        worker::report_failure,
    },
};

/// How many entries are committed together at most.
const MOST: usize = 1024;

/// From this many failed attempts on, an entry that holds up its partition is a matter for a person.
const ALARM: u32 = 5;

/// How often subscribers are told how far the group has come.
const TIP_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Passage<'a, H> {
    pub(super) contender: &'a Contender,
    pub(super) hold: &'a Hold,
    pub(super) attempts: &'a Arc<Attempts<H>>,
    pub(super) reader: Connection,
    pub(super) redis: Connection,
    pub(super) status: &'a WorkerStatus,
    pub(super) cursor: Cursor,
    /// Told to end between two entries: a shutdown, or another's turn.
    pub(super) stop: &'a CancellationToken,
    /// When to look next for delayed messages that are due.
    pub(super) append_at: Instant,
    /// When to tell next how far the group has come.
    pub(super) tip_at: Instant,
    /// Failures on record, unless they may have changed since they were read.
    pub(super) failures: Option<HashMap<String, Failures>>,
    /// Entries behind the cursor that are nothing to the handler. They are passed with the next that is, or when nothing comes:
    /// nobody waits for that, and Redis is spared a write for each.
    pub(super) passed_over: Vec<RawEntry>,
}

/// An entry, what became of it, and the span in which it did.
type Done = (RawEntry, Outcome, Span);

/// What an entry was decoded to.
type Decoded<H> = Result<Delivery<<H as Handler>::Message>, Outcome>;

/// Whether an entry is passed without the handler.
fn is_nothing<M>(decoded: &Result<Delivery<M>, Outcome>) -> bool {
    matches!(decoded, Err(Outcome::Commit(_)))
}

/// Why passing ended.
pub(super) enum End {
    /// It was asked to.
    Stopped,
    /// The lease is lost, or the group is.
    Lost,
}

impl<H: Handler> Passage<'_, H> {
    /// Passes entries until it is told to stop or the lease is lost.
    pub(super) async fn run(mut self) -> End {
        let mut failures = 0;
        loop {
            if self.hold.lost().is_cancelled() {
                return End::Lost;
            }
            if self.stop.is_cancelled() {
                // Or else whoever is next passes them over again.
                let _ = self.commit(Vec::new()).await;
                return End::Stopped;
            }
            // Nothing is pending by being read, so a read may be dropped.
            let read = async {
                let entries = self.read().await?;
                if entries.is_empty() || self.is_to_rest() {
                    return self.look().await;
                }
                let (started, all) = (Instant::now(), entries.len() < self.most());
                let end = self.pass(entries).await?;
                if end.is_none() {
                    self.stop.run_until_cancelled(self.rest(started, all)).await;
                }
                Ok(end)
            };
            match read.await {
                Ok(None) => {
                    failures = 0;
                    self.status.polled(self.attempts.partition);
                }
                Ok(Some(end)) => return end,
                Err(error) if error.is_group_missing() => return End::Lost,
                Err(error) => {
                    failures += 1;
                    self.failures = None;
                    report_failure(&self.contender.stream, &self.contender.group, &error, failures);
                    self.stop.run_until_cancelled(Backoff::wait_to_reconnect(failures)).await;
                }
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<RawEntry>, Error> {
        self.announce_tip().await?;
        if Instant::now() >= self.append_at {
            append_all_due(&mut self.redis, &self.contender.stream).await?;
            self.append_at = Instant::now() + self.attempts.options.claim_interval;
        }
        let WorkerOptions { pause, block, .. } = &self.attempts.options;
        if pause.is_on() {
            self.stop.run_until_cancelled(pause.end_within(*block)).await;
            return Ok(Vec::new());
        }
        let (after, most) = (self.read_to(), self.most());
        let failures = match &mut self.failures {
            Some(failures) => failures,
            unknown => unknown.insert(self.contender.failures(&mut self.redis).await?),
        };
        let read = self.contender.read(&mut self.reader, after, most, *block);
        let mut entries = self.stop.run_until_cancelled(read).await.unwrap_or_else(|| Ok(Vec::new()))?;
        if !failures.is_empty() {
            for entry in &mut entries {
                if let Some(known) = failures.remove(&entry.id.to_string()) {
                    entry.failed = known.failed;
                    entry.first_delivered = known.first_delivered.unwrap_or(entry.first_delivered);
                }
            }
        }
        Ok(entries)
    }

    /// What is read comes after this entry.
    fn read_to(&self) -> StreamId {
        self.passed_over.last().map_or(self.cursor.at, |entry| entry.id)
    }

    /// How many entries are read at a time.
    fn most(&self) -> usize {
        self.attempts.options.concurrency.clamp(1, MOST)
    }

    /// Lets others have their turn, and entries gather if all of those were read that there were.
    async fn rest(&self, started: Instant, all: bool) {
        let WorkerOptions { rest, gather, .. } = self.attempts.options;
        rest_after(started.elapsed(), rest).await;
        if all {
            // Not always equally long, or all partitions would come at the same moment, and keep others waiting in turn.
            sleep_until(started + gather.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        }
    }

    /// Whether nothing more is to be passed now.
    fn is_to_rest(&mut self) -> bool {
        let is_to_rest = self.stop.is_cancelled() || self.attempts.options.pause.is_on();
        if is_to_rest {
            // Read again, what has failed must be known to have.
            self.failures = None;
        }
        is_to_rest
    }

    async fn announce_tip(&mut self) -> Result<(), Error> {
        let Some(channel) = &self.attempts.options.tips else { return Ok(()) };
        if Instant::now() >= self.tip_at {
            let tip = tip(self.attempts.partition, self.cursor.at);
            redis::cmd("PUBLISH").arg(channel).arg(tip).exec_async(&mut self.redis).await?;
            self.tip_at = Instant::now() + TIP_INTERVAL;
        }
        Ok(())
    }

    /// While nothing comes, looks whether the cursor was moved by hand, and whether lease and group are still there. `Some` if
    /// passing has to end.
    async fn look(&mut self) -> Result<Option<End>, Error> {
        if !self.passed_over.is_empty() || !self.cursor.is_kept() {
            return self.commit(Vec::new()).await;
        }
        // Behind no entries, and in memory alone, it is not moved at all.
        let (fence, at) = (self.hold.fence, self.cursor.at);
        let Some(passed) = self.contender.pass(&mut self.redis, fence, at, Move::InMemory, &[]).await? else {
            return Ok(Some(End::Lost));
        };
        self.expect_cursor(at, passed.cursor);
        self.cursor.at = passed.cursor;
        Ok(None)
    }

    /// Passes entries in their order. `Some` if passing has to end.
    async fn pass(&mut self, entries: Vec<RawEntry>) -> Result<Option<End>, Error> {
        let mut done: Vec<Done> = Vec::with_capacity(entries.len());
        let mut previous = self.read_to();
        let mut decoded = self.decode(&entries);
        if decoded.iter().all(is_nothing) && self.passed_over.len() < MOST {
            self.passed_over.extend(entries);
            return Ok(None);
        }
        if let Some(end) = self.prepare(&entries, &mut decoded).await? {
            return Ok(end);
        }
        for (mut entry, first) in entries.into_iter().zip(decoded) {
            let mut decoded = Some(first);
            loop {
                if self.is_to_rest() {
                    return self.commit(done).await;
                }
                let again = || self.attempts.decode(&entry, Some(previous), None);
                let delivery = decoded.take().unwrap_or_else(again);
                let (span, outcome) = self.attempts.attempt(&entry, delivery);
                let Some(outcome) = self.while_held(outcome).await else { return Ok(Some(End::Lost)) };
                let Outcome::Postpone { reason, pause, commit } = outcome else {
                    previous = entry.id;
                    done.push((entry, outcome, span));
                    break;
                };
                // What came before it is not held up.
                if let Some(end) = self.commit(std::mem::take(&mut done)).await? {
                    return Ok(Some(end));
                }
                if self.cursor.at != previous {
                    // One of those could not be passed, or the cursor was moved by hand. It comes first.
                    return Ok(None);
                }
                if !self.fail(&entry, &span, &reason, &commit, pause).await? {
                    return Ok(Some(End::Lost));
                }
                entry.failed += 1;
            }
        }
        self.commit(done).await
    }

    fn decode(&self, entries: &[RawEntry]) -> Vec<Decoded<H>> {
        let before = std::iter::once(self.read_to()).chain(entries.iter().map(|entry| entry.id));
        entries
            .iter()
            .zip(before)
            .map(|(entry, before)| self.attempts.decode(entry, Some(before), None))
            .collect()
    }

    /// Lets the handler see everything before it gets one after the other, unless it leaves nothing to do. `Some` if there is
    /// nothing to pass now, and whether passing has to end.
    async fn prepare(
        &mut self,
        entries: &[RawEntry],
        decoded: &mut [Decoded<H>],
    ) -> Result<Option<Option<End>>, Error> {
        let deliveries: Vec<_> = decoded.iter().filter_map(|decoded| decoded.as_ref().ok()).collect();
        let reason = match self.while_held(self.attempts.prepare(&deliveries)).await {
            Some(Ok(Prepared::ToBeHandled)) => return Ok(None),
            Some(Ok(Prepared::Done)) => {
                for done in decoded.iter_mut().filter(|decoded| decoded.is_ok()) {
                    *done = Err(Outcome::nothing());
                }
                return Ok(None);
            }
            Some(Err(reason)) => reason,
            None => return Ok(Some(Some(End::Lost))),
        };
        // What came before is not held up.
        if let Some(end) = self.commit(Vec::new()).await? {
            return Ok(Some(Some(end)));
        }
        let entry = &entries[0];
        let pause = self.attempts.options.backoff.pause(entry.failed + 1);
        let held = self.fail(entry, &Span::current(), &reason, &Commit::new(), pause).await?;
        // Read again, it must be known to have failed.
        self.failures = None;
        Ok(Some((!held).then_some(End::Lost)))
    }

    /// Records a failed attempt and waits until the next. False if the partition is another's.
    async fn fail(
        &mut self,
        entry: &RawEntry,
        span: &Span,
        reason: &str,
        commit: &Commit,
        pause: Duration,
    ) -> Result<bool, Error> {
        if !self.contender.fail(&mut self.redis, self.hold.fence, entry, reason, commit).await? {
            return Ok(false);
        }
        self.attempts.metrics.retried.increment(1);
        span.in_scope(|| {
            if entry.failed + 1 >= ALARM {
                error!(reason, ?pause, attempts = entry.failed + 1, "this entry holds up its partition");
            } else {
                warn!(reason, ?pause, "the attempt failed; the partition waits for the next");
            }
        });
        self.while_held(self.stop.run_until_cancelled(tokio::time::sleep(pause))).await;
        Ok(true)
    }

    /// Does what may take long, and asks meanwhile whether the stream's own node is there, as reading would. `None` if the
    /// partition is lost first.
    async fn while_held<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.hold.lost().is_cancelled() {
            return None;
        }
        let polling = async {
            loop {
                tokio::time::sleep(self.attempts.options.block).await;
                let mut redis = self.redis.clone();
                if redis::cmd("EXISTS").arg(&self.contender.stream).exec_async(&mut redis).await.is_ok() {
                    self.status.polled(self.attempts.partition);
                }
            }
        };
        tokio::select! {
            // In this order, because most work is done at once, and then nothing else need begin.
            biased;
            done = work => Some(done),
            () = self.hold.lost().cancelled() => None,
            never = polling => never,
        }
    }

    /// Applies what was done and moves the cursor, for as long as that takes. `Some` if passing has to end.
    async fn commit(&mut self, done: Vec<Done>) -> Result<Option<End>, Error> {
        let passed_over = std::mem::take(&mut self.passed_over).into_iter();
        let passed_over = passed_over.map(|entry| (entry, Outcome::nothing(), Span::none()));
        let (entries, spans): (Vec<_>, Vec<_>) =
            passed_over.chain(done).map(|(entry, outcome, span)| ((entry, outcome), span)).unzip();
        if entries.is_empty() && self.cursor.is_kept() {
            return Ok(None);
        }
        let how = self.cursor.how_to_move(&entries);
        let end = entries.last().map_or(self.cursor.at, |(entry, _)| entry.id);
        let started = Instant::now();
        let mut tries = 0;
        let passed = loop {
            let mut redis = self.redis.clone();
            match self.contender.pass(&mut redis, self.hold.fence, self.cursor.at, how, &entries).await {
                Ok(Some(passed)) => break passed,
                Ok(None) => return Ok(Some(End::Lost)),
                // A finished handler's result is not thrown away because Redis is away for a moment. Sent again, it is
                // told by the cursor whether it was applied.
                Err(error) if error.is_transient() && !error.is_group_missing() => {
                    tries += 1;
                    report_failure(&self.contender.stream, &self.contender.group, &error, tries);
                    let pause = Backoff::wait_to_reconnect(tries);
                    if self.hold.lost().run_until_cancelled(pause).await.is_none() {
                        return Ok(Some(End::Lost));
                    }
                }
                Err(error) => return Err(error),
            }
        };
        self.expect_cursor(end, passed.cursor);
        self.cursor.moved(passed.cursor, passed.is_kept, started);
        self.attempts.metrics.commit_seconds.record(started.elapsed());
        for ((entry, outcome), span) in entries.iter().zip(&spans) {
            if entry.id <= self.cursor.at {
                self.report(entry, outcome, span);
            }
        }
        match passed.wrong {
            Some(wrong) => self.commit_refused(&entries, wrong).await,
            None => Ok(None),
        }
    }

    /// If the cursor was found elsewhere, entries are read again, and what has failed must be known to have.
    fn expect_cursor(&mut self, expected: StreamId, found: StreamId) {
        if found != expected {
            self.failures = None;
        }
    }

    /// A commit that cannot be applied is a failed attempt at the first entry behind the cursor.
    async fn commit_refused(
        &mut self,
        entries: &[(RawEntry, Outcome)],
        wrong: String,
    ) -> Result<Option<End>, Error> {
        let Some((entry, refused)) = entries.iter().find(|(entry, _)| entry.id > self.cursor.at) else {
            return Ok(None);
        };
        let (span, attempt) = (Span::current(), entry.failed + 1);
        match self.attempts.failed(attempt, wrong) {
            outcome @ Outcome::Reject { .. } if matches!(refused, Outcome::Commit(_)) => {
                let entry = RawEntry { fields: RawFields::default(), ..*entry };
                Box::pin(self.commit(vec![(entry, outcome, span)])).await
            }
            // What cannot even be rejected waits for somebody to mend the cause.
            Outcome::Postpone { reason, .. } | Outcome::Reject { reason } => {
                let pause = self.attempts.options.backoff.pause(attempt);
                let held = self.fail(entry, &span, &reason, &Commit::new(), pause).await?;
                // Read again, it must be known to have failed.
                self.failures = None;
                Ok((!held).then_some(End::Lost))
            }
            Outcome::Commit(_) => Ok(None),
        }
    }

    fn report(&self, entry: &RawEntry, outcome: &Outcome, span: &Span) {
        let metrics = &self.attempts.metrics;
        let _entered = span.enter();
        if let Outcome::Reject { reason } = outcome {
            metrics.rejected.increment(1);
            let (attempts, dead_letters) = (entry.failed + 1, &self.contender.keys.dead);
            error!(reason, attempts, dead_letters, "moved to the dead letters");
        } else {
            metrics.committed.increment(1);
            debug!("committed");
        }
    }
}
