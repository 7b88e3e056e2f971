//! What calls of a board's scripts have in common, and the one that needs no more.

use std::sync::LazyLock;

use redis::{FromRedisValue, RedisResult, Value};

use crate::{
    Connection,
    lua::{Lua, error_told, lua},
    stream::StreamId,
};

static REMOVE: LazyLock<Lua> = lua!("lua/remove.lua");

/// How many callers share a call at most. Few enough for several calls to be under way when many ask: the client works while
/// the server does.
pub(super) const TOGETHER: usize = 32;

/// A position as the scripts compare it.
pub(super) fn position(StreamId { milliseconds, sequence }: StreamId) -> String {
    format!("{milliseconds:020}-{sequence:020}")
}

/// One caller's answer.
pub(super) fn told<T: FromRedisValue>(answer: Value) -> RedisResult<T> {
    match answer {
        Value::BulkString(error) => Err(error_told(&error)),
        answer => T::from_redis_value(answer).map_err(Into::into),
    }
}

/// Takes a member out of rankings, each given with its metadata and its scores. Returns in how many it was.
pub(super) async fn remove(mut redis: Connection, keys: &[String], member: &str) -> RedisResult<u64> {
    let mut call = REMOVE.call(keys.iter().map(String::as_str));
    call.arg(member);
    REMOVE.run(&mut redis, &call).await
}
