//! Makes outcomes known to Redis: what is ready together goes together, while more becomes ready.

use std::sync::Arc;

use futures_util::{
    StreamExt,
    future::{join_all, join3},
    stream,
};
use tokio::{sync::mpsc, time::Instant};
use tracing::{Span, debug, error, warn};

use super::{
    in_hand::InHand,
    scripts::{Fenced, Member, Receipt},
};
use crate::{
    Backoff, Connection, Error,
    stream::{
        Commit, Handler,
        attempt::{Attempts, Outcome},
    },
};

/// How many acknowledgements share a script call.
const ACKNOWLEDGEMENTS: usize = 1000;
/// How many commits share one. With 256, a Redis that syncs every write syncs twice as often and does an eighth less. With 512
/// of one output each a call takes 2.5 ms, and everybody else waits as long, so there should not be more.
const COMMITS: usize = 512;

/// How many calls are under way at a time: while Redis works on one, the next is written.
const IN_FLIGHT: usize = 2;

/// A handled entry.
pub(super) struct Handled {
    pub(super) receipt: Receipt,
    pub(super) outcome: Outcome,
    pub(super) at: Instant,
    pub(super) span: Span,
}

/// The committer of one consumer.
pub(super) struct Committer<H> {
    pub(super) member: Arc<Member>,
    pub(super) attempts: Arc<Attempts<H>>,
    pub(super) redis: Connection,
    pub(super) in_hand: Arc<InHand>,
}

/// What a call that failed is to be followed by.
enum After {
    Again,
    /// The group is gone, and the deliveries with it. Waiting for a new one here could keep the lane from creating it.
    Never,
    Failed(Error),
}

impl<H: Handler> Committer<H> {
    /// Commits what arrives until no more can.
    pub(super) async fn run(self, handled: mpsc::UnboundedReceiver<Handled>) {
        let ready = stream::unfold(handled, async |mut handled| {
            let mut ready = Vec::new();
            (handled.recv_many(&mut ready, ACKNOWLEDGEMENTS).await > 0).then_some((ready, handled))
        });
        ready.for_each_concurrent(IN_FLIGHT, |ready| self.settle(ready)).await;
    }

