use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use common::{
    messages::{LineItem, OrderEvent},
    names::Names,
    partition::Partitions,
};
use jiff::Timestamp;
use redis_kit::{
    Connection, Error,
    stream::{Slot, StreamId, read_after},
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{fault::millis, shop::PARTITIONS};

const PAGE: usize = 2000;

/// When things happened to orders, as the journal tells.
#[derive(Default)]
pub(crate) struct Journal {
    placed: HashMap<Uuid, Timestamp>,
    /// The first outcome of each.
    settled: HashMap<Uuid, Timestamp>,
    /// Attempts at payments that came to no definite answer.
    pub(crate) failed_attempts: u64,
    items: HashMap<Uuid, Vec<LineItem>>,
    /// How many of each product were paid for.
    pub(crate) units: BTreeMap<String, u64>,
    /// What each customer paid, in cents.
    pub(crate) spent: BTreeMap<String, i64>,
    positions: HashMap<u16, StreamId>,
}

impl Journal {
    /// Reads on until every order has an outcome.
    pub(crate) async fn until_all_are_settled(
        &mut self,
        redis: &mut Connection,
        limit: Duration,
    ) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        loop {
            // Redis may be away for a moment still.
            let read = self.read_on(redis).await;
            if read.is_ok() && self.open() == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("{} orders have no outcome after {limit:?} ({read:?})", self.open()));
            }
            sleep(millis(50)).await;
        }
    }

    fn open(&self) -> usize {
        self.placed.keys().filter(|order| !self.settled.contains_key(order)).count()
    }

    async fn read_on(&mut self, redis: &mut Connection) -> Result<(), Error> {
        for partition in Partitions::new(PARTITIONS).all() {
            let stream = Names::default().orders_stream(partition);
            loop {
                let position = self.positions.get(&partition).copied().unwrap_or(StreamId::ZERO);
                let page = read_after::<OrderEvent>(redis, &stream, position, PAGE).await?;
                let Some(last) = page.slots.last() else { break };
                self.positions.insert(partition, last.id());
                page.slots.into_iter().for_each(|slot| self.note(slot));
            }
        }
        Ok(())
    }

    fn note(&mut self, slot: Slot<OrderEvent>) {
        let Slot::Entry(entry) = slot else { return };
        let order = entry.message.order_id();
        let milliseconds = i64::try_from(entry.id.milliseconds).unwrap_or(i64::MAX);
        let at = Timestamp::from_millisecond(milliseconds).unwrap_or_default();
        match entry.message {
            OrderEvent::Placed { items, .. } => {
                self.placed.insert(order, at);
                self.items.insert(order, items);
            }
            OrderEvent::PaymentAttemptFailed { .. } => {
                self.failed_attempts += 1;
            }
            OrderEvent::PaymentResolutionRefused { .. } => {}
            OrderEvent::Paid { customer_id, amount, .. } => {
                self.settled.entry(order).or_insert(at);
                *self.spent.entry(customer_id).or_default() += amount.minor();
                for LineItem { sku, quantity, .. } in self.items.remove(&order).unwrap_or_default() {
                    *self.units.entry(sku).or_default() += u64::from(quantity);
                }
            }
            OrderEvent::PaymentDeclined { .. } | OrderEvent::PaymentParked { .. } => {
                self.settled.entry(order).or_insert(at);
            }
        }
    }

    /// From the end of a fault until every order that had been accepted by then had its outcome, other faults going on.
    pub(crate) fn recovery(&self, ended: Timestamp) -> Duration {
        let open = self.placed.iter().filter(|(_, placed)| **placed <= ended);
        let outcomes = open.filter_map(|(order, _)| self.settled.get(order)).copied();
        let last = outcomes.max().unwrap_or(ended);
        last.duration_since(ended).try_into().unwrap_or_default()
    }
}
