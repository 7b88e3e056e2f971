//! Catching a worker in the middle of a payment. A payment takes a few milliseconds, and a worker that is seen with one may well
//! have finished it before anything can happen to it. So it is stopped first, and looked at again.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use common::names::{groups, services};
use futures_util::future::try_join_all;
use redis_kit::{Error, cmd, stream::inspect::consumers};
use tokio::time::{Instant, sleep};

use super::hands::Refused;
use crate::{
    installation::Installation,
    up::target::{Frozen, Target},
};

/// How long to look for a worker that has something in hand.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long between two looks.
const GLANCE: Duration = Duration::from_millis(5);

/// A worker that has been stopped.
pub(super) struct Caught {
    pub(super) frozen: Frozen,
    /// How many payments it has taken and not finished.
    pub(super) in_hand: u64,
}

/// Stops one of the `workers` that has payments in hand, the busiest or the one of that name. If none has any for a while, one that
/// is idle.
pub(super) async fn catch(
    workers: &[Target],
    name: Option<&str>,
    installation: &Installation,
) -> Result<Caught, Refused> {
    let mut wanted: Vec<&Target> =
        workers.iter().filter(|worker| name.is_none_or(|name| name == worker.label())).collect();
    if wanted.is_empty() {
        return Err(nobody(workers, name));
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(caught) = try_catch(&mut wanted, installation).await? {
            return Ok(caught);
        }
        sleep(GLANCE).await;
    }
    let idle = wanted.iter().find_map(|worker| worker.freeze());
    let frozen = idle.ok_or_else(|| match name {
        Some(name) => Refused::Because(format!("{name} does not run now, or is frozen already")),
        None => Refused::Because("no payment-worker runs now that is not frozen already".into()),
    })?;
    Ok(Caught { frozen, in_hand: 0 })
}

async fn try_catch(wanted: &mut [&Target], installation: &Installation) -> Result<Option<Caught>, Error> {
    let counts = in_hand(installation).await?;
    let count = |worker: &Target| counts.get(worker.label()).copied().unwrap_or_default();
    wanted.sort_by_key(|worker| std::cmp::Reverse(count(worker)));
    for worker in wanted.iter().take_while(|worker| count(worker) > 0) {
        if !is_ready(worker, installation).await? {
            continue;
        }
        // It goes on at once if it turns out to have nothing.
        let Some(frozen) = worker.freeze() else { continue };
        if let Some(in_hand @ 1..) = in_hand(installation).await?.get(worker.label()).copied() {
            return Ok(Some(Caught { frozen, in_hand }));
        }
    }
    Ok(None)
}

/// How many payments each instance of payment-worker has taken and not finished.
pub(super) async fn in_hand(installation: &Installation) -> Result<HashMap<String, u64>, Error> {
    let streams = installation.names.payments_streams(installation.partitions);
    let looks = streams.iter().map(|stream| async move {
        consumers(&mut installation.redis.clone(), stream, groups::PAYMENT_WORKERS).await
    });
    let mut counts = HashMap::new();
    for mut consumers in try_join_all(looks).await? {
        // What an earlier process of that name has left is not in the hands of this one.
        consumers.sort_by_key(|consumer| consumer.idle);
        let mut seen = HashSet::new();
        consumers.retain(|consumer| seen.insert(consumer.instance.clone()));
        for consumer in consumers {
            *counts.entry(consumer.instance).or_default() += consumer.pending;
        }
    }
    Ok(counts)
}

/// Whether the process that runs now has told in Redis that it is at work.
pub(super) async fn is_ready(worker: &Target, installation: &Installation) -> Result<bool, Error> {
    let mut get = cmd("HMGET");
    get.arg(installation.names.service(services::PAYMENT_WORKER, worker.label())).arg("pid").arg("ready");
    let (pid, ready): (Option<u32>, Option<u8>) = get.query_async(&mut installation.redis.clone()).await?;
    Ok(pid.is_some() && pid == worker.pid() && ready == Some(1))
}

fn nobody(workers: &[Target], name: Option<&str>) -> Refused {
    let labels: Vec<&str> = workers.iter().map(Target::label).collect();
    Refused::Because(match name {
        Some(name) if !labels.is_empty() => {
            format!("{name:?} is no payment-worker of this `up`, which runs {}", labels.join(", "))
        }
        _ => "this `up` runs no payment-worker".into(),
    })
}
