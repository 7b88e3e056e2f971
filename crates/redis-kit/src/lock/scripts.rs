//! The scripts of a lock, one typed function each. What they do is said in the `.lua` files.

use std::{sync::LazyLock, time::Duration};

use redis::{RedisError, Value};

use super::keys::{LockKeys, RELEASED};
use crate::{
    Connection, Error,
    lua::{Lua, lua, millis},
};

static ACQUIRE: LazyLock<Lua> = lua!("lua/owned.lua", "lua/acquire.lua");
static RAISE: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/raise.lua");
static RENEW: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/renew.lua");
static RELEASE: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/owned.lua", "lua/release.lua");

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

impl LockKeys {
    /// Asks for the lock. With `waits` its release will be told.
    pub(super) async fn acquire(
        &self,
        mut redis: Connection,
        owner: &str,
        ttl: Duration,
        waits: bool,
    ) -> Result<Answer, Error> {
        let mut keys = vec![&*self.lock, &self.fence];
        if waits {
            keys.push(&self.waiters);
        }
        let mut call = ACQUIRE.call(keys);
        call.arg(owner).arg(millis(ttl)).arg(millis(FENCE_KEPT));
        Ok(match ACQUIRE.run(&mut redis, &call).await? {
            Value::Int(token) => Answer::Taken { token: token.unsigned_abs() },
            busy => {
                let (left,): (i64,) = redis::from_redis_value(busy).map_err(RedisError::from)?;
                Answer::Busy { expires_in: u64::try_from(left).ok().map(Duration::from_millis) }
            }
        })
    }

    /// Raises the fence to `token`. False if the lock is not the owner's.
    pub(super) async fn raise(&self, mut redis: Connection, owner: &str, token: u64) -> Result<bool, Error> {
        let mut call = RAISE.call([&*self.lock, &self.fence]);
        call.arg(owner).arg(token).arg(millis(FENCE_KEPT));
        Ok(RAISE.run(&mut redis, &call).await?)
    }

    /// Prolongs the lock. False if it is not the owner's.
    pub(super) async fn renew(
        &self,
        mut redis: Connection,
        owner: &str,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let mut call = RENEW.call([&*self.lock]);
        call.arg(owner).arg(millis(ttl));
        Ok(RENEW.run(&mut redis, &call).await?)
    }

    /// Gives the lock back. False if it is not the owner's.
    pub(super) async fn release(&self, mut redis: Connection, owner: &str) -> Result<bool, Error> {
        let mut call = RELEASE.call([&*self.lock, &self.waiters]);
        call.arg(owner).arg(RELEASED);
        Ok(RELEASE.run(&mut redis, &call).await?)
    }
}
