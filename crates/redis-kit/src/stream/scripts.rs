//! The scripts of a consumer group, one typed function each. What they do is said in the `.lua` files.

use std::{sync::LazyLock, time::Duration};

use redis::{Script, ScriptInvocation};

use super::{Commit, StreamId, message::RawFields};
use crate::{Connection, Error};

/// A script that starts with the fence.
macro_rules! fenced {
    ($file:literal) => {
        LazyLock::new(|| Script::new(concat!(include_str!("lua/fence.lua"), "\n", include_str!($file))))
    };
}

static COMMIT: LazyLock<Script> = fenced!("lua/commit.lua");
static POSTPONE: LazyLock<Script> = fenced!("lua/postpone.lua");
static REJECT: LazyLock<Script> = fenced!("lua/reject.lua");
static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/claim.lua")));
static CREATE_GROUP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/create_group.lua")));
static LEAVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/leave.lua")));

/// One consumer's place in the group of one stream: the keys and names that every script needs.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) stream: String,
    pub(super) group: String,
    pub(super) consumer: String,
    attempts: String,
    retry: String,
    pub(super) dead: String,
}

/// What proves that a delivery is this consumer's: the entry, and how often it had been delivered when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt {
    pub(super) id: StreamId,
    pub(super) deliveries: u64,
}

/// An entry as it came from Redis.
#[derive(Debug)]
pub(super) struct RawEntry {
    pub(super) receipt: Receipt,
    pub(super) failed_attempts: u32,
    pub(super) fields: RawFields,
}

/// What a look for waiting entries found.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    /// Where to go on next time.
    pub(super) cursor: String,
    pub(super) entries: Vec<RawEntry>,
    /// Entries that were deleted while pending: their work cannot be done any more.
    pub(super) lost: Vec<String>,
}

/// Whether a fenced script did its work, or was refused because the delivery is somebody else's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fenced {
    Done,
    Refused,
}

impl From<bool> for Fenced {
    fn from(done: bool) -> Self {
        if done { Self::Done } else { Self::Refused }
    }
}

impl Membership {
    pub(super) fn new(stream: &str, group: &str, consumer: &str) -> Self {
        Self {
            attempts: format!("{stream}:attempts:{group}"),
            retry: format!("{stream}:retry:{group}"),
            dead: format!("{stream}:dead:{group}"),
            stream: stream.into(),
            group: group.into(),
            consumer: consumer.into(),
        }
    }

    /// Creates the group at the start of the stream, and the stream if need be, unless it is there.
    pub(super) async fn create_group(&self, mut redis: Connection) -> Result<(), Error> {
        let mut script = CREATE_GROUP.key(&self.stream);
        Ok(script.arg(&self.group).invoke_async(&mut redis).await?)
    }

    /// Applies a commit and acknowledges the entry.
    pub(super) async fn commit(
        &self,
        redis: &mut Connection,
        receipt: Receipt,
        commit: &Commit,
    ) -> Result<Fenced, Error> {
        commit.check_keys(&self.stream)?;
        let mut script = self.fenced(&COMMIT, receipt);
        for write in commit.writes() {
            if let Some(key) = &write.key {
                script.key(key);
            }
            script.arg(write.kind).arg(write.args.len()).arg(&write.args);
        }
        Ok(script.invoke_async::<bool>(redis).await?.into())
    }

    /// Lets the entry wait. `failed` counts the attempt.
    pub(super) async fn postpone(
        &self,
        redis: &mut Connection,
        receipt: Receipt,
        pause: Duration,
        failed: bool,
    ) -> Result<Fenced, Error> {
        let mut script = self.fenced(&POSTPONE, receipt);
        script.arg(millis(pause)).arg(u8::from(failed));
        Ok(script.invoke_async::<bool>(redis).await?.into())
    }

    /// Moves the entry to the dead letters.
    pub(super) async fn reject(
        &self,
        redis: &mut Connection,
        receipt: Receipt,
        reason: &str,
        attempts: u32,
    ) -> Result<Fenced, Error> {
        let mut script = self.fenced(&REJECT, receipt);
        script.key(&self.dead).arg(reason).arg(attempts);
        Ok(script.invoke_async::<bool>(redis).await?.into())
    }

    /// Takes over up to `limit` entries that wait for a retry or for a consumer that is gone.
    pub(super) async fn claim(
        &self,
        redis: &mut Connection,
        claim_idle: Duration,
        limit: usize,
        cursor: &str,
        in_hand: &[StreamId],
    ) -> Result<Claimed, Error> {
        type Reply = (String, Vec<(String, RawFields, u32, u64)>, Vec<String>);
        let mut script = CLAIM.prepare_invoke();
        script.key(&self.stream).key(&self.attempts).key(&self.retry);
        script.arg(&self.group).arg(&self.consumer).arg(millis(claim_idle)).arg(limit).arg(cursor);
        for id in in_hand {
            script.arg(id.to_string());
        }
        let (cursor, entries, lost): Reply = script.invoke_async(redis).await?;
        let entries = entries.into_iter().filter_map(|(id, fields, failed_attempts, deliveries)| {
            // Redis made the id, so it is one.
            let receipt = Receipt { id: id.parse().ok()?, deliveries };
            Some(RawEntry { receipt, failed_attempts, fields })
        });
        Ok(Claimed { cursor, entries: entries.collect(), lost })
    }

    /// Reads up to `limit` entries that nobody has had yet; waits up to `block` for the first. `connection` must be for
    /// blocking commands, and the future must not be dropped midway: entries that came then would be pending and unseen.
    pub(super) async fn read(
        &self,
        connection: &mut Connection,
        limit: usize,
        block: Duration,
    ) -> Result<Vec<RawEntry>, Error> {
        type Reply = Option<Vec<(String, Vec<(String, RawFields)>)>>;
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.group).arg(&self.consumer).arg("COUNT").arg(limit);
        read.arg("BLOCK").arg(millis(block)).arg("STREAMS").arg(&self.stream).arg(">");
        let reply: Reply = read.query_async(connection).await?;
        let entries = reply.into_iter().flatten().flat_map(|(_, entries)| entries);
        Ok(entries
            .filter_map(|(id, fields)| {
                let receipt = Receipt { id: id.parse().ok()?, deliveries: 1 };
                Some(RawEntry { receipt, failed_attempts: 0, fields })
            })
            .collect())
    }

    /// Removes this consumer from the group, unless entries are still pending on it.
    pub(super) async fn leave(&self, redis: &mut Connection) -> Result<(), Error> {
        let mut script = LEAVE.key(&self.stream);
        Ok(script.arg(&self.group).arg(&self.consumer).invoke_async(redis).await?)
    }

    fn fenced<'a>(&self, script: &'a Script, receipt: Receipt) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        invocation.key(&self.stream).key(&self.attempts).key(&self.retry);
        invocation.arg(&self.group).arg(&self.consumer);
        invocation.arg(receipt.id.to_string()).arg(receipt.deliveries);
        invocation
    }
}

/// Redis counts in whole milliseconds; `BLOCK 0` would mean for ever.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
