//! The scripts of a lock, one typed function each. What they do is said in the `.lua` files.

use std::{sync::LazyLock, time::Duration};

use redis::{FromRedisValue, RedisResult, Value};

use super::keys::{LockKeys, RELEASED};
use crate::{
    Connection,
    lua::{Lua, error_told, lua, millis},
};

static ACQUIRE: LazyLock<Lua> = lua!("lua/acquire.lua");
static RAISE: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/raise.lua");
static RENEW: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/renew.lua");
static RELEASE: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/release.lua");

/// How long the fence's counter outlives the last acquisition. Once it is gone the clock alone makes the next token
/// higher, so this is by how much a clock may be set back, or the clocks of a master and its replica, or of several
/// servers, may differ. Longer would cost more memory: some hundred bytes for every name that was locked in that
/// time.
const FENCE_KEPT: Duration = Duration::from_mins(10);

/// What one server says to somebody who wants the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Taken {
        token: u64,
    },
    /// It is another's. `None`: for ever, since somebody made the key without a time to live.
    Busy {
        expires_in: Option<Duration>,
    },
}

/// Who wants a lock.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) keys: &'a LockKeys,
    pub(super) owner: &'a str,
    pub(super) ttl: Duration,
}

/// Asks for locks. With `waits` their releases will be told.
pub(super) async fn acquire<'a>(
    mut redis: Connection,
    locks: &[Wanted<'a>],
    waits: bool,
) -> RedisResult<Vec<RedisResult<Answer>>> {
    let each = if waits { 3 } else { 2 };
    let keys_of = |keys: &'a LockKeys| [&*keys.lock, &keys.fence, &keys.waiters].into_iter().take(each);
    let mut call = ACQUIRE.call(locks.iter().flat_map(|lock| keys_of(lock.keys)));
    call.arg(millis(FENCE_KEPT)).arg(each);
    for Wanted { owner, ttl, .. } in locks {
        call.arg(owner).arg(millis(*ttl));
    }
    let answers: Vec<Value> = ACQUIRE.run(&mut redis, &call).await?;
    Ok(answers.into_iter().map(Answer::read).collect())
}

/// Gives locks back, each by its keys and its owner. False for those that are not their owner's.
pub(super) async fn release(
    mut redis: Connection,
    locks: &[(&LockKeys, &str)],
) -> RedisResult<Vec<RedisResult<bool>>> {
    let mut call = RELEASE.call(locks.iter().flat_map(|(keys, _)| [&*keys.lock, &keys.waiters]));
    call.arg(RELEASED);
    for (_, owner) in locks {
        call.arg(owner);
    }
    let answers: Vec<bool> = RELEASE.run(&mut redis, &call).await?;
    Ok(answers.into_iter().map(Ok).collect())
}

impl Answer {
    fn read(value: Value) -> RedisResult<Self> {
        match value {
            Value::Int(token) => Ok(Self::Taken { token: token.unsigned_abs() }),
            Value::BulkString(error) => Err(error_told(&error)),
            busy => {
                let (left,) = <(i64,)>::from_redis_value(busy)?;
                Ok(Self::Busy { expires_in: u64::try_from(left).ok().map(Duration::from_millis) })
            }
        }
    }
}

impl LockKeys {
    /// Raises the fence to `token`. False if the lock is not the owner's.
    pub(super) async fn raise(&self, mut redis: Connection, owner: &str, token: u64) -> RedisResult<bool> {
        let mut call = RAISE.call([&*self.lock, &self.fence]);
        call.arg(owner).arg(token).arg(millis(FENCE_KEPT));
        RAISE.run(&mut redis, &call).await
    }

    /// Prolongs the lock. False if it is not the owner's.
    pub(super) async fn renew(&self, mut redis: Connection, owner: &str, ttl: Duration) -> RedisResult<bool> {
        let mut call = RENEW.call([&*self.lock]);
        call.arg(owner).arg(millis(ttl));
        RENEW.run(&mut redis, &call).await
    }
}
