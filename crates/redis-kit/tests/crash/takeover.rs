//! How soon others go on with what a killed worker left.

use std::{sync::Mutex, time::Duration};

use futures_util::future::join_all;
use redis::{RedisError, RedisResult};
use redis_kit::stream::Mode;
use test_support::eventually;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{fault::millis, keys::PARTITIONS, view::View};

/// How long it may take whatever else happens meanwhile.
const LIMIT: Duration = Duration::from_mins(1);

/// What a worker has when it is killed.
pub(crate) enum Left {
    /// Entries that are pending on it.
    Pending,
    /// Partitions that it holds.
    Held(Vec<u64>),
}

impl Left {
    /// What `instance` has now, or soon: a worker that has nothing in hand is waited for a little.
    pub(crate) async fn by(view: &View, instance: &str, mode: Mode) -> RedisResult<Self> {
        if mode == Mode::Ordered {
            let mut held = Vec::new();
            for partition in 0..PARTITIONS {
                if is_held_by(view, partition, instance).await? {
                    held.push(partition);
                }
            }
            return Ok(Self::Held(held));
        }
        for _ in 0..100 {
            if pending_on(view, instance).await? > 0 {
                break;
            }
            sleep(millis(2)).await;
        }
        Ok(Self::Pending)
    }
}

/// The takeovers that were waited for.
#[derive(Default)]
pub(crate) struct Takeovers {
    watching: Mutex<JoinSet<Option<Duration>>>,
    /// Those that are over.
    times: Mutex<Vec<Duration>>,
}

impl Takeovers {
    /// Waits in the background until what `instance` left when it was killed is in other hands.
    pub(crate) fn watch(&self, left: Left, view: View, instance: String, killed: Instant) {
        self.watching.lock().unwrap().spawn(async move {
            let anything = match left {
                Left::Pending => until_nothing_is_pending(&view, &instance).await,
                Left::Held(partitions) => until_others_pass(&view, &instance, &partitions).await,
            };
            anything.then(|| killed.elapsed())
        });
    }

    /// Waits until all that are under way are over.
    pub(crate) async fn rest(&self) {
        let watching = std::mem::take(&mut *self.watching.lock().unwrap());
        let over = watching.join_all().await;
        self.times.lock().unwrap().extend(over.into_iter().flatten());
    }

    /// How long each took, shortest first; waits for those that are still under way.
    pub(crate) async fn times(self) -> Vec<Duration> {
        self.rest().await;
        let mut times = self.times.into_inner().unwrap();
        times.sort();
        times
    }
}

/// False if nothing was pending in the first place.
async fn until_nothing_is_pending(view: &View, instance: &str) -> bool {
    let was_nothing = matches!(pending_on(view, instance).await, Ok(0));
    eventually("a dead worker's entries to be taken over", LIMIT, || async {
        match pending_on(view, instance).await {
            Ok(0) => Ok(()),
            Ok(pending) => Err(format!("{pending} are pending on {instance}")),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    !was_nothing
}

/// How many entries are pending on the consumers of a worker.
async fn pending_on(view: &View, instance: &str) -> RedisResult<u64> {
    let mut pending = 0;
    for partition in 0..PARTITIONS {
        let consumers = view.consumers(partition).await?;
        let its = consumers.iter().filter(|(name, _)| is_of(name, instance));
        pending += its.map(|(_, consumer)| consumer.pending).sum::<u64>();
    }
    Ok(pending)
}

/// False if the worker held no partition.
async fn until_others_pass(view: &View, instance: &str, partitions: &[u64]) -> bool {
    join_all(partitions.iter().map(|partition| until_others_pass_one(view, instance, *partition))).await;
    !partitions.is_empty()
}

async fn until_others_pass_one(view: &View, instance: &str, partition: u64) {
    let cursor = || async move { Ok::<_, RedisError>(view.group(partition).await?.cursor) };
    let stood = eventually("Redis to answer", LIMIT, cursor).await;
    eventually("a dead worker's partition to go on", LIMIT, || async {
        let held = is_held_by(view, partition, instance).await.map_err(|error| error.to_string())?;
        let stands = cursor().await.map_err(|error| error.to_string())?;
        if !held && stands != stood {
            return Ok(());
        }
        let leases = view.leases(partition).await;
        Err(format!("partition {partition} stood at {stood} and stands at {stands}, with {leases:?}"))
    })
    .await;
}

async fn is_held_by(view: &View, partition: u64, instance: &str) -> RedisResult<bool> {
    let leases = view.leases(partition).await?;
    Ok(leases.get("holder").is_some_and(|holder| is_of(holder, instance)))
}

/// Whether a worker goes by that name in Redis: its own, a hyphen, and digits that make it new.
pub(crate) fn is_of(name: &str, instance: &str) -> bool {
    name.strip_prefix(instance).is_some_and(|digits| digits.starts_with('-') && digits.len() == 9)
}
