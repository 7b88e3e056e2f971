//! That nothing is left to do, and nobody left behind.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::RedisResult;
use redis_kit::stream::{Mode, StreamId};
use test_support::eventually;

use crate::{keys::PARTITIONS, takeover::is_of, view::View};

/// How long that may take after the last fault.
const LIMIT: Duration = Duration::from_mins(1);

/// How long a consumer may be given nothing while entries keep coming.
const IDLE: Duration = Duration::from_millis(500);

/// The consumer that what waits is pending on; it is no worker.
const WAITING: &str = "waiting";

/// Waits until each of `live`, and nobody else, is a member of the group on every partition.
pub(crate) async fn all_are_members(view: &View, mode: Mode, live: &[&str]) {
    eventually("every worker that lives, and no other, to be a member", LIMIT, || {
        everywhere(|partition| members(view, mode, live, partition))
    })
    .await;
}

/// Waits until work goes on everywhere, and in competing mode by everybody: a lease alone is kept by who does nothing, too.
pub(crate) async fn all_are_at_work(view: &View, mode: Mode, live: &[&str]) {
    let before = eventually("Redis to answer", LIMIT, || progress(view)).await;
    eventually("work to go on everywhere", LIMIT, || async {
        let now = progress(view).await.map_err(|error| error.to_string())?;
        let stuck = now.iter().zip(&before).position(|(now, before)| now == before);
        match stuck {
            Some(partition) => {
                Err(format!("partition {partition} is stuck; {}", leases(view, partition as u64).await))
            }
            None if mode == Mode::Competing => everybody_works(view, live).await,
            None => Ok(()),
        }
    })
    .await;
}

/// The group's cursor in each partition.
async fn progress(view: &View) -> RedisResult<Vec<StreamId>> {
    let groups = try_join_all((0..PARTITIONS).map(|partition| view.group(partition))).await?;
    Ok(groups.iter().map(|group| group.cursor).collect())
}

/// Entries keep coming, so that everybody is given some.
async fn everybody_works(view: &View, live: &[&str]) -> Result<(), String> {
    everywhere(|partition| async move {
        let consumers = view.consumers(partition).await.map_err(|error| error.to_string())?;
        let works = |instance: &&&str| {
            consumers.iter().any(|(name, consumer)| is_of(name, instance) && consumer.idle < IDLE)
        };
        match live.iter().find(|instance| !works(instance)) {
            Some(idler) => Err(format!("{idler} does nothing among {consumers:?}")),
            None => Ok(()),
        }
    })
    .await
}

/// Waits until every entry has been settled, with nothing left of it.
pub(crate) async fn nothing_is_left_to_do(view: &View) {
    eventually("every entry to be settled", LIMIT, || everywhere(|partition| work(view, partition))).await;
}

/// Succeeds if `holds` does for every partition.
async fn everywhere<Look: Future<Output = Result<(), String>>>(
    holds: impl Fn(u64) -> Look,
) -> Result<(), String> {
    for partition in 0..PARTITIONS {
        holds(partition).await.map_err(|reason| format!("in partition {partition} {reason}"))?;
    }
    Ok(())
}

async fn work(view: &View, partition: u64) -> Result<(), String> {
    let group = view.group(partition).await.map_err(|error| error.to_string())?;
    let (waiting, failed) = view.waiting(partition).await.map_err(|error| error.to_string())?;
    let (pending, cursor) = (group.pending, group.cursor);
    let unread = view.behind(partition, cursor).await.map_err(|error| error.to_string())?;
    match (pending, unread, waiting, failed) {
        (0, 0, 0, 0) => Ok(()),
        _ => Err(format!(
            "{pending} are pending, {unread} unread behind {cursor}, {waiting} waiting, {failed} failed; {}",
            leases(view, partition).await
        )),
    }
}

async fn leases(view: &View, partition: u64) -> String {
    format!("{:?}, {:?}", view.leases(partition).await, view.consumers(partition).await)
}

async fn members(view: &View, mode: Mode, live: &[&str], partition: u64) -> Result<(), String> {
    let leases = view.leases(partition).await.map_err(|error| error.to_string())?;
    let consumers = view.consumers(partition).await.map_err(|error| error.to_string())?;
    let members: Vec<&str> = match mode {
        Mode::Competing => leases.keys().map(String::as_str).collect(),
        Mode::Ordered => leases.keys().filter_map(|name| name.strip_prefix("member:")).collect(),
    };
    let is_member = |instance: &&str| members.iter().any(|name| is_of(name, instance));
    if members.len() != live.len() || !live.iter().all(is_member) {
        return Err(format!("the members are {members:?}, and {live:?} are alive"));
    }
    // Redis knows a consumer only once it was given an entry.
    let mut known = consumers.keys().chain(leases.get("holder")).map(String::as_str);
    match known.find(|name| *name != WAITING && !live.iter().any(|instance| is_of(name, instance))) {
        Some(dead) => Err(format!("{dead} is left, which is gone")),
        None => Ok(()),
    }
}
