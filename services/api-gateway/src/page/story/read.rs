//! Finding an order's entries in its partition's streams. There is no index: they stand behind the time at which it was placed, mostly
//! within a second, and no more of the streams is read than a few pages.

use std::time::Duration;

use common::{
    messages::{OrderEvent, OrderId, PaymentTask},
    names::Names,
    partition::Partitions,
    service::Service,
};
use futures_util::future::try_join;
use jiff::Timestamp;
use redis_kit::{
    Connection, Error,
    stream::{Entry, Message, RawEntry, StreamId, range},
};

use super::hops::{Hop, hops};
use crate::orders::view::OrderView;

/// How many entries are read at a time.
const PAGE: usize = 500;

/// How many pages of each stream at most.
const MOST_PAGES: usize = 16;

/// The clocks of a gateway and of Redis may be so far apart.
const CLOCKS: Duration = Duration::from_secs(2);

/// Reads what became of orders.
pub(crate) struct Stories {
    redis: Connection,
    names: Names,
    partitions: Partitions,
}

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

impl Stories {
    pub(crate) fn new(service: &Service) -> Self {
        Self { redis: service.commands.clone(), names: service.names.clone(), partitions: service.partitions }
    }

    /// What the streams tell of an order.
    pub(in crate::page) async fn of(&self, order: &OrderView) -> Result<Story, Error> {
        let partition = self.partitions.of_order(order.id);
        let (journal, work) = (self.names.orders_stream(partition), self.names.payments_stream(partition));
        // Nothing comes after an order's end, and one request is all that it needs.
        let is_end = |entry: &RawEntry, _: bool| order.is_final() && entry.id >= order.version;
        let is_requested = |_: &RawEntry, is_its: bool| order.is_final() && is_its;
        let (events, tasks) =
            try_join(self.search(journal, order, is_end), self.search(work, order, is_requested)).await?;
        Ok(Story::new(events, tasks))
    }

    /// The order that an entry of the journal is about, if it is there.
    pub(in crate::page) async fn at(&self, partition: u16, id: StreamId) -> Result<Option<OrderId>, Error> {
        if partition >= self.partitions.count() {
            return Ok(None);
        }
        let entries = range(&mut self.redis.clone(), &self.names.orders_stream(partition), id, 1).await?;
        let event = entries.first().filter(|entry| entry.id == id).and_then(|entry| entry.decode().ok());
        Ok(event.map(|event: Entry<OrderEvent>| event.message.order_id()))
    }

    /// An order's entries of one stream, up to where `is_last` says of an entry, and whether it is one of them, that no more come.
    async fn search(
        &self,
        stream: String,
        order: &OrderView,
        is_last: impl Fn(&RawEntry, bool) -> bool,
    ) -> Result<Searched, Error> {
        let (mut redis, id) = (self.redis.clone(), order.id.to_string());
        let mut searched = Searched { stream, entries: Vec::new(), is_cut: false };
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
}

/// What was found in one stream.
struct Searched {
    stream: String,
    entries: Vec<RawEntry>,
    is_cut: bool,
}

impl Searched {
    fn decoded<M: Message>(&self) -> Vec<Entry<M>> {
        self.entries.iter().filter_map(|entry| entry.decode().ok()).collect()
    }

    fn found(self) -> impl Iterator<Item = Found> {
        let stream = self.stream;
        self.entries.into_iter().map(move |entry| Found { stream: stream.clone(), entry })
    }
}

impl Story {
    fn new(journal: Searched, work: Searched) -> Self {
        let (events, tasks) = (journal.decoded::<OrderEvent>(), work.decoded::<PaymentTask>());
        let is_placed = |event: &Entry<OrderEvent>| matches!(event.message, OrderEvent::Placed { .. });
        let is_cut = journal.is_cut || work.is_cut || !events.iter().any(is_placed);
        let trace_id = events.first().map(|event| event.trace.trace_id().to_string());
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
