//! One consumer on one stream, the settling side: gives an entry to the handler, and makes the outcome known to Redis.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::{Instrument, debug, error, info_span, warn};

use super::{
    Delivery, Failure, Handler, Undecodable, WorkerOptions,
    commit::Commit,
    message::decode,
    metrics::DeliveryMetrics,
    scripts::{Fenced, Membership, RawEntry, Receipt},
};
use crate::{Backoff, Connection, Error};

/// What all deliveries of one lane share.
pub(super) struct Settler<H> {
    pub(super) member: Membership,
    pub(super) redis: Connection,
    pub(super) options: WorkerOptions,
    pub(super) metrics: DeliveryMetrics,
    handler: Arc<H>,
}

/// What becomes of a delivery.
enum Outcome {
    Commit(Commit),
    Postpone { reason: String, pause: Duration },
    Reject { reason: String, attempts: u32 },
}

impl<H: Handler> Settler<H> {
    pub(super) fn new(
        member: Membership,
        redis: Connection,
        handler: Arc<H>,
        options: WorkerOptions,
    ) -> Self {
        let metrics = DeliveryMetrics::of(&member.stream, &member.group);
        Self { member, redis, options, metrics, handler }
    }

    /// Handles one entry to its end, whatever that is.
    pub(super) async fn handle(&self, partition: usize, entry: RawEntry) {
        let (receipt, attempt) = (entry.receipt, entry.failed_attempts + 1);
        let span = info_span!("delivery", stream = self.member.stream, stream_id = %receipt.id, attempt);
        async {
            let outcome = match decode(&entry.fields) {
                Ok(decoded) => {
                    let delivery = Delivery {
                        message: decoded.message,
                        stream_id: receipt.id,
                        partition,
                        message_id: decoded.message_id,
                        occurred_at: decoded.occurred_at,
                        attempt,
                        trace: decoded.trace,
                    };
                    self.attempt(delivery).await
                }
                Err(Undecodable::UnknownType(_)) if self.options.skip_unknown => {
                    Outcome::Commit(Commit::new())
                }
                Err(undecodable) => Outcome::Reject { reason: undecodable.to_string(), attempts: attempt },
            };
            self.settle(receipt, attempt, outcome).await;
        }
        .instrument(span)
        .await;
    }

    async fn attempt(&self, delivery: Delivery<H::Message>) -> Outcome {
        let attempt = delivery.attempt;
        let started = Instant::now();
        // A handler that panics is a failed attempt, not a dead worker; also one that does so before its first await.
        let handled = async { self.handler.handle(delivery).await };
        let result = AssertUnwindSafe(handled).catch_unwind().await;
        self.metrics.handler_seconds.record(started.elapsed());
        match result {
            Ok(Ok(commit)) => Outcome::Commit(commit),
            Ok(Err(Failure::Reject { reason })) => Outcome::Reject { reason, attempts: attempt },
            Ok(Err(Failure::Retry { reason, after })) => self.failed(attempt, reason, after),
            Err(_panic) => self.failed(attempt, "the handler panicked".into(), None),
        }
    }

    fn failed(&self, attempt: u32, reason: String, after: Option<Duration>) -> Outcome {
        match self.options.max_attempts {
            Some(most) if attempt >= most => Outcome::Reject { reason, attempts: attempt },
            _ => {
                let pause = after.unwrap_or_else(|| self.options.backoff.pause(attempt));
                Outcome::Postpone { reason, pause }
            }
        }
    }

    /// Makes the outcome known to Redis, for as long as that takes: a finished handler's result is not thrown away
    /// because Redis is away for a moment.
    async fn settle(&self, receipt: Receipt, attempt: u32, mut outcome: Outcome) {
        let mut failures = 0;
        loop {
            match self.write(receipt, &outcome).await {
                Ok(fenced) => return self.report(&outcome, fenced),
                // The delivery went with the group. Waiting for a new one here could keep the lane from creating it.
                Err(error) if error.is_group_missing() => return self.report(&outcome, Fenced::Refused),
                Err(error) if error.is_transient() => {
                    failures += 1;
                    if failures == 1 {
                        warn!(%error, "cannot record the outcome yet; waiting for Redis");
                    }
                    Backoff::wait_to_reconnect(failures).await;
                }
                // The commit itself is at fault, so that attempt has failed.
                Err(error) if matches!(outcome, Outcome::Commit(_)) => {
                    outcome = self.failed(attempt, error.to_string(), None);
                }
                Err(error) => {
                    error!(%error, "cannot record the outcome; the entry stays pending");
                    return;
                }
            }
        }
    }

    async fn write(&self, receipt: Receipt, outcome: &Outcome) -> Result<Fenced, Error> {
        let mut redis = self.redis.clone();
        match outcome {
            Outcome::Commit(commit) => self.member.commit(&mut redis, receipt, commit).await,
            Outcome::Postpone { pause, .. } => self.member.postpone(&mut redis, receipt, *pause, true).await,
            Outcome::Reject { reason, attempts } => {
                self.member.reject(&mut redis, receipt, reason, *attempts).await
            }
        }
    }

    fn report(&self, outcome: &Outcome, fenced: Fenced) {
        match (fenced, outcome) {
            // Taken over while the handler ran, or this very outcome is in already and its reply was lost.
            (Fenced::Refused, _) => {
                self.metrics.fenced.increment(1);
                debug!("the delivery was no longer this consumer's");
            }
            (Fenced::Done, Outcome::Commit(_)) => {
                self.metrics.committed.increment(1);
                debug!("committed");
            }
            (Fenced::Done, Outcome::Postpone { reason, pause }) => {
                self.metrics.retried.increment(1);
                warn!(reason, ?pause, "the attempt failed; trying again later");
            }
            (Fenced::Done, Outcome::Reject { reason, attempts }) => {
                self.metrics.rejected.increment(1);
                error!(reason, attempts, dead_letters = self.member.dead, "moved to the dead letters");
            }
        }
    }
}
