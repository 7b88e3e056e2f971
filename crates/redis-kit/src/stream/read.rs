//! Reading a stream from outside any group's work: for listeners, and for people who look.

use std::borrow::Cow;

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Delivery, Message, StreamId, StreamKeys, Undecodable,
    message::{RawFields, decode},
};
use crate::{Connection, Error, trace::TraceContext};

/// An entry of a stream and what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<M> {
    /// What it says.
    pub message: M,
    /// Where it stands in its stream.
    pub id: StreamId,
    /// The id its writer gave the message.
    pub message_id: Uuid,
    /// When its writer wrote it.
    pub occurred_at: Timestamp,
    /// The trace it belongs to.
    pub trace: TraceContext,
}

impl<M> From<Delivery<M>> for Entry<M> {
    fn from(delivery: Delivery<M>) -> Self {
        Self {
            message: delivery.message,
            id: delivery.stream_id,
            message_id: delivery.message_id,
            occurred_at: delivery.occurred_at,
            trace: delivery.trace,
        }
    }
}

/// An entry as it stands in its stream, whatever that is.
#[derive(Debug)]
pub struct RawEntry {
    /// Where it stands.
    pub id: StreamId,
    fields: RawFields,
}

impl RawEntry {
    /// Its fields and their values in their order. What is no text has a sign in its place.
    pub fn fields(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.fields
            .pairs()
            .map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
    }

    /// Whether one of its values contains this text.
    pub fn mentions(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.fields.pairs().any(|(_, value)| value.windows(text.len().max(1)).any(|part| part == text))
    }

    /// What it says.
    ///
    /// # Errors
    /// [`Undecodable`] if this program cannot tell.
    pub fn decode<M: Message>(&self) -> Result<Entry<M>, Undecodable> {
        entry(self.id, &self.fields)
    }
}

/// Some entries in a row.
#[derive(Debug)]
pub struct Page<M> {
    /// Where they begin: no entry between this and the first of them is missing. The position that was asked for,
    /// unless what stood there is gone: see [`read_after`].
    pub after: StreamId,
    /// Oldest first.
    pub slots: Vec<Slot<M>>,
}

/// What stands at one place of a stream, as a listener sees it.
#[derive(Debug)]
pub enum Slot<M> {
    /// An entry for everybody.
    Entry(Entry<M>),
    /// One that this program cannot read, or whose type it does not know; a newer one may.
    Undecodable {
        /// Where it stands.
        id: StreamId,
        /// Why not.
        reason: Undecodable,
    },
    /// A dead letter that was sent again for one group (it has a field `replay_for`). To anybody else it is no news.
    Replay {
        /// Where it stands.
        id: StreamId,
    },
}

impl<M: Message> Slot<M> {
    /// Where it stands.
    pub fn id(&self) -> StreamId {
        match self {
            Self::Entry(entry) => entry.id,
            Self::Undecodable { id, .. } | Self::Replay { id } => *id,
        }
    }

    fn new(id: StreamId, fields: &RawFields) -> Self {
        if fields.get("replay_for").is_some() {
            return Self::Replay { id };
        }
        entry(id, fields).map_or_else(|reason| Self::Undecodable { id, reason }, Self::Entry)
    }
}

fn entry<M: Message>(id: StreamId, fields: &RawFields) -> Result<Entry<M>, Undecodable> {
    let decoded = decode(fields)?;
    Ok(Entry {
        message: decoded.message,
        id,
        message_id: decoded.message_id,
        occurred_at: decoded.occurred_at,
        trace: decoded.trace,
    })
}

/// Reads up to `count` entries that stand after `position`, and sees whether anything is missing there.
///
/// Nothing is, as long as the entry at `position` itself is still there, or retention says (in the key
/// `<stream>:trimmed`) that it removed nothing beyond. Else the page does not begin at `position`, and what stood in
/// between may never have been read by whoever stood there:
/// - after a later id, if retention has removed everything up to it;
/// - after an earlier id, if the stream has lost its end, or all it had (then after `0-0`), or if somebody deleted the
///   entry by hand. It is the last place before `position` that is still known.
///
/// # Errors
/// Those of Redis; [`Error::is_transient`] tells whether to try again.
pub async fn read_after<M: Message>(
    redis: &mut Connection,
    stream: &str,
    position: StreamId,
    count: usize,
) -> Result<Page<M>, Error> {
    let mut after = position;
    loop {
        let mut entries = entries_from(redis, stream, after, count + 1).await?;
        let held = entries.first().is_some_and(|(id, _)| *id == after);
        // Asked later than the entries were read: if nothing is missing now, nothing was then.
        let known = if held { after } else { last_known(redis, stream, after).await? };
        if known == after {
            entries.retain(|(id, _)| *id != after);
            entries.truncate(count);
            let slots = entries.iter().map(|(id, fields)| Slot::new(*id, fields)).collect();
            return Ok(Page { after, slots });
        }
        after = known;
    }
}

