//! The script that begins an attempt at exclusive work, as a typed function. What it does is said in `begin.lua`.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use jiff::Timestamp;
use redis::{FromRedisValue, ParsingError, Value};

use super::scripts::{Member, Receipt};
use crate::{
    Connection, Error,
    lua::{Lua, lua, millis},
    stream::{Attempt, Begun, Exclusive, Fence},
};

static BEGIN: LazyLock<Lua> = lua!("../lua/check.lua", "lua/fence.lua", "lua/exclusive.lua", "lua/begin.lua");

impl Member {
    /// Begins an attempt at exclusive work.
    pub(super) async fn begin(
        &self,
        redis: &mut Connection,
        receipt: Receipt,
        work: &Exclusive<'_>,
    ) -> Result<Begun, Error> {
        let mut call = BEGIN.call([&*self.stream, &self.keys.attempts, &work.record, &work.lock]);
        self.fenced(&mut call, receipt).arg(millis(work.lock_time)).arg(work.states.len()).arg(work.states);
        for (name, value) in &work.fields {
            call.arg(*name).arg(value);
        }
        Ok(match BEGIN.run(redis, &call).await? {
            BeginReply::Begun { token, number, first_at, at, record } => {
                let fence = Fence { record: work.record.clone(), lock: work.lock.clone(), token };
                Begun::Attempt(Attempt { fence, number, first_at, at, record })
            }
            BeginReply::Busy { free_in } => Begun::Busy { free_in },
            BeginReply::OtherState(record) => Begun::OtherState(record),
            BeginReply::Lost => Begun::Lost,
        })
    }
}

/// What `begin.lua` answers.
enum BeginReply {
    Begun { token: u64, number: u32, first_at: Timestamp, at: Timestamp, record: HashMap<String, String> },
    Busy { free_in: Duration },
    OtherState(HashMap<String, String>),
    Lost,
}

impl FromRedisValue for BeginReply {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut parts = Vec::<Value>::from_redis_value(value)?.into_iter();
        let mut next = || parts.next().unwrap_or(Value::Nil);
        Ok(match String::from_redis_value(next())?.as_str() {
            "begun" => {
                let (token, number) = (u64::from_redis_value(next())?, u32::from_redis_value(next())?);
                let (first_at, at) = (time(next())?, time(next())?);
                Self::Begun { token, number, first_at, at, record: HashMap::from_redis_value(next())? }
            }
            // A lock without an end is none of ours; it is asked for again in a while.
            "busy" => Self::Busy {
                free_in: Duration::from_millis(
                    u64::try_from(i64::from_redis_value(next())?).unwrap_or(1_000),
                ),
            },
            "state" => Self::OtherState(HashMap::from_redis_value(next())?),
            _ => Self::Lost,
        })
    }
}

fn time(value: Value) -> Result<Timestamp, ParsingError> {
    let milliseconds = i64::from_redis_value(value)?;
    Timestamp::from_millisecond(milliseconds).map_err(|_| ParsingError::from("expected a time in Unix ms"))
}
