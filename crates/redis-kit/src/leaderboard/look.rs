//! What is read from rankings, and how that for many goes in one script call.

use std::sync::LazyLock;

use redis::{Cmd, FromRedisValue, ParsingError, RedisResult, Value};

use super::{
    Ties,
    scripts::{TOGETHER, told},
};
use crate::{
    Connection,
    desk::Request,
    lua::{Lua, lua},
};

static LOOK: LazyLock<Lua> = lua!("lua/parts.lua", "lua/look.lua");

/// A part of a ranking that is wanted.
#[derive(PartialEq, Eq)]
pub(super) struct Look {
    pub(super) ranking: String,
    pub(super) metadata: String,
    /// If ties are dense.
    pub(super) scores: Option<String>,
    pub(super) ties: Ties,
    pub(super) is_descending: bool,
    pub(super) at: At,
}

/// Which part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// So many from this place on, counted from 0.
    Page { first: u64, count: u32 },
    /// This member alone.
    Rank { member: String },
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
        match count.min(MOST / 2) {
            0 => Self::Rank { member: member.into() },
            count => Self::Around { member: member.into(), count },
        }
    }
}

/// What was found there.
#[derive(Clone)]
pub(super) struct Found {
    /// How many members the ranking has.
    pub(super) members: u64,
    /// The place of the first row, counted from 0. Of one member alone it is how many have a better number: those that share
    /// a rank have no place of their own.
    pub(super) first: u64,
    /// How many members have a better number than the first row.
    pub(super) better: u64,
    /// How many numbers there are that are better, if ties are dense.
    pub(super) distinct: u64,
    pub(super) rows: Vec<Row>,
}

#[derive(Clone)]
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

    /// What several want to see is read once, and members of whom only the rank is wanted together.
    async fn ask(together: &[&Self], mut redis: Connection) -> RedisResult<Vec<RedisResult<Option<Found>>>> {
        let mut views: Vec<View> = Vec::new();
        for (place, look) in together.iter().enumerate() {
            match views.iter_mut().find(|view| view.shows(look)) {
                Some(view) => view.looks.push((place, look)),
                None => views.push(View { looks: vec![(place, look)] }),
            }
        }
        let mut call = LOOK.call(views.iter().flat_map(|view| view.look().keys()));
        for view in &views {
            view.write(&mut call);
        }
        let answers: Vec<Value> = LOOK.run(&mut redis, &call).await?;
        let mut found: Vec<RedisResult<Option<Found>>> = together.iter().map(|_| Ok(None)).collect();
        for (view, answer) in views.iter().zip(answers) {
            view.tell(answer, &mut found);
        }
        Ok(found)
    }
}

/// What is read at once for several who look.
struct View<'a> {
    /// Each with its place among all who look. Not empty.
    looks: Vec<(usize, &'a Look)>,
}

impl View<'_> {
    /// Whether what is read would be seen by this one too.
    fn shows(&self, look: &Look) -> bool {
        let other = self.look();
        let is_rank = |look: &Look| matches!(look.at, At::Rank { .. });
        other == look || is_rank(other) && is_rank(look) && other.ranking == look.ranking
    }

    fn look(&self) -> &Look {
        self.looks[0].1
    }

    fn write(&self, call: &mut Cmd) {
        self.look().write(call);
        match &self.look().at {
            At::Page { first, count } => _ = call.arg("page").arg(first).arg(count),
            At::Around { member, count } => _ = call.arg("around").arg(member).arg(count),
            At::Rank { .. } => {
                call.arg("ranks").arg(self.looks.len());
                for member in self.looks.iter().filter_map(|(_, look)| look.member()) {
                    call.arg(member);
                }
            }
        }
    }

    /// What each of them is told of its member.
    fn each(&self, (members, numbers, better, distinct, metadata): Ranks) -> Vec<Option<Found>> {
        let figures = numbers.into_iter().zip(better.into_iter().zip(distinct)).zip(metadata);
        let looks = self.looks.iter().filter_map(|(_, look)| look.member());
        let one = |(member, ((number, (better, distinct)), metadata)): (&str, ((Option<f64>, _), _))| {
            let row = Row { member: member.into(), number: number?, metadata };
            Some(Found { members, first: better, better, distinct, rows: vec![row] })
        };
        looks.zip(figures).map(one).collect()
    }

    fn tell(&self, answer: Value, found: &mut [RedisResult<Option<Found>>]) {
        let read = match self.look().at {
            At::Rank { .. } => told(answer).map(|ranks| self.each(ranks)),
            _ => told(answer).map(|Looked(found)| vec![found; self.looks.len()]),
        };
        match read {
            Ok(read) => {
                for ((place, _), one) in self.looks.iter().zip(read) {
                    found[*place] = Ok(one);
                }
            }
            Err(error) => {
                for (place, _) in &self.looks {
                    found[*place] = Err(error.clone());
                }
            }
        }
    }
}

/// What is told of several members, each alone: how many there are in all; and of each its number, how many members and how many
/// scores are before it, and its metadata.
type Ranks = (u64, Vec<Option<f64>>, Vec<u64>, Vec<u64>, Vec<Option<String>>);

impl Look {
    fn keys(&self) -> impl Iterator<Item = &str> {
        [Some(&*self.ranking), Some(&*self.metadata), self.scores.as_deref()].into_iter().flatten()
    }

    fn write(&self, call: &mut Cmd) {
        call.arg(match self.ties {
            Ties::FirstToReach { .. } => "place",
            Ties::Competition => "better",
            Ties::Dense => "scores",
        });
        call.arg(u8::from(self.is_descending));
    }

    /// The member whose rank alone is wanted.
    fn member(&self) -> Option<&str> {
        match &self.at {
            At::Rank { member } => Some(member),
            _ => None,
        }
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
