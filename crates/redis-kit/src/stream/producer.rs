use super::{Message, StreamId, encode};
use crate::{Connection, Error, trace::TraceContext};

/// How many appends share a round trip: more gain nothing, and would keep Redis from others for longer.
const PIPELINE: usize = 1000;

/// Appends messages to one stream. Cheap to clone.
///
/// An append that got no answer may have been carried out, and is not repeated: only the caller knows whether a second entry
/// would do harm. Where it would, append in a [`Commit`](super::Commit), which is fenced.
#[derive(Clone)]
pub struct Producer {
    redis: Connection,
    stream: String,
}

impl Producer {
    /// A producer of `stream`, which need not exist.
    pub fn new(redis: Connection, stream: impl Into<String>) -> Self {
        Self { redis, stream: stream.into() }
    }

    /// Appends one message and returns where it stands.
    ///
    /// # Errors
    /// [`Error::Encode`], or as Redis's. After a transient one it may have been appended all the same.
    pub async fn append<M: Message>(&self, message: &M, trace: &TraceContext) -> Result<StreamId, Error> {
        let ids = self.append_all([message], trace).await?;
        // One append has one answer.
        Ok(ids.first().copied().unwrap_or_default())
    }

    /// Appends messages in their order, many to a round trip, and returns where they stand. If it fails, a part of them may
    /// have been appended.
    pub async fn append_all<'a, M: Message>(
        &self,
        messages: impl IntoIterator<Item = &'a M>,
        trace: &TraceContext,
    ) -> Result<Vec<StreamId>, Error> {
        let mut messages = messages.into_iter().peekable();
        let mut ids = Vec::new();
        while messages.peek().is_some() {
            let mut appends = redis::pipe();
            for message in messages.by_ref().take(PIPELINE) {
                appends.cmd("XADD").arg(&self.stream).arg("*").arg(encode(message, trace)?.as_slice());
            }
            ids.extend(appends.query_async::<Vec<StreamId>>(&mut self.redis.clone()).await?);
        }
        Ok(ids)
    }
}
