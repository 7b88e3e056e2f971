//! Whether Redis has room for new orders. What it has left beyond that is for the orders it has.
//!
//! Commits, retries and dead letters may go on when Redis is full, and they take memory too. So new orders stop before it
//! is: at four fifths of `maxmemory`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{names::Names, partition::Partitions, store::is_nearly_full};
use futures_util::future::join_all;
use redis_kit::{Connection, Lua, RedisResult};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info};

static ROOM: std::sync::LazyLock<Lua> = std::sync::LazyLock::new(|| Lua::new(include_str!("room.lua")));

/// How often Redis is asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// Knows whether there is room. Cheap to clone.
#[derive(Clone)]
pub(super) struct Room {
    /// By partition.
    is_full: Arc<[AtomicBool]>,
    _asking: Arc<AbortOnDropHandle<()>>,
}

impl Room {
    /// Asks from now on, for as long as somebody holds it.
    pub(super) fn start(redis: Connection, names: Names, partitions: Partitions) -> Self {
        let is_full: Arc<[AtomicBool]> = partitions.all().map(|_| AtomicBool::new(false)).collect();
        let asking = tokio::spawn(keep_asking(redis, names, partitions, Arc::clone(&is_full)));
        Self { is_full, _asking: Arc::new(AbortOnDropHandle::new(asking)) }
    }

    /// Fails with what to do if the server of this partition has none.
    pub(super) fn check(&self, partition: u16) -> Result<(), String> {
        if self.is_full[usize::from(partition)].load(Ordering::Relaxed) {
            return Err("the order store is nearly full and takes no new orders; try again later".into());
        }
        Ok(())
    }
}

async fn keep_asking(redis: Connection, names: Names, partitions: Partitions, is_full: Arc<[AtomicBool]>) {
    let mut turns = interval(INTERVAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        // All before any is believed: partitions of one server have room, or have none, from the same moment on.
        let answers = join_all(partitions.all().map(|partition| ask(redis.clone(), &names, partition))).await;
        for ((partition, answer), known) in partitions.all().zip(answers).zip(is_full.iter()) {
            // A Redis that does not answer takes no orders anyway, and says so itself.
            if let Ok((used, allowed)) = answer {
                learn(partition, used, allowed, known);
            }
        }
    }
}

/// How many bytes are in use, and how many are allowed.
async fn ask(mut redis: Connection, names: &Names, partition: u16) -> RedisResult<(u64, u64)> {
    ROOM.run(&mut redis, &ROOM.call([&*names.orders_stream(partition)])).await
}

fn learn(partition: u16, used: u64, allowed: u64, known: &AtomicBool) {
    let full = is_nearly_full(used, allowed);
    if known.swap(full, Ordering::Relaxed) == full {
        return;
    }
    if full {
        error!(partition, used, allowed, "Redis is nearly full; not accepting orders");
    } else {
        info!(partition, used, allowed, "Redis has room for orders again");
    }
}
