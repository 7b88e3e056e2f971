//! Retention: a stream's memory stays bounded, and nothing that is needed is trimmed.
//!
//! Acknowledging does not delete an entry; a stream grows until somebody trims it. [`Retention`] trims each of its streams by
//! a [`RetentionPolicy`], and never past what any group still needs: its oldest pending entry (waiting for a retry is
//! pending, too), and the first that it has not read. The same script that trims asks the groups, so it cannot be
//! outrun by one that reads meanwhile. A group that is to keep entries therefore needs nothing but to exist; a reader without
//! a pending list keeps its place as its group's last-delivered id (`XGROUP SETID`).
//!
//! A group that nobody reads any more holds the policy up for ever. Retention does not decide who is right. It warns once
//! when a group has not moved for [`RetentionOptions::stall_after`], and tells in `stream_retention_held_seconds`; to
//! let go, destroy the group (`XGROUP DESTROY`).
//!
//! Any number of instances may trim the same stream.
//!
//! # How far it went
//! [`trimmed_before`] tells it. A reader that keeps its own position `p` (the id of the last entry it has seen) and
//! belongs to no group has missed nothing as long as `p >= trimmed_before(stream)`; else it must start anew from
//! a snapshot, instead of going on over a silent hole.
//!
//! # Cost
//! Redis removes whole nodes of its tree (100 entries each by default, `stream-node-max-entries`), so up to a node more than
//! the policy allows stays. A step removes up to [`RetentionOptions::step`] entries in well under a millisecond, or about 16 MB
//! of large ones in a few, and other commands run between steps.

mod keeper;
mod stall;

use std::{sync::LazyLock, time::Duration};

use redis::{ErrorKind, RedisError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::keeper::Keeper;
use super::{StreamId, StreamKeys};
use crate::{
    Connection, Error,
    lua::{Lua, lua, millis},
};

static TRIM: LazyLock<Lua> = lua!("lua/trim.lua");

/// What of a stream may go, once no group needs it. The limits are independent: an entry goes as soon as one of them
/// says so. The default has none and keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Entries that were appended longer ago than this.
    pub max_age: Option<Duration>,
    /// The oldest entries beyond so many.
    pub max_length: Option<u64>,
    /// The oldest entries beyond so many bytes of Redis's memory, reckoned from a sample (`MEMORY USAGE`) and so about right
    /// only.
    pub max_bytes: Option<u64>,
    /// Groups that ought to be there. While one of them is missing nothing is trimmed: when it comes, it may want to
    /// begin at the first entry.
    pub groups: Vec<String>,
}

/// How [`Retention`] goes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionOptions {
    /// The pause between two rounds. Default 10 s.
    pub interval: Duration,
    /// How many entries one call of the script removes at most. No fewer than a node has (`stream-node-max-entries`), or
    /// nothing can be removed at all. Default 1000.
    pub step: u32,
    /// How long a group may hold the policy up without moving before it is warned of. Default 10 min.
    pub stall_after: Duration,
}

impl Default for RetentionOptions {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), step: 1000, stall_after: Duration::from_mins(10) }
    }
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// How many entries it removed. If any, another step may remove more.
    pub removed: u64,
    /// Who keeps the policy from going further, if anybody does.
    pub held: Option<Held>,
}

/// Groups that need entries of which the policy says that they may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Those that are furthest behind.
    pub groups: Vec<String>,
    /// The oldest entry that they need.
    pub at: StreamId,
}

/// Trims streams, round after round.
pub struct Retention {
    keepers: Vec<Keeper>,
}

impl Retention {
    /// Will trim each of `streams` by its policy. They need not exist yet.
    pub fn new(
        redis: &Connection,
        streams: impl IntoIterator<Item = (String, RetentionPolicy)>,
        options: &RetentionOptions,
    ) -> Self {
        keeper::describe_metrics();
        let keeper = |(stream, policy)| Keeper::new(redis.clone(), stream, policy, options.clone());
        Self { keepers: streams.into_iter().map(keeper).collect() }
    }

    /// Trims until `shutdown`. It never ends before: while Redis is away it waits for it with backoff.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut keepers = JoinSet::new();
        for keeper in self.keepers {
            // Dropped midway a step is done or not, and the next process goes on from there.
            keepers.spawn(shutdown.clone().run_until_cancelled_owned(keeper.run()));
        }
        keepers.join_all().await;
    }
}

/// Removes up to `step` entries that `policy` allows to go and that no group needs. To be called until it removes
/// nothing.
pub async fn trim(
    redis: &mut Connection,
    stream: &str,
    policy: &RetentionPolicy,
    step: u32,
) -> Result<Trimmed, Error> {
    let limit = |limit: Option<u64>| limit.map_or_else(String::new, |limit| limit.to_string());
    let mut call = TRIM.call([stream, &StreamKeys::new(stream).trimmed]);
    call.arg(limit(policy.max_age.map(millis))).arg(limit(policy.max_length)).arg(limit(policy.max_bytes));
    // For Redis, no limit is 0, and that would remove everything at once.
    call.arg(step.max(1)).arg(&policy.groups);
    let (removed, groups, at): (u64, Vec<String>, String) = TRIM.run(redis, &call).await?;
    Ok(Trimmed { removed, held: at.parse().ok().map(|at| Held { groups, at }) })
}

/// How far [`Retention`] has trimmed a stream: everything before this id is gone. [`StreamId::ZERO`] if it has
/// trimmed nothing.
pub async fn trimmed_before(redis: &mut Connection, stream: &str) -> Result<StreamId, Error> {
    let key = StreamKeys::new(stream).trimmed;
    let id: Option<String> = redis::cmd("GET").arg(&key).query_async(redis).await?;
    let Some(id) = id else { return Ok(StreamId::ZERO) };
    id.parse().map_err(|_| {
        let error = (ErrorKind::UnexpectedReturnType, "the key holds no stream id", format!("{key}: {id:?}"));
        RedisError::from(error).into()
    })
}
