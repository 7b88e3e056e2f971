//! What a consumer group still has to do, order by order: the entries that it has not read, and those that it has read and not
//! acknowledged. Read raw, because a dead letter that was sent again counts too.

use common::{messages::OrderId, steadily::steadily};
use redis_kit::{
    Connection, Error, cmd, pipe,
    stream::{StreamId, inspect::inspect},
};
use serde::Deserialize;

/// Entries that one command asks for.
const PAGE: usize = 500;

/// A field's name and value.
type Field = (Vec<u8>, Vec<u8>);

/// An entry as it stands in the stream.
type Raw = (StreamId, Vec<Field>);

/// One group of one stream.
pub(super) struct Group<'a> {
    pub(super) stream: &'a str,
    pub(super) name: &'a str,
}

impl Group<'_> {
    /// Tells the orders of all entries of these types that the group has not finished.
    ///
    /// How far the group has read is asked first, and then what is pending: an entry that is read in between is found among
    /// the pending, and one that is missing there was acknowledged.
    pub(super) async fn unfinished(
        &self,
        redis: &Connection,
        types: &[&str],
        mut tell: impl FnMut(OrderId),
    ) -> Result<(), Error> {
        let report =
            steadily(Error::is_transient, || async { inspect(&mut redis.clone(), self.stream).await })
                .await?;
        let group = report.groups.into_iter().find(|group| group.name == self.name);
        // A group that is not there will begin at the first entry.
        let read_to = group.as_ref().map_or(StreamId::ZERO, |group| group.last_delivered);
        if group.is_some() {
            self.pending(redis, types, &mut tell).await?;
        }
        let Some(end) = report.last_id else { return Ok(()) };
        self.between(redis, read_to, end, types, tell).await
    }

    async fn pending(
        &self,
        redis: &Connection,
        types: &[&str],
        mut tell: impl FnMut(OrderId),
    ) -> Result<(), Error> {
        let mut from = "-".to_owned();
        loop {
            let ids = steadily(Error::is_transient, || self.pending_ids(redis.clone(), &from)).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            from = format!("({last}");
            let entries = steadily(Error::is_transient, || self.entries(redis.clone(), &ids)).await?;
            self.orders(&entries, types).for_each(&mut tell);
        }
    }

    async fn pending_ids(&self, mut redis: Connection, from: &str) -> Result<Vec<StreamId>, Error> {
        let mut pending = cmd("XPENDING");
        pending.arg(self.stream).arg(self.name).arg(from).arg("+").arg(PAGE);
        let pending: Vec<(StreamId, String, u64, u64)> = pending.query_async(&mut redis).await?;
        Ok(pending.into_iter().map(|(id, ..)| id).collect())
    }

    /// Those of the entries that are still in the stream.
    async fn entries(&self, mut redis: Connection, ids: &[StreamId]) -> Result<Vec<Raw>, Error> {
        let mut ranges = pipe();
        for id in ids {
            ranges.cmd("XRANGE").arg(self.stream).arg(id).arg(id);
        }
        let found: Vec<Vec<Raw>> = ranges.query_async(&mut redis).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Tells the orders of the entries of these types after one and up to another.
    pub(super) async fn between(
        &self,
        redis: &Connection,
        mut after: StreamId,
        to: StreamId,
        types: &[&str],
        mut tell: impl FnMut(OrderId),
    ) -> Result<(), Error> {
        while after < to {
            let entries = steadily(Error::is_transient, || self.range(redis.clone(), after, to)).await?;
            let Some((last, _)) = entries.last() else { return Ok(()) };
            after = *last;
            self.orders(&entries, types).for_each(&mut tell);
        }
        Ok(())
    }

    async fn range(&self, mut redis: Connection, after: StreamId, to: StreamId) -> Result<Vec<Raw>, Error> {
        let mut range = cmd("XRANGE");
        range.arg(self.stream).arg(format!("({after}")).arg(to).arg("COUNT").arg(PAGE);
        Ok(range.query_async(&mut redis).await?)
    }

    /// What this group would handle: not what was sent again for another.
    fn orders(&self, entries: &[Raw], types: &[&str]) -> impl Iterator<Item = OrderId> {
        entries.iter().filter_map(|(_, fields)| {
            let is_ours = text(fields, "replay_for").is_none_or(|group| group == self.name);
            let is_meant = types.contains(&text(fields, "type")?);
            if is_ours && is_meant { order_id(text(fields, "data")?) } else { None }
        })
    }
}

/// The order that a message's JSON is about, whatever its type.
pub(super) fn order_id(data: &str) -> Option<OrderId> {
    #[derive(Deserialize)]
    struct About {
        order_id: OrderId,
    }
    Some(serde_json::from_str::<About>(data).ok()?.order_id)
}

fn text<'a>(fields: &'a [Field], name: &str) -> Option<&'a str> {
    let (_, value) = fields.iter().find(|(field, _)| field == name.as_bytes())?;
    str::from_utf8(value).ok()
}
