//! Finding an order's entries in its partition's streams. There is no index: they stand behind the time at which it was placed, mostly
//! within a second, and no more of the streams is read than a few pages.

use std::time::Duration;

use common::{
    messages::{OrderEvent, OrderId, PaymentTask},
    operations::Installation,
};
use futures_util::future::try_join;
use jiff::Timestamp;
use redis_kit::{
    Connection, Error,
    stream::{Entry, Message, RawEntry, Slot, StreamId, range, read_at},
};

use super::hops::{Hop, hops};
use crate::orders::view::OrderView;

/// How many entries are read at a time.
const PAGE: usize = 500;

/// How many pages of each stream at most.
const MOST_PAGES: usize = 16;

/// The clocks of a gateway and of Redis may be so far apart.
const CLOCKS: Duration = Duration::from_secs(2);

/// What was found of one order.
pub(in crate::page) struct Story {
    /// As they stand in their streams, oldest first.
    pub(in crate::page) entries: Vec<Found>,
    pub(in crate::page) hops: Vec<Hop>,
    pub(in crate::page) trace_id: Option<String>,
    /// Whether there may be more than was found: the streams no longer have it, or not all was looked through.
    pub(in crate::page) is_cut: bool,
}

/// An entry of one of the streams.
pub(in crate::page) struct Found {
    pub(in crate::page) stream: String,
    pub(in crate::page) entry: RawEntry,
}

/// The order that an entry of the journal is about, if it is there.
pub(in crate::page) async fn order_at(
    installation: &Installation,
    partition: u16,
    id: StreamId,
) -> Result<Option<OrderId>, Error> {
    if partition >= installation.partitions.count() {
        return Ok(None);
    }
    let stream = installation.names.orders_stream(partition);
    let found = read_at::<OrderEvent>(&mut installation.redis.clone(), &stream, id).await?;
    Ok(found
        .and_then(|slot| if let Slot::Entry(entry) = slot { Some(entry.message.order_id()) } else { None }))
}

/// What was found in one stream.
struct Searched {
    stream: String,
    entries: Vec<RawEntry>,
    is_cut: bool,
}

impl Searched {
    /// An order's entries of one stream, up to where `is_last` says of an entry, and whether it is one of them, that no more come.
    async fn read(
        redis: &Connection,
        stream: String,
        order: &OrderView,
        is_last: impl Fn(&RawEntry, bool) -> bool,
    ) -> Result<Self, Error> {
        let (mut redis, id) = (redis.clone(), order.id.to_string());
        let mut searched = Self { stream, entries: Vec::new(), is_cut: false };
        let mut start = before(order.placed_at);
        for _ in 0..MOST_PAGES {
            let page = range(&mut redis, &searched.stream, start, PAGE).await?;
            let is_whole = page.len() < PAGE;
            for entry in page {
                start = StreamId { sequence: entry.id.sequence + 1, ..entry.id };
                let is_its = entry.mentions(&id);
                let is_last = is_last(&entry, is_its);
                if is_its {
                    searched.entries.push(entry);
                }
                if is_last {
                    return Ok(searched);
                }
            }
            if is_whole {
                return Ok(searched);
            }
        }
        searched.is_cut = true;
        Ok(searched)
    }

    fn decoded<M: Message>(&self) -> Vec<Entry<M>> {
        self.entries.iter().filter_map(|entry| entry.decode().ok()).collect()
    }

    fn found(self) -> impl Iterator<Item = Found> {
        let stream = self.stream;
        self.entries.into_iter().map(move |entry| Found { stream: stream.clone(), entry })
    }
}

impl Story {
    /// What the streams tell of an order.
    pub(in crate::page) async fn read(installation: &Installation, order: &OrderView) -> Result<Self, Error> {
        let Installation { names, partitions, redis } = installation;
        let partition = partitions.of_order(order.id);
        let (journal, work) = (names.orders_stream(partition), names.payments_stream(partition));
        // Nothing comes after an order's end, and one request is all that it needs.
        let is_end = |entry: &RawEntry, _: bool| order.is_final() && entry.id >= order.version;
        let is_requested = |_: &RawEntry, is_its: bool| order.is_final() && is_its;
        let journal = Searched::read(redis, journal, order, is_end);
        let (journal, work) = try_join(journal, Searched::read(redis, work, order, is_requested)).await?;
        Ok(Self::new(journal, work))
    }

    fn new(journal: Searched, work: Searched) -> Self {
        let (events, tasks) = (journal.decoded::<OrderEvent>(), work.decoded::<PaymentTask>());
        let is_placed = |event: &Entry<OrderEvent>| matches!(event.message, OrderEvent::Placed { .. });
        let is_cut = journal.is_cut || work.is_cut || !events.iter().any(is_placed);
        let trace_id = events.first().map(|event| event.trace.trace_id());
        let hops = hops(&events, &tasks);
        let mut entries: Vec<Found> = journal.found().chain(work.found()).collect();
        entries.sort_by_key(|found| found.entry.id);
        Self { entries, hops, trace_id, is_cut }
    }
}

/// An id before everything that was written at that time.
fn before(time: Timestamp) -> StreamId {
    let milliseconds = (time - CLOCKS).as_millisecond();
    StreamId { milliseconds: milliseconds.try_into().unwrap_or_default(), sequence: 0 }
}
