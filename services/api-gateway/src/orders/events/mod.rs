//! What happens to orders, told live (server-sent events).
//!
//! | to follow | open |
//! |---|---|
//! | how a gateway hears of events, once for all who listen | `live.rs` |
//! | how one listener loses nothing | `follower.rs` |
//! | what is written to the client | `stream.rs` |

mod follower;
mod live;
mod stream;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use common::{
    messages::{OrderEvent, OrderId},
    names::Names,
    partition::Partitions,
    positions::Positions,
};
use redis_kit::{
    Connection, Error, Redis,
    stream::{Slot, StreamId, end, read_after, read_before},
};

pub(crate) use follower::Step;
use follower::{Follower, told};
use live::Live;
pub(crate) use live::Told;
pub(super) use stream::{all_events, order_events};

/// Follows the journal for whoever listens.
pub(crate) struct Events {
    journal: Journal,
    /// There as long as somebody listens.
    live: Mutex<Weak<Live>>,
}

/// What happened since somebody was there.
pub(crate) struct Since {
    /// In the order in which it was written, as far as the partitions' clocks agree.
    pub(crate) told: Vec<Told>,
    /// Where they stand now.
    pub(crate) positions: Positions,
    /// Whether there was more than that.
    pub(crate) is_cut: bool,
}

/// Where the events are.
#[derive(Clone)]
struct Journal {
    redis: Redis,
    commands: Connection,
    names: Names,
    partitions: Partitions,
}

impl Events {
    pub(crate) fn new(redis: Redis, commands: Connection, names: Names, partitions: Partitions) -> Self {
        Self { journal: Journal { redis, commands, names, partitions }, live: Mutex::default() }
    }

    /// Follows every partition from these positions on.
    pub(crate) async fn follow_all(&self, from: Positions) -> Follower {
        let behind: VecDeque<u16> = self.journal.partitions.all().collect();
        Follower::new(self.live().await, self.journal.clone(), from, behind, None)
    }

    /// Follows the partition of one order from there on.
    pub(super) async fn follow_order(&self, order_id: OrderId, from: StreamId) -> Follower {
        let partition = self.journal.partitions.of_order(order_id);
        let mut positions = Positions(self.journal.partitions.all().map(|_| StreamId::ZERO).collect());
        positions.0[usize::from(partition)] = from;
        Follower::new(self.live().await, self.journal.clone(), positions, [partition].into(), Some(order_id))
    }

    /// Behind everything that has happened.
    pub(crate) async fn now(&self) -> Result<Positions, Error> {
        let mut positions = Vec::new();
        for partition in self.journal.partitions.all() {
            let stream = self.journal.names.orders_stream(partition);
            positions.push(end(&mut self.journal.commands.clone(), &stream).await?);
        }
        Ok(Positions(positions))
    }

    /// The last few events.
    pub(crate) async fn newest(&self, most: usize) -> Result<Vec<Told>, Error> {
        let mut newest = Vec::new();
        for partition in self.journal.partitions.all() {
            let (mut redis, stream) =
                (self.journal.commands.clone(), self.journal.names.orders_stream(partition));
            let slots = read_before::<OrderEvent>(&mut redis, &stream, None, most).await?;
            newest.extend(slots.into_iter().filter_map(|slot| told(partition, slot)));
        }
        newest.sort_by_key(|told| told.id);
        Ok(newest.split_off(newest.len().saturating_sub(most)))
    }

    /// What happened behind these positions, up to `most` events of each partition.
    pub(crate) async fn since(&self, from: &Positions, most: usize) -> Result<Since, Error> {
        let mut since = Since { told: Vec::new(), positions: from.clone(), is_cut: false };
        for (partition, position) in self.journal.partitions.all().zip(&mut since.positions.0) {
            let stream = self.journal.names.orders_stream(partition);
            let mut redis = self.journal.commands.clone();
            let page = read_after::<OrderEvent>(&mut redis, &stream, *position, most).await?;
            since.is_cut |= page.after != *position;
            if page.slots.len() < most {
                *position = page.slots.last().map_or(page.after, Slot::id);
            } else {
                since.is_cut = true;
                *position = end(&mut redis, &stream).await?;
            }
            since.told.extend(page.slots.into_iter().filter_map(|slot| told(partition, slot)));
        }
        since.told.sort_by_key(|told| told.id);
        Ok(since)
    }

    /// Reads positions as [`Positions`] spells them; `None` if they are none of this journal.
    pub(crate) fn positions(&self, text: &str) -> Option<Positions> {
        let positions: Positions = text.parse().ok()?;
        (positions.0.len() == usize::from(self.journal.partitions.count())).then_some(positions)
    }

    /// What is heard now. Whoever comes first begins to listen, and the last to go ends it.
    async fn live(&self) -> Arc<Live> {
        let live = {
            let mut kept = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            kept.upgrade().unwrap_or_else(|| {
                let live = Arc::new(Live::start(&self.journal));
                *kept = Arc::downgrade(&live);
                live
            })
        };
        live.started().await;
        live
    }
}
