//! Writes the journal into the archive, one transaction for all that was read together.
//!
//! The archive keeps a position of its own for each partition, written in the same transaction. As long as it is where the
//! consumer group is, or beyond, all is well: rows only move forward, so what comes twice changes nothing. If it is
//! behind, a backup of the database was restored, or another took its place; then what lies between is read from the
//! journal first.

use std::time::Duration;

use common::{messages::OrderEvent, names::Names, partition::Partitions};
use redis_kit::{
    Connection,
    stream::{Commit, Delivery, Entry, Failure, Handler, Prepared, Slot, StreamId, read_after},
};
use tokio::sync::Mutex;
use tracing::warn;

use super::{ArchiveStore, store::Change};

/// How many entries are read at a time to fill a gap.
const PAGE: usize = 256;

pub(crate) struct ArchiveProjection {
    pub(crate) store: ArchiveStore,
    pub(crate) redis: Connection,
    pub(crate) names: Names,
    pub(crate) partitions: Partitions,
    /// How long an order stays in Redis once it is settled and archived.
    pub(crate) keep_settled: Duration,
    /// Held by whoever writes: partitions do so in turn, or SQLite would have them wait in its own, coarser way.
    pub(crate) turn: Mutex<()>,
}

impl ArchiveProjection {
    /// Reads what the group has passed and the archive does not have.
    async fn fill(&self, partition: u16, from: StreamId, to: StreamId) -> anyhow::Result<()> {
        warn!(partition, %from, %to, "the archive is behind its consumer group; reading the journal in between");
        let stream = self.names.orders_stream(partition);
        let mut position = from;
        while position < to {
            let page = read_after::<OrderEvent>(&mut self.redis.clone(), &stream, position, PAGE).await?;
            if page.after != position {
                warn!(partition, from = %position, to = %page.after, "the journal no longer holds what the archive lacks");
            }
            let Some(last) = page.slots.last().map(Slot::id) else { break };
            let changes: Vec<Change> = page.slots.iter().filter_map(change_in_slot).collect();
            position = last;
            self.write(partition, position, &changes).await?;
        }
        Ok(())
    }

    async fn write(&self, partition: u16, position: StreamId, changes: &[Change]) -> anyhow::Result<()> {
        let _turn = self.turn.lock().await;
        Ok(self.store.write(partition, position, changes).await?)
    }

    async fn archive(&self, deliveries: &[&Delivery<OrderEvent>]) -> anyhow::Result<()> {
        let Some(last) = deliveries.last() else { return Ok(()) };
        let partition = self.partitions.of_order(last.message.order_id());
        let before = deliveries[0].previous.unwrap_or_default();
        let position = self.store.position(partition).await?;
        if position < before {
            self.fill(partition, position, before).await?;
        }
        let changes: Vec<Change> =
            deliveries.iter().filter_map(|delivery| change_in_delivery(delivery)).collect();
        self.write(partition, last.stream_id, &changes).await?;
        self.expire_settled(deliveries).await
    }

    /// Lets the views of orders that are in the archive by now leave Redis in a while; those that are parked stay, because a person
    /// is to decide about them. To do so again, or late, does no harm. So it need not be in the group's commit, whose script would
    /// keep everybody else waiting for longer.
    async fn expire_settled(&self, deliveries: &[&Delivery<OrderEvent>]) -> anyhow::Result<()> {
        let mut expiries = redis_kit::pipe();
        for delivery in deliveries {
            if let OrderEvent::Paid { order_id, .. } | OrderEvent::PaymentDeclined { order_id, .. } =
                delivery.message
            {
                let view = self.names.order(self.partitions.of_order(order_id), order_id);
                expiries.cmd("PEXPIRE").arg(view).arg(self.keep_settled.as_millis().to_string()).ignore();
            }
        }
        if !expiries.is_empty() {
            expiries.exec_async(&mut self.redis.clone()).await?;
        }
        Ok(())
    }
}

fn change_in_delivery(delivery: &Delivery<OrderEvent>) -> Option<Change> {
    Change::of(&delivery.message, delivery.occurred_at, delivery.stream_id)
}

fn change_in_slot(slot: &Slot<OrderEvent>) -> Option<Change> {
    match slot {
        Slot::Entry(Entry { message, occurred_at, id, .. }) => Change::of(message, *occurred_at, *id),
        Slot::Undecodable { .. } | Slot::Replay { .. } => None,
    }
}

impl Handler for ArchiveProjection {
    type Message = OrderEvent;

    async fn prepare(&self, deliveries: &[&Delivery<OrderEvent>]) -> Result<Prepared, String> {
        let archived = self.archive(deliveries).await;
        archived.map(|()| Prepared::Done).map_err(|error| format!("the archive: {error:#}"))
    }

    /// All has been done before.
    async fn handle(&self, _: Delivery<OrderEvent>) -> Result<Commit, Failure> {
        Ok(Commit::new())
    }
}
