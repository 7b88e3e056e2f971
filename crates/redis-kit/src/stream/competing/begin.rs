//! Beginning attempts at exclusive work, as a typed request. What it does is said in `begin.lua`.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use jiff::Timestamp;
use redis::{FromRedisValue, ParsingError, RedisResult, Value};

use super::scripts::{Member, Receipt};
use crate::{
    Connection, Error,
    desk::{Desk, Request},
    lua::{Lua, error_told, lua, millis},
    stream::{Attempt, Begun, Exclusive, Fence},
};

static BEGIN: LazyLock<Lua> = lua!("../lua/check.lua", "lua/fence.lua", "lua/exclusive.lua", "lua/begin.lua");

/// Where one consumer's attempts at exclusive work begin: what is ready together begins together.
pub(super) type BeginDesk = Arc<Desk<Begin>>;

/// A wish to begin one attempt.
pub(super) struct Begin {
    member: Arc<Member>,
    record: String,
    lock: String,
    args: Vec<String>,
}

impl Begin {
    fn new(member: &Arc<Member>, receipt: Receipt, work: &Exclusive<'_>) -> Self {
        let fields = work.fields.iter().flat_map(|(name, value)| [(*name).to_owned(), value.clone()]);
        let mut args = vec![receipt.id.to_string(), receipt.deliveries.to_string()];
        args.extend([millis(work.lock_time).to_string(), work.states.len().to_string()]);
        args.extend(work.states.iter().map(|state| (*state).to_owned()));
        args.push((2 * work.fields.len()).to_string());
        args.extend(fields);
        Self { member: Arc::clone(member), record: work.record.clone(), lock: work.lock.clone(), args }
    }
}

impl Request for Begin {
    type Answer = BeginReply;

    /// Each of them costs Redis some ten commands.
    const TOGETHER: usize = 64;

    fn key(&self) -> &str {
        &self.record
    }

    async fn ask(together: &[&Self], mut redis: Connection) -> RedisResult<Vec<RedisResult<BeginReply>>> {
        // A desk is one consumer's.
        let member = &together[0].member;
        let keys = together.iter().flat_map(|begin| [&*begin.record, &*begin.lock]);
        let mut call = BEGIN.call([&*member.stream, &*member.keys.attempts].into_iter().chain(keys));
        call.arg(&*member.group).arg(&member.consumer);
        for begin in together {
            call.arg(&begin.args);
        }
        let replies: Vec<Value> = BEGIN.run(&mut redis, &call).await?;
        replies.into_iter().map(BeginReply::read).collect()
    }
}

/// Begins an attempt at exclusive work.
pub(super) async fn begin(
    desk: &BeginDesk,
    member: &Arc<Member>,
    receipt: Receipt,
    work: &Exclusive<'_>,
) -> Result<Begun, Error> {
    Ok(match desk.ask(Begin::new(member, receipt, work)).await? {
        BeginReply::Begun { token, number, first_at, at, record } => {
            let fence = Fence { record: work.record.clone(), lock: work.lock.clone(), token };
            Begun::Attempt(Attempt { fence, number, first_at, at, record })
        }
        BeginReply::Busy { free_in } => Begun::Busy { free_in },
        BeginReply::OtherState(record) => Begun::OtherState(record),
        BeginReply::Lost => Begun::Lost,
    })
}

/// What `begin.lua` answers to one of them.
pub(super) enum BeginReply {
    Begun { token: u64, number: u32, first_at: Timestamp, at: Timestamp, record: HashMap<String, String> },
    Busy { free_in: Duration },
    OtherState(HashMap<String, String>),
    Lost,
}

impl BeginReply {
    /// Fails if the whole answer makes no sense, and inside if this attempt was refused.
    fn read(value: Value) -> RedisResult<RedisResult<Self>> {
        let mut parts = Vec::<Value>::from_redis_value(value)?.into_iter();
        let mut next = || parts.next().unwrap_or(Value::Nil);
        Ok(Ok(match String::from_redis_value(next())?.as_str() {
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
            "error" => return Ok(Err(error_told(&Vec::from_redis_value(next())?))),
            _ => Self::Lost,
        }))
    }
}

fn time(value: Value) -> Result<Timestamp, ParsingError> {
    let milliseconds = i64::from_redis_value(value)?;
    Timestamp::from_millisecond(milliseconds).map_err(|_| ParsingError::from("expected a time in Unix ms"))
}
