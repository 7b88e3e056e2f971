//! The scripts of boards, one typed function each. What they do is said in the `.lua` files.

use std::sync::{Arc, LazyLock};

use redis::{Cmd, ErrorKind, FromRedisValue, ParsingError, RedisResult, Value};

use super::{Applied, Operator, Ties, board::Shape, periods::Periods};
use crate::{
    Connection,
    desk::Request,
    lua::{Lua, error_told, lua},
    stream::StreamId,
};

static UPDATE: LazyLock<Lua> = lua!("lua/parts.lua", "lua/sources.lua", "lua/update.lua");
static TREND: LazyLock<Lua> = lua!("lua/parts.lua", "lua/sources.lua", "lua/trend.lua");
static LOOK: LazyLock<Lua> = lua!("lua/parts.lua", "lua/look.lua");
static REMOVE: LazyLock<Lua> = lua!("lua/remove.lua");

/// How many callers share a call at most: each may bring many updates.
const TOGETHER: usize = 64;

/// Updates of one board.
pub(super) struct Change {
    pub(super) shape: Arc<Shape>,
    /// Empty if there is none.
    pub(super) source: Arc<str>,
    pub(super) sets: Vec<Arc<Periods>>,
    pub(super) parts: Vec<Part>,
}

/// What one update brings.
pub(super) struct Part {
    /// Which set of periods it belongs to, counted from 1 as Lua does.
    pub(super) set: usize,
    pub(super) position: StreamId,
    pub(super) member: String,
    pub(super) points: i64,
    pub(super) tick: i64,
    pub(super) metadata: Option<String>,
}

impl Request for Change {
    type Answer = Applied;

    const TOGETHER: usize = TOGETHER;

    fn key(&self) -> &str {
        &self.shape.cursors
    }

    async fn ask(together: &[&Self], mut redis: Connection) -> RedisResult<Vec<RedisResult<Applied>>> {
        let mut call = UPDATE.call(together.iter().flat_map(|change| change.keys()));
        for change in together {
            change.write(&mut call);
        }
        let answers: Vec<Value> = UPDATE.run(&mut redis, &call).await?;
        Ok(answers
            .into_iter()
            .map(|answer| told(answer).map(|(taken, cut)| Applied { taken, cut }))
            .collect())
    }
}

impl Change {
    fn keys(&self) -> impl Iterator<Item = &str> {
        let of_sets = self.sets.iter().flat_map(|set| {
            let of_rankings =
                set.rankings.iter().flat_map(|ranking| [Some(&*ranking.key), ranking.scores.as_deref()]);
            [&*set.metadata].into_iter().chain(of_rankings.flatten())
        });
        [&*self.shape.cursors].into_iter().chain(of_sets)
    }

    fn write(&self, call: &mut Cmd) {
        let Shape { operator, scale, .. } = &*self.shape;
        let operator = match operator {
            Operator::Best => "best",
            Operator::Last => "last",
            Operator::Sum => "sum",
        };
        call.arg(&*self.source).arg(operator);
        call.arg(u8::from(self.shape.is_descending())).arg(u8::from(self.shape.ties == Ties::Dense));
        call.arg(scale.lowest).arg(scale.highest).arg(scale.times);
        call.arg(self.sets.len()).arg(self.sets.first().map_or(0, |set| set.rankings.len()));
        for set in &self.sets {
            call.arg(set.metadata_expires);
            for ranking in &set.rankings {
                call.arg(ranking.expires);
            }
        }
        call.arg(self.parts.len());
        for part in &self.parts {
            call.arg(part.set).arg(position(&self.source, part.position)).arg(&part.member);
            call.arg(part.points).arg(part.tick).arg(part.metadata.as_deref().unwrap_or_default());
        }
    }
}

/// A position as the scripts compare it.
fn position(source: &str, StreamId { milliseconds, sequence }: StreamId) -> String {
    if source.is_empty() { String::new() } else { format!("{milliseconds:020}-{sequence:020}") }
}

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
                call.arg(position(source, weight.position)).arg(&weight.member).arg(weight.logarithm);
                call.arg(weight.metadata.as_deref().unwrap_or_default());
            }
        }
        let answers: Vec<Value> = TREND.run(&mut redis, &call).await?;
        Ok(answers.into_iter().map(|answer| told(answer).map(|taken| Applied { taken, cut: 0 })).collect())
    }
}

