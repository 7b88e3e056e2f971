use std::{fmt, future::Future, time::Duration};

use jiff::Timestamp;
use uuid::Uuid;

use super::{Commit, Message, StreamId, competing::Claim};
use crate::trace::TraceContext;

/// What is done with each entry of a stream.
pub trait Handler: Send + Sync + 'static {
    /// What the entries say.
    type Message: Message;

    /// Does the work outside Redis and returns what is to be written inside.
    ///
    /// May be called more than once for an entry (after a crash, a retry, a lost lease), so what it does outside Redis
    /// must be idempotent. What it returns takes effect at most once.
    fn handle(
        &self,
        delivery: Delivery<Self::Message>,
    ) -> impl Future<Output = Result<Commit, Failure>> + Send;

    /// Whether entries of this type are anything to this handler. Others are passed as if nothing had to be done about them,
    /// without being decoded. All are, unless it says otherwise.
    fn concerns(&self, _message_type: &str) -> bool {
        true
    }

    /// In ordered mode, sees the entries that were read together, before [`Self::handle`] gets them one by one: for work
    /// that costs as much for many as for one, such as a transaction of a database. Says whether that was all.
    ///
    /// May see an entry again, like `handle`, and must be as idempotent. An error is a failed attempt at the first of them.
    fn prepare(
        &self,
        _deliveries: &[&Delivery<Self::Message>],
    ) -> impl Future<Output = Result<Prepared, String>> + Send {
        std::future::ready(Ok(Prepared::ToBeHandled))
    }
}

/// What is left to do with entries that a handler has seen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Each is to be handled.
    ToBeHandled,
    /// Nothing. They are passed as if each had been handled and there were nothing to write.
    Done,
}

/// One entry, delivered to one consumer.
#[derive(Clone, Debug)]
pub struct Delivery<M> {
    /// What the entry says.
    pub message: M,
    /// Where it stands in its stream; for a dead letter that was replayed, where it stood at first.
    pub stream_id: StreamId,
    /// In ordered mode the entry that the group passed right before this one ([`StreamId::ZERO`] if there was none); in
    /// competing mode nobody knows.
    pub previous: Option<StreamId>,
    /// Which of the worker's streams it came from, counted from 0.
    pub partition: usize,
    /// The id its writer gave the message.
    pub message_id: Uuid,
    /// When its writer wrote it.
    pub occurred_at: Timestamp,
    /// 1 for the first attempt; recorded failures raise it, takeovers do not.
    pub attempt: u32,
    /// When it was first given to a consumer of the group, whoever that was and whatever became of that: for handlers that
    /// try for so long and not so often. By the clocks of those who had it.
    pub first_delivered: Timestamp,
    /// The trace it belongs to.
    pub trace: TraceContext,
    /// In competing mode, the proof that it is this consumer's.
    pub(super) claim: Option<Claim>,
}

impl<M> Delivery<M> {
    /// A message as no worker has delivered it, at its first attempt and now: for tests of handlers. [`Self::begin`] finds it lost.
    pub fn detached(message: M) -> Self {
        let now = super::now();
        Self {
            message,
            stream_id: StreamId::ZERO,
            previous: None,
            partition: 0,
            message_id: Uuid::now_v7(),
            occurred_at: now,
            attempt: 1,
            first_delivered: now,
            trace: TraceContext::root(),
            claim: None,
        }
    }
}

/// Why an entry was not handled, and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may succeed later: the entry stays pending and is delivered again.
    Retry {
        /// What failed, for logs and dead letters.
        reason: String,
        /// When to try again, if the handler knows better than the backoff.
        after: Option<Duration>,
        /// What is to be written together with the record of the failure; not if the entry goes to the dead letters because this
        /// was its last attempt.
        commit: Commit,
    },
    /// It will never succeed: the entry goes to the dead letters.
    Reject {
        /// Why not.
        reason: String,
    },
}

impl Failure {
    /// Try again after the usual backoff.
    pub fn retry(reason: impl fmt::Display) -> Self {
        Self::Retry { reason: reason.to_string(), after: None, commit: Commit::new() }
    }

    /// Try again after so long.
    pub fn retry_after(reason: impl fmt::Display, after: Duration) -> Self {
        Self::Retry { reason: reason.to_string(), after: Some(after), commit: Commit::new() }
    }

    /// The same, and write this together with the record of the failure. A failure that is never tried again writes nothing.
    #[must_use]
    pub fn writing(mut self, with: Commit) -> Self {
        if let Self::Retry { commit, .. } = &mut self {
            *commit = with;
        }
        self
    }

    /// Never try again.
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self::Reject { reason: reason.to_string() }
    }
}

impl From<crate::Error> for Failure {
    /// A transient error is worth another attempt, and so is any other: an operator may mend its cause.
    fn from(error: crate::Error) -> Self {
        Self::retry(error)
    }
}
