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

use common::{messages::OrderId, names::Names, partition::Partitions, positions::Positions};
use redis_kit::{
    Connection, Error, Redis,
    stream::{StreamId, end},
};

use follower::Follower;
use live::Live;
pub(super) use stream::{all_events, order_events};

/// Follows the journal for whoever listens.
pub(crate) struct Events {
    journal: Journal,
    /// There as long as somebody listens.
    live: Mutex<Weak<Live>>,
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
    pub(super) async fn follow_all(&self, from: Positions) -> Follower {
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
    pub(super) async fn now(&self) -> Result<Positions, Error> {
        let mut positions = Vec::new();
        for partition in self.journal.partitions.all() {
            let stream = self.journal.names.orders_stream(partition);
            positions.push(end(&mut self.journal.commands.clone(), &stream).await?);
        }
        Ok(Positions(positions))
    }

    /// Reads positions as [`Positions`] spells them; `None` if they are none of this journal.
    pub(super) fn positions(&self, text: &str) -> Option<Positions> {
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
