//! What happens to the members of boards of what is trending, and how that of many goes in one script call.

use std::sync::{Arc, LazyLock};

use redis::{RedisResult, Value};

use super::{
    Applied,
    scripts::{TOGETHER, position, told},
};
use crate::{
    Connection,
    desk::Request,
    lua::{Lua, lua},
    stream::StreamId,
};

static TREND: LazyLock<Lua> = lua!("lua/parts.lua", "lua/sources.lua", "lua/trend.lua");

/// What happened to the members of a board of what is trending.
pub(super) struct Happening {
    pub(super) keys: Arc<TrendingKeys>,
    /// Empty if there is none.
    pub(super) source: Arc<str>,
    /// The logarithm below which a member is forgotten.
    pub(super) forget_below: f64,
    /// In how many milliseconds the board is forgotten if nothing more happens.
    pub(super) expires: u64,
    pub(super) weights: Vec<Weight>,
}

/// Where a board of what is trending stands.
pub(super) struct TrendingKeys {
    pub(super) cursors: String,
    pub(super) ranking: String,
    pub(super) metadata: String,
}

/// What one thing that happened weighs.
pub(super) struct Weight {
    pub(super) position: StreamId,
    pub(super) member: String,
    /// To base 2.
    pub(super) logarithm: f64,
    pub(super) metadata: Option<String>,
}

impl Request for Happening {
    type Answer = Applied;

    const TOGETHER: usize = TOGETHER;

    fn key(&self) -> &str {
        &self.keys.cursors
    }

    async fn ask(together: &[&Self], mut redis: Connection) -> RedisResult<Vec<RedisResult<Applied>>> {
        let keys = together.iter().map(|happening| &happening.keys);
        let mut call = TREND.call(keys.flat_map(|keys| [&*keys.cursors, &keys.ranking, &keys.metadata]));
        for Self { source, forget_below, expires, weights, .. } in together {
            call.arg(&**source).arg(forget_below).arg(expires).arg(weights.len());
            for weight in weights {
                if !source.is_empty() {
                    call.arg(position(weight.position));
                }
                call.arg(&weight.member).arg(weight.logarithm);
                call.arg(weight.metadata.as_deref().unwrap_or_default());
            }
        }
        let answers: Vec<Value> = TREND.run(&mut redis, &call).await?;
        Ok(answers.into_iter().map(|answer| told(answer).map(|taken| Applied { taken, cut: 0 })).collect())
    }
}