/// Reads up to `count` entries from `start` on as they stand there, dead letters that were replayed and what nobody can decode
/// among them: for people who look.
///
/// # Errors
/// Those of Redis.
pub async fn range(
    redis: &mut Connection,
    stream: &str,
    start: StreamId,
    count: usize,
) -> Result<Vec<RawEntry>, Error> {
    let entries = entries_from(redis, stream, start, count).await?;
    Ok(entries.into_iter().map(|(id, fields)| RawEntry { id, fields }).collect())
}

/// Reads up to `count` entries that stand before `position`, or at the end of the stream, newest first. For people who look
/// back: it does not tell whether anything is missing.
pub async fn read_before<M: Message>(
    redis: &mut Connection,
    stream: &str,
    position: Option<StreamId>,
    count: usize,
) -> Result<Vec<Slot<M>>, Error> {
    let end = position.map_or_else(|| "+".to_owned(), |position| format!("({position}"));
    let mut range = redis::cmd("XREVRANGE");
    range.arg(stream).arg(end).arg("-").arg("COUNT").arg(count);
    let entries: Vec<(StreamId, RawFields)> = range.query_async(redis).await?;
    Ok(entries.iter().map(|(id, fields)| Slot::new(*id, fields)).collect())
}

/// What stands at one place of a stream, if anything does.
pub async fn read_at<M: Message>(
    redis: &mut Connection,
    stream: &str,
    id: StreamId,
) -> Result<Option<Slot<M>>, Error> {
    let entries = entries_from(redis, stream, id, 1).await?;
    Ok(entries.first().filter(|(found, _)| *found == id).map(|(id, fields)| Slot::new(*id, fields)))
}

/// Where a stream ends now: a position after which only what is yet to come is read.
pub async fn end(redis: &mut Connection, stream: &str) -> Result<StreamId, Error> {
    let last = StreamId { milliseconds: u64::MAX, sequence: u64::MAX };
    last_known(redis, stream, last).await
}

/// The last place up to `position` that can be vouched for, or a later one if retention has gone further. In this order:
/// an entry that is trimmed between the two questions is then explained by the second.
async fn last_known(redis: &mut Connection, stream: &str, position: StreamId) -> Result<StreamId, Error> {
    let entry = last_entry_to(redis, stream, &position.to_string()).await?.unwrap_or(StreamId::ZERO);
    let trimmed: Option<String> =
        redis::cmd("GET").arg(StreamKeys::new(stream).trimmed).query_async(redis).await?;
    let trimmed = trimmed.and_then(|id| id.parse().ok()).map_or(StreamId::ZERO, before);
    Ok(entry.max(trimmed))
}

async fn last_entry_to(redis: &mut Connection, stream: &str, end: &str) -> Result<Option<StreamId>, Error> {
    let mut range = redis::cmd("XREVRANGE");
    range.arg(stream).arg(end).arg("-").arg("COUNT").arg(1);
    let entries: Vec<(StreamId, redis::Value)> = range.query_async(redis).await?;
    Ok(entries.first().map(|(id, _)| *id))
}

async fn entries_from(
    redis: &mut Connection,
    stream: &str,
    start: StreamId,
    count: usize,
) -> Result<Vec<(StreamId, RawFields)>, Error> {
    let mut range = redis::cmd("XRANGE");
    range.arg(stream).arg(start.to_string()).arg("+").arg("COUNT").arg(count);
    Ok(range.query_async(redis).await?)
}

/// The greatest id that is less.
fn before(id: StreamId) -> StreamId {
    let StreamId { milliseconds, sequence } = id;
    match (milliseconds, sequence) {
        (0, 0) => StreamId::ZERO,
        (_, 0) => StreamId { milliseconds: milliseconds - 1, sequence: u64::MAX },
        _ => StreamId { milliseconds, sequence: sequence - 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_an_id_and_the_one_before_is_nothing() {
        let id = |milliseconds, sequence| StreamId { milliseconds, sequence };
        assert_eq!(before(id(5, 1)), id(5, 0));
        assert_eq!(before(id(5, 0)), id(4, u64::MAX));
        assert_eq!(before(StreamId::ZERO), StreamId::ZERO);
    }
}
