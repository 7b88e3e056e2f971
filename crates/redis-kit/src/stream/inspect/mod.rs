//! How a stream and its groups are doing: asked for once with [`inspect`], or measured all the time by a [`Monitor`].
//!
//! What is not known is said to be unknown. Redis cannot always tell how many entries a group has yet to read (entries that
//! were deleted in between, a group that was created in the middle); its lag is then `None`, or NaN as a gauge, and never 0.

mod consumers;
mod monitor;

use std::{sync::LazyLock, time::Duration};

pub use self::{
    consumers::{ConsumerReport, consumers},
    monitor::Monitor,
};
use super::{GroupKeys, StreamId, StreamKeys};
use crate::{
    Connection, Error,
    lua::{Lua, lua},
};

static INSPECT: LazyLock<Lua> = lua!("lua/inspect.lua");

/// A stream at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamReport {
    /// How many entries it has.
    pub length: u64,
    /// How many entries were ever appended to it: between two looks, how many in that time.
    pub appended: u64,
    /// How much of Redis's memory it takes with its groups, reckoned from a sample.
    pub bytes: u64,
    /// The first entry, unless it is empty.
    pub first_id: Option<StreamId>,
    /// The last entry that was ever appended, if any was, though it may be gone.
    pub last_id: Option<StreamId>,
    /// How many messages wait for the time at which they are to be appended.
    pub delayed: u64,
    /// Its groups, by name.
    pub groups: Vec<GroupReport>,
}

/// A consumer group of a stream at the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReport {
    /// Its name.
    pub name: String,
    /// How many entries it has yet to read. `None` if Redis does not know. Exact up to a hundred; beyond, it is what Redis
    /// says, which Redis 7.0 overstates after a restart until the group has nearly caught up.
    pub lag: Option<u64>,
    /// How many entries it has read and not acknowledged, those that wait for a retry included.
    pub pending: u64,
    /// How long ago, by Redis's clock, the oldest of them was appended: how late the group is with what it has in hand,
    /// however often that has been delivered, and however long it was unread before.
    pub oldest_pending: Option<Duration>,
    /// How many consumers it has, whether they live or not.
    pub consumers: u64,
    /// How many entries wait for a retry.
    pub waiting: u64,
    /// How many entries it has given up.
    pub dead_letters: u64,
    /// The last entry that it has read; [`StreamId::ZERO`] if none.
    pub last_delivered: StreamId,
}

/// What the script says of the stream: time, length, appended, bytes, first id, last id, delayed, names of groups, groups.
type Reply = (u64, u64, u64, u64, String, String, u64, Vec<String>, Vec<GroupReply>);

/// Name, last-delivered-id, lag, pending, oldest pending id, consumers, waiting, dead letters.
type GroupReply = (String, StreamId, Option<u64>, u64, String, u64, u64, u64);

/// Looks at a stream and all its groups. One that is not there has nothing.
///
/// # Errors
/// As Redis's, such as `WRONGTYPE` if one of the keys is something else.
pub async fn inspect(redis: &mut Connection, stream: &str) -> Result<StreamReport, Error> {
    // A script must be told of every key that it touches, and the groups' keys follow from their names.
    let (.., names, _) = ask(redis, stream, &[]).await?;
    Ok(report(ask(redis, stream, &names).await?))
}

async fn ask(redis: &mut Connection, stream: &str, groups: &[String]) -> Result<Reply, Error> {
    let delayed = StreamKeys::new(stream).delayed;
    let beside: Vec<GroupKeys> = groups.iter().map(|group| GroupKeys::new(stream, group)).collect();
    let mut keys = vec![stream, &delayed];
    keys.extend(beside.iter().flat_map(|keys| [keys.retry.as_str(), &keys.dead]));
    let mut call = INSPECT.call(keys);
    call.arg(groups);
    Ok(INSPECT.run(redis, &call).await?)
}

fn report((now, length, appended, bytes, first_id, last_id, delayed, _, groups): Reply) -> StreamReport {
    StreamReport {
        length,
        appended,
        bytes,
        first_id: first_id.parse().ok(),
        last_id: last_id.parse().ok().filter(|id| *id != StreamId::ZERO),
        delayed,
        groups: groups.into_iter().map(|group| group_report(now, group)).collect(),
    }
}

fn group_report(now: u64, group: GroupReply) -> GroupReport {
    let (name, last_delivered, lag, pending, oldest, consumers, waiting, dead_letters) = group;
    let age = |id: StreamId| Duration::from_millis(now.saturating_sub(id.milliseconds));
    GroupReport {
        name,
        lag,
        pending,
        oldest_pending: oldest.parse().ok().map(age),
        consumers,
        waiting,
        dead_letters,
        last_delivered,
    }
}
