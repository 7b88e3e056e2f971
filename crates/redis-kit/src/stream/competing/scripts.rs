//! The scripts of a competing consumer, one typed function each. What they do is said in the `.lua` files.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use redis::{Cmd, Value};

use crate::{
    Connection, Error,
    lua::{Lua, error_told, lua, millis},
    stream::{
        Commit, StreamId,
        attempt::RawEntry,
        failures::Failures,
        keys::GroupKeys,
        message::{RawFields, now},
        writes::{add_keys, add_writes},
    },
};

static JOIN: LazyLock<Lua> = lua!("lua/join.lua");
static HEARTBEAT: LazyLock<Lua> = lua!("lua/heartbeat.lua");
static ACKNOWLEDGE: LazyLock<Lua> = lua!("lua/acknowledge.lua");
static COMMIT: LazyLock<Lua> =
    lua!("../lua/check.lua", "../lua/writes.lua", "lua/fence.lua", "lua/exclusive.lua", "lua/commit.lua");
static POSTPONE: LazyLock<Lua> = lua!(
    "../lua/check.lua",
    "../lua/writes.lua",
    "../lua/failures.lua",
    "lua/fence.lua",
    "lua/exclusive.lua",
    "lua/postpone.lua"
);
static REJECT: LazyLock<Lua> =
    lua!("../lua/check.lua", "../lua/failures.lua", "lua/fence.lua", "lua/reject.lua");
static CLAIM: LazyLock<Lua> = lua!("lua/claim.lua");
static STRAYS: LazyLock<Lua> = lua!("lua/strays.lua");
static LEAVE: LazyLock<Lua> = lua!("lua/release.lua", "lua/leave.lua");
static REAP: LazyLock<Lua> = lua!("lua/release.lua", "lua/reap.lua");

/// The consumer that owns what waits for a retry or for whoever asks first; nobody runs under its name.
pub(crate) const WAITING: &str = "waiting";

/// How many entries a script hands back at once, so that none holds Redis up for long.
const PAGE: usize = 1000;

/// One consumer's place in the group of one stream. Its name is new for every incarnation, and so stands for it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) stream: Arc<str>,
    pub(super) group: Arc<str>,
    pub(super) consumer: String,
    pub(super) keys: Arc<GroupKeys>,
}

/// What proves that a delivery is this consumer's: the entry, and how often it had been delivered when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt {
    pub(super) id: StreamId,
    pub(super) deliveries: u64,
    /// How many attempts had failed.
    pub(super) failed: u32,
}

/// An entry and the proof that it is this consumer's.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) entry: RawEntry,
    pub(super) receipt: Receipt,
}

/// What a look for waiting entries found.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) entries: Vec<Taken>,
    /// Entries that were deleted while pending: their work cannot be done any more.
    pub(super) lost: Vec<String>,
    /// How many entries are pending on this consumer now.
    pub(super) pending: usize,
}

/// What ending a consumer did.
#[derive(Debug, Default)]
pub(super) struct Released {
    /// Consumers whose lease was revoked.
    pub(super) revoked: Vec<String>,
    pub(super) entries: usize,
    pub(super) lost: Vec<String>,
}

/// The answer of a fenced script for one entry.
#[derive(Debug)]
pub(super) enum Fenced {
    Done,
    /// The delivery is somebody else's by now.
    Refused,
    /// The entry was deleted from the stream, so that nobody can do it any more.
    Lost,
    /// Nothing of it was written.
    Failed(Error),
}

/// An entry as scripts give it: id, fields, failures on record, deliveries, milliseconds since the first of them.
type ScriptEntry = (StreamId, RawFields, String, u64, u64);

impl Taken {
    fn new(entry: RawEntry, deliveries: u64) -> Self {
        let receipt = Receipt { id: entry.id, deliveries, failed: entry.failed };
        Self { entry, receipt }
    }
}

impl Member {
    /// Creates the group at the start of the stream if it is missing, and takes a lease. True if it was missing.
    pub(super) async fn join(&self, redis: &mut Connection, lease: Duration) -> Result<bool, Error> {
        let mut call = JOIN.call([&*self.stream, &self.keys.lease]);
        call.arg(&*self.group).arg(&self.consumer).arg(millis(lease));
        Ok(JOIN.run(redis, &call).await?)
    }

