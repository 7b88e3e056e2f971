//! The scripts of a cache, one typed function each. What they do is said in the `.lua` files.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use redis::{FromRedisValue, RedisResult, Value};

use super::keys::{CacheKeys, INVALIDATED, SETTLED};
use crate::{
    Connection,
    desk::Request,
    lua::{Lua, error_told, lua, millis},
};

static READ: LazyLock<Lua> = lua!("lua/read.lua");
static PUT: LazyLock<Lua> = lua!("lua/put.lua");
static RELEASE: LazyLock<Lua> = lua!("lua/release.lua");
static INVALIDATE: LazyLock<Lua> = lua!("lua/invalidate.lua");

/// The lease on an entry, under a token that nobody else has.
pub(super) struct Lease {
    pub(super) keys: CacheKeys,
    pub(super) token: String,
}

/// How one asks for an entry, or else for its lease.
pub(super) struct Question {
    pub(super) lease: Arc<Lease>,
    pub(super) lease_time: Duration,
    /// What has no longer to live than this is to be replaced, and counts as missing.
    pub(super) beyond: Duration,
    /// Whether the end of another's lease is to be told.
    pub(super) waits: bool,
}

/// What Redis says to somebody who wants an entry.
#[derive(Debug)]
pub(super) enum Answer {
    Found {
        json: Vec<u8>,
        /// How long it has to live.
        left: Duration,
    },
    /// Whoever asked is to load it.
    Leased,
    /// Somebody else is loading it. `None`: the lease never ends, since somebody made it by hand.
    Busy { lease_left: Option<Duration> },
}

impl Request for Question {
    type Answer = Answer;

    fn key(&self) -> &str {
        &self.lease.keys.entry
    }

    async fn ask(together: &[&Self], redis: Connection) -> RedisResult<Vec<RedisResult<Answer>>> {
        read(redis, together).await
    }
}

/// Asks for entries, each by itself.
async fn read(mut redis: Connection, questions: &[&Question]) -> RedisResult<Vec<RedisResult<Answer>>> {
    let keys = questions.iter().map(|question| &question.lease.keys);
    let mut call = READ.call(keys.flat_map(|keys| [&*keys.entry, &keys.lease]));
    for Question { lease, lease_time, beyond, waits } in questions {
        // Whole milliseconds: 0 is what has none left.
        let beyond = u64::try_from(beyond.as_millis()).unwrap_or(u64::MAX);
        call.arg(&lease.token).arg(millis(*lease_time)).arg(beyond).arg(u8::from(*waits));
    }
    let answers: Vec<Value> = READ.run(&mut redis, &call).await?;
    Ok(answers.into_iter().map(Answer::read).collect())
}

impl Lease {
    /// Stores what was loaded, and gives the lease up. False if it is not the token's any more.
    pub(super) async fn put(&self, mut redis: Connection, json: &str, kept: Duration) -> RedisResult<bool> {
        let mut call = PUT.call([&*self.keys.entry, &self.keys.lease]);
        call.arg(&self.token).arg(json).arg(millis(kept)).arg(SETTLED);
        PUT.run(&mut redis, &call).await
    }

    /// Gives the lease up; with a `pause` nobody gets it before that is over. False if it is not the token's any more.
    pub(super) async fn release(&self, mut redis: Connection, pause: Option<Duration>) -> RedisResult<bool> {
        let mut call = RELEASE.call([&*self.keys.entry, &self.keys.lease]);
        call.arg(&self.token).arg(pause.map_or(0, millis)).arg(SETTLED);
        RELEASE.run(&mut redis, &call).await
    }
}

impl CacheKeys {
    pub(super) async fn invalidate(&self, mut redis: Connection) -> RedisResult<()> {
        let mut call = INVALIDATE.call([&*self.entry, &self.lease]);
        call.arg(INVALIDATED);
        INVALIDATE.run(&mut redis, &call).await
    }
}

impl Answer {
    fn read(value: Value) -> RedisResult<Self> {
        match value {
            Value::Int(_) => Ok(Self::Leased),
            Value::BulkString(error) => Err(error_told(&error)),
            Value::Array(parts) if parts.len() == 2 => {
                let (json, left) = FromRedisValue::from_redis_value(Value::Array(parts))?;
                Ok(Self::Found { json, left: Duration::from_millis(left) })
            }
            busy => {
                let (left,) = <(i64,)>::from_redis_value(busy)?;
                Ok(Self::Busy { lease_left: u64::try_from(left).ok().map(Duration::from_millis) })
            }
        }
    }
}
