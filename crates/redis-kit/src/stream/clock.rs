use std::sync::LazyLock;

use jiff::Timestamp;

use crate::{
    Connection, Error,
    lua::{Lua, lua},
};

static NOW: LazyLock<Lua> = lua!("lua/now.lua");

/// What time it is by the clock that gives a stream's entries their ids, to the millisecond. The stream need not exist.
pub async fn clock(redis: &mut Connection, stream: &str) -> Result<Timestamp, Error> {
    let now: i64 = NOW.run(redis, &NOW.call([stream])).await?;
    Ok(Timestamp::from_millisecond(now).unwrap_or(Timestamp::MAX))
}
