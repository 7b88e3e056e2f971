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

use common::{names::Names, partition::Partitions};
use redis_kit::{Connection, Lua};
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
        for (partition, known) in partitions.all().zip(is_full.iter()) {
            let call = ROOM.call([&*names.orders_stream(partition)]);
            // A Redis that does not answer takes no orders anyway, and says so itself.
            let Ok((used, allowed)) = ROOM.run::<(u64, u64)>(&mut redis.clone(), &call).await else {
                continue;
            };
            let full = is_nearly_full(used, allowed);
            if known.swap(full, Ordering::Relaxed) != full {
                if full {
                    error!(partition, used, allowed, "Redis is nearly full; not accepting orders");
                } else {
                    info!(partition, used, allowed, "Redis has room for orders again");
                }
            }
        }
    }
}

fn is_nearly_full(used: u64, allowed: u64) -> bool {
    allowed > 0 && used > allowed / 5 * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_fifths_are_for_orders_and_the_rest_for_what_becomes_of_them() {
        assert!(!is_nearly_full(80, 100));
        assert!(is_nearly_full(81, 100));
        assert!(!is_nearly_full(u64::MAX, 0));
    }
}