    async fn settle(&self, ready: Vec<Handled>) {
        let (mut plain, mut commits, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        for handled in ready {
            match &handled.outcome {
                Outcome::Commit(commit) if commit.is_empty() && handled.receipt.failed == 0 => {
                    plain.push(handled);
                }
                Outcome::Commit(_) => commits.push(handled),
                Outcome::Postpone { .. } | Outcome::Reject { .. } => failures.push(handled),
            }
        }
        join3(
            self.acknowledge(plain),
            self.commit(commits),
            join_all(failures.into_iter().map(|failure| self.fail(failure))),
        )
        .await;
    }

    async fn acknowledge(&self, plain: Vec<Handled>) {
        if plain.is_empty() {
            return;
        }
        let mut redis = self.redis.clone();
        let mut tries = 0;
        let acknowledged = loop {
            let ids = plain.iter().map(|handled| handled.receipt.id);
            match self.member.acknowledge(&mut redis, ids).await {
                Ok(acknowledged) => break acknowledged.unwrap_or(0),
                Err(error) => match self.after(error, &mut tries).await {
                    After::Again => {}
                    After::Never => break 0,
                    After::Failed(error) => {
                        for handled in plain {
                            self.attempt_failed(handled, &error).await;
                        }
                        return;
                    }
                },
            }
        };
        let metrics = &self.attempts.metrics;
        metrics.committed.increment(acknowledged as u64);
        metrics.fenced.increment((plain.len() - acknowledged) as u64);
        let now = Instant::now();
        for handled in &plain {
            metrics.commit_seconds.record(now - handled.at);
        }
        self.in_hand.put_down(plain.iter().map(|handled| handled.receipt.id));
    }

    async fn commit(&self, mut commits: Vec<Handled>) {
        while !commits.is_empty() {
            let rest = commits.split_off(commits.len().min(COMMITS));
            self.commit_together(std::mem::replace(&mut commits, rest)).await;
        }
    }

    async fn commit_together(&self, batch: Vec<Handled>) {
        match self.try_commit(&batch).await {
            Ok(answers) => self.report_all(batch.into_iter().zip(answers)).await,
            // One of them made the call fail as none of its own checks foresaw, and must not take the others with it.
            Err(_) if batch.len() > 1 => {
                for handled in batch {
                    Box::pin(self.commit_together(vec![handled])).await;
                }
            }
            Err(error) => {
                for handled in batch {
                    self.attempt_failed(handled, &error).await;
                }
            }
        }
    }

    async fn try_commit(&self, batch: &[Handled]) -> Result<Vec<Fenced>, Error> {
        let commits: Vec<(Receipt, &Commit)> = batch
            .iter()
            .filter_map(|handled| match &handled.outcome {
                Outcome::Commit(commit) => Some((handled.receipt, commit)),
                _ => None,
            })
            .collect();
        let mut redis = self.redis.clone();
        let mut tries = 0;
        loop {
            match self.member.commit(&mut redis, &commits).await {
                Ok(answers) => return Ok(answers),
                Err(error) => match self.after(error, &mut tries).await {
                    After::Again => {}
                    After::Never => return Ok(batch.iter().map(|_| Fenced::Refused).collect()),
                    After::Failed(error) => return Err(error),
                },
            }
        }
    }

    async fn report_all(&self, answers: impl Iterator<Item = (Handled, Fenced)>) {
        let mut settled = Vec::new();
        for (handled, fenced) in answers {
            match fenced {
                // The commit itself is at fault, so that attempt has failed.
                Fenced::Failed(error) => self.attempt_failed(handled, &error).await,
                fenced => {
                    settled.push(handled.receipt.id);
                    self.report(&handled, &fenced);
                }
            }
        }
        self.in_hand.put_down(settled.into_iter());
    }

    async fn attempt_failed(&self, handled: Handled, error: &Error) {
        let outcome = self.attempts.failed(handled.receipt.failed + 1, error.to_string());
        self.fail(Handled { outcome, ..handled }).await;
    }

    /// Records that an attempt failed.
    async fn fail(&self, handled: Handled) {
        let mut redis = self.redis.clone();
        let mut tries = 0;
        let fenced = loop {
            let answer = match &handled.outcome {
                Outcome::Postpone { reason, pause, commit } => {
                    self.member.postpone(&mut redis, handled.receipt, *pause, reason, commit).await
                }
                Outcome::Reject { reason } => self.member.reject(&mut redis, handled.receipt, reason).await,
                Outcome::Commit(_) => return,
            };
            match answer {
                Ok(fenced) => break fenced,
                Err(error) => match self.after(error, &mut tries).await {
                    After::Again => {}
                    After::Never => break Fenced::Refused,
                    After::Failed(error) => break Fenced::Failed(error),
                },
            }
        };
        self.report(&handled, &fenced);
        self.in_hand.put_down(std::iter::once(handled.receipt.id));
    }

    /// A finished handler's result is not thrown away because Redis is away for a moment: waits, and has it sent again, which
    /// the fence makes harmless.
    async fn after(&self, error: Error, tries: &mut u32) -> After {
        if error.is_group_missing() {
            return After::Never;
        }
        if !error.is_transient() {
            return After::Failed(error);
        }
        *tries += 1;
        if *tries == 1 {
            warn!(%error, stream = &*self.member.stream, "cannot record outcomes yet; waiting for Redis");
        }
        Backoff::wait_to_reconnect(*tries).await;
        After::Again
    }

    fn report(&self, handled: &Handled, fenced: &Fenced) {
        let metrics = &self.attempts.metrics;
        metrics.commit_seconds.record(handled.at.elapsed());
        let _entered = handled.span.enter();
        match (fenced, &handled.outcome) {
            // Taken over while the handler ran, or this very outcome is in already and its reply was lost.
            (Fenced::Refused, _) => {
                metrics.fenced.increment(1);
                debug!("the delivery was no longer this consumer's");
            }
            (Fenced::Lost, _) => {
                metrics.lost.increment(1);
                error!("the entry was deleted from the stream before it could be tried again");
            }
            (Fenced::Failed(error), _) => {
                error!(%error, "cannot record the outcome; the entry stays pending");
            }
            (Fenced::Done, Outcome::Commit(_)) => {
                metrics.committed.increment(1);
                debug!("committed");
            }
            (Fenced::Done, Outcome::Postpone { reason, pause, .. }) => {
                metrics.retried.increment(1);
                warn!(reason, ?pause, "the attempt failed; trying again later");
            }
            (Fenced::Done, Outcome::Reject { reason }) => {
                metrics.rejected.increment(1);
                let (attempts, dead_letters) = (handled.receipt.failed + 1, &self.member.keys.dead);
                error!(reason, attempts, dead_letters, "moved to the dead letters");
            }
        }
    }
}
