//! The scripts of an ordered lane, one typed function each. What they do is said in the `.lua` files.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use redis::Cmd;

use super::cursor::Move;
use crate::{
    Connection, Error,
    lua::{Lua, lua, millis},
    stream::{
        Commit, StreamId,
        attempt::{Outcome, RawEntry},
        failures::Failures,
        keys::GroupKeys,
        writes::{add_keys, add_writes},
    },
};

static CONTEND: LazyLock<Lua> = lua!("../lua/check.lua", "lua/held.lua", "lua/contend.lua");
static GIVE: LazyLock<Lua> = lua!("lua/give.lua");
static PASS: LazyLock<Lua> =
    lua!("../lua/check.lua", "../lua/writes.lua", "../lua/failures.lua", "lua/held.lua", "lua/pass.lua");
static FAIL: LazyLock<Lua> =
    lua!("../lua/check.lua", "../lua/writes.lua", "../lua/failures.lua", "lua/held.lua", "lua/fail.lua");

/// One instance's place among those that want to hold one partition for a group.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) stream: String,
    pub(super) group: String,
    pub(super) partition: usize,
    /// New for every process that ever runs.
    pub(super) instance: String,
    pub(super) keys: GroupKeys,
}

/// Who holds the partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// This instance, as before.
    Held,
    /// This instance, but it is another's turn.
    Wanted,
    /// This instance, from now on, by this fence, at this cursor.
    Taken { fence: u64, cursor: StreamId },
    /// Not this instance.
    Other,
}

/// Whether nothing is written for an entry, so that it can be passed together with the next.
fn is_passed_over((entry, outcome): &(RawEntry, Outcome)) -> bool {
    entry.failed == 0 && matches!(outcome, Outcome::Commit(commit) if commit.is_empty())
}

/// How far a group has come.
pub(super) struct Passed {
    pub(super) cursor: StreamId,
    /// Whether this call has seen to it that this outlives the server.
    pub(super) is_kept: bool,
    /// What is wrong with the first entry behind the cursor.
    pub(super) wrong: Option<String>,
}

impl Contender {
    /// Says that this instance is alive, and learns who holds the partition. `fence` is that by which this instance does.
    pub(super) async fn contend(
        &self,
        redis: &mut Connection,
        fence: Option<u64>,
        lease: Duration,
    ) -> Result<Standing, Error> {
        let mut call = CONTEND.call([&*self.stream, &self.keys.lease]);
        call.arg(&self.group).arg(&self.instance);
        match fence {
            Some(fence) => call.arg(fence),
            None => call.arg(""),
        };
        call.arg(millis(lease)).arg(self.partition);
        let reply: Vec<String> = CONTEND.run(redis, &call).await?;
        Ok(match reply.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["held", _] => Standing::Held,
            ["wanted", _] => Standing::Wanted,
            ["taken", fence, cursor] => {
                // Both are what Redis made.
                Standing::Taken {
                    fence: fence.parse().unwrap_or_default(),
                    cursor: cursor.parse().unwrap_or_default(),
                }
            }
            _ => Standing::Other,
        })
    }

    /// Gives the partition away, to whose turn it is.
    pub(super) async fn give(&self, redis: &mut Connection, fence: u64) -> Result<(), Error> {
        let mut call = GIVE.call([&*self.stream, &self.keys.lease]);
        call.arg(&self.group).arg(&self.instance).arg(fence);
        Ok(GIVE.run(redis, &call).await?)
    }

    /// Goes away, and gives up whatever is held in this instance's name.
    pub(super) async fn leave(&self, redis: &mut Connection) -> Result<(), Error> {
        let mut call = GIVE.call([&*self.stream, &self.keys.lease]);
        call.arg(&self.group).arg(&self.instance).arg("");
        Ok(GIVE.run(redis, &call).await?)
    }

    /// Applies what became of entries and moves the cursor from `cursor` behind them. `None` if the partition is another's.
    pub(super) async fn pass(
        &self,
        redis: &mut Connection,
        fence: u64,
        cursor: StreamId,
        how: Move,
        entries: &[(RawEntry, Outcome)],
    ) -> Result<Option<Passed>, Error> {
        let mut keys = vec![&*self.stream, &self.keys.lease, &self.keys.attempts, &self.keys.dead];
        let commits = entries.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Commit(commit) => Some(commit),
            _ => None,
        });
        add_keys(&mut keys, commits);
        let mut call = PASS.call(keys);
        self.fenced(&mut call, fence).arg(cursor);
        match entries.last() {
            Some((entry, _)) => call.arg(entry.id),
            None => call.arg(""),
        };
        call.arg(if how == Move::Kept { "kept" } else { "" });
        for alike in entries.chunk_by(|one, next| is_passed_over(one) && is_passed_over(next)) {
            let Some((entry, outcome)) = alike.last() else { continue };
            call.arg(entry.id).arg(alike.len()).arg(entry.failed);
            match outcome {
                Outcome::Commit(commit) => {
                    call.arg("");
                    add_writes(&mut call, commit);
                }
                Outcome::Postpone { reason, .. } | Outcome::Reject { reason } => {
                    // Told apart from a commit by not being empty.
                    call.arg(if reason.is_empty() { "rejected" } else { reason });
                }
            }
        }
        let reply: Option<(StreamId, String, bool)> = PASS.run(redis, &call).await?;
        Ok(reply.map(|(cursor, wrong, is_kept)| Passed {
            cursor,
            is_kept,
            wrong: Some(wrong).filter(|wrong| !wrong.is_empty()),
        }))
    }

    /// Records a failed attempt at the next entry, and writes what its handler returned with it. False if the partition is another's.
    pub(super) async fn fail(
        &self,
        redis: &mut Connection,
        fence: u64,
        entry: &RawEntry,
        reason: &str,
        commit: &Commit,
    ) -> Result<bool, Error> {
        let mut keys = vec![&*self.stream, &self.keys.lease, &self.keys.attempts];
        add_keys(&mut keys, std::iter::once(commit));
        let mut call = FAIL.call(keys);
        self.fenced(&mut call, fence).arg(entry.id).arg(reason).arg(entry.failed);
        call.arg(entry.first_delivered.as_millisecond());
        add_writes(&mut call, commit);
        let reply: Option<u8> = FAIL.run(redis, &call).await?;
        Ok(reply.is_some())
    }

    /// Which entries have failed, and how often: at most one, in this mode.
    pub(super) async fn failures(&self, redis: &mut Connection) -> Result<HashMap<String, Failures>, Error> {
        let failures: HashMap<String, String> =
            redis::cmd("HGETALL").arg(&self.keys.attempts).query_async(redis).await?;
        Ok(failures.into_iter().map(|(id, known)| (id, Failures::parse(&known))).collect())
    }

    /// Reads up to `limit` entries behind `cursor`; waits up to `block` for the first.
    pub(super) async fn read(
        &self,
        reader: &mut Connection,
        cursor: StreamId,
        limit: usize,
        block: Duration,
    ) -> Result<Vec<RawEntry>, Error> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(limit).arg("BLOCK").arg(millis(block));
        read.arg("STREAMS").arg(&self.stream).arg(cursor);
        RawEntry::read(&read, reader).await
    }

    fn fenced<'a>(&self, call: &'a mut Cmd, fence: u64) -> &'a mut Cmd {
        call.arg(&self.group).arg(&self.instance).arg(fence)
    }
}
