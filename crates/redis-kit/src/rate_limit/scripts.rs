//! The scripts of a limiter, one typed function each. What they do is said in the `.lua` files.

use std::sync::{Arc, LazyLock};

use redis::{ErrorKind, RedisResult};

use super::{ask::Ask, gcra::Answer};
use crate::{
    Connection,
    lua::{Lua, lua},
};

static CHECK: LazyLock<Lua> = lua!("lua/gcra.lua", "lua/check.lua");
static REFUND: LazyLock<Lua> = lua!("lua/refund.lua");

/// Asks for subjects, each by itself. Each answer has one for each policy.
pub(super) async fn check(
    mut redis: Connection,
    asks: &[&Arc<Ask>],
) -> RedisResult<Vec<RedisResult<Vec<Answer>>>> {
    let mut call = CHECK.call(asks.iter().flat_map(|ask| &ask.keys).map(String::as_str));
    for ask in asks {
        ask.write(&mut call);
    }
    let numbers: Vec<i64> = CHECK.run(&mut redis, &call).await?;
    if numbers.len() != asks.iter().map(|ask| ask.keys.len()).sum::<usize>() {
        return Err((ErrorKind::Parse, "a check was not answered for each policy").into());
    }
    let mut answers = numbers.into_iter().map(Answer::read);
    Ok(asks.iter().map(|ask| Ok(answers.by_ref().take(ask.keys.len()).collect())).collect())
}

/// What is given back to one policy.
pub(super) struct Refund {
    pub(super) key: String,
    pub(super) cost: u64,
    pub(super) tolerance: u64,
}

/// Gives back to policies of one subject.
pub(super) async fn refund(mut redis: Connection, refunds: &[Refund]) -> RedisResult<()> {
    let mut call = REFUND.call(refunds.iter().map(|refund| &*refund.key));
    for Refund { cost, tolerance, .. } in refunds {
        call.arg(cost).arg(tolerance);
    }
    REFUND.run(&mut redis, &call).await
}