/// A part of a ranking that is wanted.
pub(super) struct Look {
    pub(super) ranking: String,
    pub(super) metadata: String,
    /// If ties are dense.
    pub(super) scores: Option<String>,
    pub(super) is_descending: bool,
    pub(super) at: At,
}

/// Which part.
#[derive(Clone, Debug)]
pub(super) enum At {
    /// So many from this place on, counted from 0.
    Page { first: u64, count: u32 },
    /// This member, and so many on either side.
    Around { member: String, count: u32 },
}

/// How many members are read at once at most.
const MOST: u32 = 1000;

/// A place that no ranking has, and that Lua still counts exactly.
const BEYOND: u64 = 1 << 50;

impl At {
    /// At least one, as Redis would take none for all.
    pub(super) fn page(first: u64, count: u32) -> Self {
        Self::Page { first: first.min(BEYOND), count: count.clamp(1, MOST) }
    }

    pub(super) fn around(member: &str, count: u32) -> Self {
        Self::Around { member: member.into(), count: count.min(MOST / 2) }
    }
}

/// What was found there.
pub(super) struct Found {
    /// How many members the ranking has.
    pub(super) members: u64,
    /// The place of the first row, counted from 0.
    pub(super) first: u64,
    /// How many members have a better number than the first row.
    pub(super) better: u64,
    /// How many numbers there are that are better, if ties are dense.
    pub(super) distinct: u64,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    pub(super) member: String,
    pub(super) number: f64,
    pub(super) metadata: Option<String>,
}

impl Request for Look {
    /// `None`: there is no such member.
    type Answer = Option<Found>;

    const TOGETHER: usize = TOGETHER;

    fn key(&self) -> &str {
        &self.ranking
    }

    async fn ask(together: &[&Self], mut redis: Connection) -> RedisResult<Vec<RedisResult<Option<Found>>>> {
        let keys = together
            .iter()
            .flat_map(|look| [Some(&*look.ranking), Some(&*look.metadata), look.scores.as_deref()]);
        let mut call = LOOK.call(keys.flatten());
        for look in together {
            call.arg(u8::from(look.scores.is_some())).arg(u8::from(look.is_descending));
            match &look.at {
                At::Page { first, count } => call.arg("page").arg(first).arg(count),
                At::Around { member, count } => call.arg("around").arg(member).arg(count),
            };
        }
        let answers: Vec<Value> = LOOK.run(&mut redis, &call).await?;
        Ok(answers.into_iter().map(|answer| told(answer).map(|Looked(found)| found)).collect())
    }
}

struct Looked(Option<Found>);

impl FromRedisValue for Looked {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        match value {
            Value::Array(parts) if parts.len() == 1 => Ok(Self(None)),
            all => {
                let (members, first, better, distinct, found, metadata): (
                    _,
                    _,
                    _,
                    _,
                    Vec<(String, f64)>,
                    Vec<_>,
                ) = FromRedisValue::from_redis_value(all)?;
                let row = |((member, number), metadata)| Row { member, number, metadata };
                let rows = found.into_iter().zip(metadata).map(row).collect();
                Ok(Self(Some(Found { members, first, better, distinct, rows })))
            }
        }
    }
}

/// One caller's answer.
fn told<T: FromRedisValue>(answer: Value) -> RedisResult<T> {
    match answer {
        Value::BulkString(error) => Err(error_told(&error)),
        answer => T::from_redis_value(answer).map_err(Into::into),
    }
}

/// Takes a member out of rankings, each given with its metadata and its scores. Returns in how many it was.
pub(super) async fn remove(mut redis: Connection, keys: &[String], member: &str) -> RedisResult<u64> {
    if keys.is_empty() {
        return Err((ErrorKind::Client, "there is no ranking").into());
    }
    let mut call = REMOVE.call(keys.iter().map(String::as_str));
    call.arg(member);
    REMOVE.run(&mut redis, &call).await
}