    /// Prolongs the lease. False if it was revoked.
    pub(super) async fn heartbeat(&self, redis: &mut Connection, lease: Duration) -> Result<bool, Error> {
        let mut call = HEARTBEAT.call([&*self.keys.lease]);
        call.arg(&self.consumer).arg(millis(lease));
        Ok(HEARTBEAT.run(redis, &call).await?)
    }

    /// Reads up to `limit` entries that nobody has had yet; waits up to `block` for the first, or not at all.
    /// `reader` must be for blocking commands, and the future must not be dropped midway: entries that came then would be
    /// pending and unseen.
    pub(super) async fn read(
        &self,
        reader: &mut Connection,
        limit: usize,
        block: Option<Duration>,
    ) -> Result<Vec<Taken>, Error> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(&*self.group).arg(&self.consumer).arg("COUNT").arg(limit);
        if let Some(block) = block {
            read.arg("BLOCK").arg(millis(block));
        }
        read.arg("STREAMS").arg(&*self.stream).arg(">");
        let entries = RawEntry::read(&read, reader).await?;
        Ok(entries.into_iter().map(|entry| Taken::new(entry, 1)).collect())
    }

    /// Takes up to `limit` entries that wait for whoever asks first. `None` if the lease was revoked.
    pub(super) async fn claim(&self, redis: &mut Connection, limit: usize) -> Result<Option<Claimed>, Error> {
        type Reply = Option<(Vec<ScriptEntry>, Vec<String>, usize)>;
        let keys = &*self.keys;
        let mut call = CLAIM.call([&*self.stream, &keys.attempts, &keys.retry, &keys.lease]);
        call.arg(&*self.group).arg(&self.consumer).arg(limit);
        let reply: Reply = CLAIM.run(redis, &call).await?;
        Ok(reply.map(|(entries, lost, pending)| Claimed { entries: all_taken(entries), lost, pending }))
    }

    /// Finds up to `limit` entries that are pending on this consumer and not among `in_hand`. No read may be under way.
    pub(super) async fn strays(
        &self,
        redis: &mut Connection,
        limit: usize,
        in_hand: &[StreamId],
    ) -> Result<Claimed, Error> {
        let mut call = STRAYS.call([&*self.stream, &self.keys.attempts]);
        call.arg(&*self.group).arg(&self.consumer).arg(limit).arg(in_hand);
        let (entries, lost): (Vec<ScriptEntry>, Vec<String>) = STRAYS.run(redis, &call).await?;
        Ok(Claimed { entries: all_taken(entries), lost, pending: 0 })
    }

    /// Acknowledges entries that have nothing to write and no failures on record. Returns how many were still pending, or
    /// `None` if the lease was revoked.
    pub(super) async fn acknowledge(
        &self,
        redis: &mut Connection,
        ids: impl Iterator<Item = StreamId>,
    ) -> Result<Option<usize>, Error> {
        let mut call = ACKNOWLEDGE.call([&*self.stream, &self.keys.lease]);
        call.arg(&*self.group).arg(&self.consumer);
        for id in ids {
            call.arg(id);
        }
        let acknowledged: i64 = ACKNOWLEDGE.run(redis, &call).await?;
        Ok(usize::try_from(acknowledged).ok())
    }

    /// Applies commits and acknowledges their entries. The answers come in the same order.
    pub(super) async fn commit(
        &self,
        redis: &mut Connection,
        commits: &[(Receipt, &Commit)],
    ) -> Result<Vec<Fenced>, Error> {
        let mut keys = vec![&*self.stream, &self.keys.attempts, &self.keys.retry];
        add_keys(&mut keys, commits.iter().map(|(_, commit)| *commit));
        let mut call = COMMIT.call(keys);
        call.arg(&*self.group).arg(&self.consumer);
        for (receipt, commit) in commits {
            call.arg(receipt.id).arg(receipt.deliveries).arg(receipt.failed);
            add_guarded(&mut call, commit);
        }
        let answers: Vec<Value> = COMMIT.run(redis, &call).await?;
        Ok(answers.into_iter().map(Fenced::of).collect())
    }

    /// Records a failed attempt and lets the entry wait.
    pub(super) async fn postpone(
        &self,
        redis: &mut Connection,
        receipt: Receipt,
        pause: Duration,
        reason: &str,
        commit: &Commit,
    ) -> Result<Fenced, Error> {
        let mut keys = vec![&*self.stream, &self.keys.attempts, &self.keys.retry];
        add_keys(&mut keys, std::iter::once(commit));
        let mut call = POSTPONE.call(keys);
        self.fenced(&mut call, receipt).arg(millis(pause)).arg(reason).arg(WAITING);
        add_guarded(&mut call, commit);
        Ok(Fenced::of(POSTPONE.run(redis, &call).await?))
    }

    /// Moves the entry to the dead letters.
    pub(super) async fn reject(
        &self,
        redis: &mut Connection,
        receipt: Receipt,
        reason: &str,
    ) -> Result<Fenced, Error> {
        let keys = &*self.keys;
        let mut call = REJECT.call([&*self.stream, &keys.attempts, &keys.dead]);
        self.fenced(&mut call, receipt).arg(reason);
        Ok(Fenced::of(REJECT.run(redis, &call).await?))
    }

    /// Gives the lease up, hands back what is pending, and removes the consumer. May be called again, and for a consumer that
    /// is gone.
    pub(super) async fn leave(&self, redis: &mut Connection) -> Result<Released, Error> {
        let mut released = Released::default();
        loop {
            let mut call = LEAVE.call(self.release_keys());
            call.arg(&*self.group).arg(&self.consumer).arg(WAITING).arg(PAGE);
            let (entries, lost): (usize, Vec<String>) = LEAVE.run(redis, &call).await?;
            released.entries += entries;
            released.lost.extend(lost);
            if entries < PAGE {
                return Ok(released);
            }
        }
    }

    /// Ends consumers that are gone, and lets their entries wait for whoever asks first. `None` if this one's own lease was
    /// revoked.
    pub(super) async fn reap(
        &self,
        redis: &mut Connection,
        lease: Duration,
    ) -> Result<Option<Released>, Error> {
        let mut call = REAP.call(self.release_keys());
        call.arg(&*self.group).arg(&self.consumer).arg(WAITING).arg(PAGE).arg(millis(lease));
        let reply: Option<(Vec<String>, usize, Vec<String>)> = REAP.run(redis, &call).await?;
        Ok(reply.map(|(revoked, entries, lost)| Released { revoked, entries, lost }))
    }

    fn release_keys(&self) -> [&str; 4] {
        [&self.stream, &self.keys.attempts, &self.keys.retry, &self.keys.lease]
    }

    pub(super) fn fenced<'a>(&self, call: &'a mut Cmd, receipt: Receipt) -> &'a mut Cmd {
        call.arg(&*self.group).arg(&self.consumer).arg(receipt.id).arg(receipt.deliveries)
    }
}

impl Fenced {
    fn of(answer: Value) -> Self {
        match answer {
            Value::Int(1) => Self::Done,
            Value::Int(-1) => Self::Lost,
            Value::BulkString(text) => Self::Failed(error_told(&text).into()),
            _ => Self::Refused,
        }
    }
}

/// Adds a commit's writes behind the token of the attempt that they are by, or `''`.
fn add_guarded(call: &mut Cmd, commit: &Commit) {
    match commit.fence() {
        Some(fence) => call.arg(fence.token),
        None => call.arg(""),
    };
    add_writes(call, commit);
}

fn all_taken(entries: Vec<ScriptEntry>) -> Vec<Taken> {
    let now = now();
    let taken = |(id, fields, failures, deliveries, age): ScriptEntry| {
        let first_delivered = now.checked_sub(Duration::from_millis(age)).unwrap_or(now);
        let failed = Failures::parse(&failures).failed;
        Taken::new(RawEntry { id, fields, failed, first_delivered }, deliveries)
    };
    entries.into_iter().map(taken).collect()
}
