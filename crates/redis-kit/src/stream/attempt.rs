//! One attempt at one entry, in either mode of delivery: decodes it, calls the handler, and says what is to become of it.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use jiff::Timestamp;
use redis::Cmd;
use tokio::time::Instant;
use tracing::{Instrument, Span, info_span};

use super::{
    Commit, Delivery, Failure, Handler, Prepared, StreamId, Undecodable, WorkerOptions,
    competing::Claim,
    message::{RawFields, decode, message_type, now, replayed_for},
    metrics::DeliveryMetrics,
};
use crate::{Connection, Error, trace::TraceContext};

const PANICKED: &str = "the handler panicked";

/// What is to become of an entry.
#[derive(Debug)]
pub(super) enum Outcome {
    Commit(Commit),
    Postpone { reason: String, pause: Duration, commit: Commit },
    Reject { reason: String },
}

impl Outcome {
    /// There is nothing to write.
    pub(super) fn nothing() -> Self {
        Self::Commit(Commit::new())
    }
}

/// What every attempt at the entries of one stream needs.
pub(super) struct Attempts<H> {
    pub(super) stream: String,
    pub(super) group: String,
    pub(super) partition: usize,
    pub(super) handler: Arc<H>,
    pub(super) options: WorkerOptions,
    pub(super) metrics: DeliveryMetrics,
}

/// An entry as it came from Redis.
#[derive(Debug)]
pub(super) struct RawEntry {
    pub(super) id: StreamId,
    pub(super) fields: RawFields,
    /// How many attempts at it have failed.
    pub(super) failed: u32,
    pub(super) first_delivered: Timestamp,
}

/// What `XREAD` and `XREADGROUP` answer: each stream's name and entries.
type ReadReply = Option<Vec<(redis::Value, Vec<(StreamId, RawFields)>)>>;

impl RawEntry {
    /// Reads entries that nobody has had yet.
    pub(super) async fn read(read: &Cmd, reader: &mut Connection) -> Result<Vec<Self>, Error> {
        let reply: ReadReply = read.query_async(reader).await?;
        let first_delivered = now();
        let fresh = |(id, fields)| Self { id, fields, failed: 0, first_delivered };
        Ok(reply.into_iter().flatten().flat_map(|(_, entries)| entries).map(fresh).collect())
    }
}

impl<H: Handler> Attempts<H> {
    /// Makes one attempt at what an entry was decoded to.
    pub(super) fn attempt(
        self: &Arc<Self>,
        entry: &RawEntry,
        delivery: Result<Delivery<H::Message>, Outcome>,
    ) -> (Span, impl Future<Output = Outcome> + Send + use<H>) {
        let span = match &delivery {
            // There is nothing to tell.
            Err(Outcome::Commit(_)) => Span::none(),
            delivery => self.span(entry, delivery.as_ref().map(|delivery| delivery.trace).ok()),
        };
        let attempts = Arc::clone(self);
        let outcome = async move {
            match delivery {
                Ok(delivery) => attempts.handle(delivery).await,
                Err(outcome) => outcome,
            }
        };
        (span.clone(), outcome.instrument(span))
    }

    /// The delivery that an entry makes, or what becomes of it without one. `previous` is the entry before this one, and
    /// `claim` the proof that the entry is this consumer's, if the mode of delivery knows them.
    pub(super) fn decode(
        &self,
        entry: &RawEntry,
        previous: Option<StreamId>,
        claim: Option<Claim>,
    ) -> Result<Delivery<H::Message>, Outcome> {
        let replayed_for = replayed_for(&entry.fields);
        if replayed_for.as_ref().is_some_and(|(group, _)| *group != self.group) {
            // Another group's dead letter; this one has had the entry long ago.
            return Err(Outcome::nothing());
        }
        if message_type(&entry.fields).is_some_and(|known| !self.handler.concerns(known)) {
            return Err(Outcome::nothing());
        }
        match decode(&entry.fields) {
            Ok(decoded) => Ok(Delivery {
                message: decoded.message,
                stream_id: replayed_for.map_or(entry.id, |(_, origin)| origin),
                previous,
                partition: self.partition,
                message_id: decoded.message_id,
                occurred_at: decoded.occurred_at,
                attempt: entry.failed + 1,
                first_delivered: entry.first_delivered,
                trace: decoded.trace,
                claim,
            }),
            Err(Undecodable::UnknownType(_)) if self.options.skip_unknown => Err(Outcome::nothing()),
            Err(undecodable) => Err(Outcome::Reject { reason: undecodable.to_string() }),
        }
    }

    /// The span of a delivery, linked to the one that wrote the entry: an exporter finds both in the same trace.
    fn span(&self, entry: &RawEntry, trace: Option<TraceContext>) -> Span {
        info_span!(
            "delivery",
            stream = self.stream,
            group = self.group,
            stream_id = %entry.id,
            attempt = entry.failed + 1,
            trace_id = trace.as_ref().map(TraceContext::trace_id),
            parent_span_id = trace.as_ref().map(TraceContext::span_id),
        )
    }

    /// Lets the handler see all of them at once.
    pub(super) async fn prepare(&self, deliveries: &[&Delivery<H::Message>]) -> Result<Prepared, String> {
        let prepared = async { self.handler.prepare(deliveries).await };
        AssertUnwindSafe(prepared).catch_unwind().await.unwrap_or_else(|_panic| Err(PANICKED.into()))
    }

    async fn handle(&self, delivery: Delivery<H::Message>) -> Outcome {
        let attempt = delivery.attempt;
        let started = Instant::now();
        // A handler that panics is a failed attempt, not a dead worker; also one that does so before its first await.
        let handled = async { self.handler.handle(delivery).await };
        let result = AssertUnwindSafe(handled).catch_unwind().await;
        self.metrics.handler_seconds.record(started.elapsed());
        match result {
            Ok(Ok(commit)) => match commit.check_keys(&self.stream) {
                Ok(()) => Outcome::Commit(commit),
                Err(foreign) => self.failed(attempt, foreign.to_string()),
            },
            Ok(Err(Failure::Reject { reason })) => Outcome::Reject { reason },
            Ok(Err(Failure::Retry { reason, after, commit })) => match commit.check_keys(&self.stream) {
                Ok(()) => self.retry(attempt, reason, after, commit),
                Err(foreign) => self.failed(attempt, format!("{reason}; {foreign}")),
            },
            Err(_panic) => self.failed(attempt, PANICKED.into()),
        }
    }

    /// What becomes of an entry whose `attempt`-th attempt has failed for now.
    pub(super) fn failed(&self, attempt: u32, reason: String) -> Outcome {
        self.retry(attempt, reason, None, Commit::new())
    }

    fn retry(&self, attempt: u32, reason: String, after: Option<Duration>, commit: Commit) -> Outcome {
        match self.options.max_attempts {
            Some(most) if attempt >= most => Outcome::Reject { reason },
            _ => {
                let pause = after.unwrap_or_else(|| self.options.backoff.pause(attempt));
                Outcome::Postpone { reason, pause, commit }
            }
        }
    }
}
