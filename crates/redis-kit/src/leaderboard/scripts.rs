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

/// How many callers share a call at most. Few enough for several calls to be under way when many ask: the client works while
/// the server does.
const TOGETHER: usize = 32;

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
    /// Which set of periods it belongs to.
    pub(super) set: usize,
    pub(super) position: StreamId,
    pub(super) member: String,
    /// Of sums the points; else the number by which the member is to be sorted.
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
        let boards = boards(together);
        let mut call = UPDATE.call(boards.iter().flat_map(Board::keys));
        for board in &boards {
            board.write(&mut call);
        }
        let answers: Vec<Value> = UPDATE.run(&mut redis, &call).await?;
        let mut applied: Vec<RedisResult<Applied>> =
            together.iter().map(|_| Ok(Applied::default())).collect();
        for (board, answer) in boards.iter().zip(answers) {
            board.tell(&told(answer), &mut applied);
        }
        Ok(applied)
    }
}

/// All that was brought to one board at the same moment.
struct Board<'a> {
    shape: &'a Shape,
    sets: Vec<&'a Periods>,
    /// Those without a source are as good as one.
    callers: Vec<Vec<Brought<'a>>>,
}

/// What one who asked has brought.
struct Brought<'a> {
    change: &'a Change,
    /// Its place among all who asked.
    place: usize,
    /// Which of the board's sets each of its own is, counted from 1 as Lua does.
    sets: Vec<usize>,
}

/// Those who bring something to the same board, together, in the order in which they came.
fn boards<'a>(together: &[&'a Change]) -> Vec<Board<'a>> {
    let mut boards: Vec<Board<'a>> = Vec::new();
    for (place, change) in together.iter().copied().enumerate() {
        let known = boards.iter().position(|board| std::ptr::eq(board.shape, &raw const *change.shape));
        let board = known.unwrap_or_else(|| {
            boards.push(Board { shape: &change.shape, sets: Vec::new(), callers: vec![Vec::new()] });
            boards.len() - 1
        });
        boards[board].add(change, place);
    }
    boards
}

impl<'a> Board<'a> {
    fn add(&mut self, change: &'a Change, place: usize) {
        let sets = change.sets.iter().map(|set| {
            // They are written one after the other, so a new one begins whenever the hour is another: what came last stays.
            if !self.sets.last().is_some_and(|last| last.is(set)) {
                self.sets.push(set);
            }
            self.sets.len()
        });
        let brought = Brought { sets: sets.collect(), change, place };
        if change.source.is_empty() {
            self.callers[0].push(brought);
        } else {
            self.callers.push(vec![brought]);
        }
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        let of_sets = self.sets.iter().flat_map(|set| {
            let of_rankings =
                set.rankings.iter().flat_map(|ranking| [Some(&*ranking.key), ranking.scores.as_deref()]);
            [&*set.metadata].into_iter().chain(of_rankings.flatten())
        });
        [&*self.shape.cursors].into_iter().chain(of_sets)
    }

    fn write(&self, call: &mut Cmd) {
        let Shape { operator, scale, .. } = self.shape;
        call.arg(match operator {
            Operator::Best => "best",
            Operator::Last => "last",
            Operator::Sum => "sum",
        });
        call.arg(u8::from(self.shape.is_descending())).arg(u8::from(self.shape.ties == Ties::Dense));
        call.arg(scale.lowest).arg(scale.highest).arg(scale.times);
        call.arg(self.sets.len()).arg(self.sets.first().map_or(0, |set| set.rankings.len()));
        for set in &self.sets {
            call.arg(set.metadata_expires);
            for ranking in &set.rankings {
                call.arg(ranking.expires);
            }
        }
        call.arg(self.callers.len());
        for caller in &self.callers {
            let parts = || caller.iter().flat_map(|brought| &brought.change.parts);
            let has_metadata = parts().any(|part| part.metadata.is_some());
            let source = caller.first().map_or("", |brought| &*brought.change.source);
            call.arg(source).arg(u8::from(has_metadata)).arg(parts().count());
            for brought in caller {
                self.write_parts(brought, has_metadata, call);
            }
        }
    }

    fn write_parts(&self, Brought { change, sets, .. }: &Brought, has_metadata: bool, call: &mut Cmd) {
        for part in &change.parts {
            if self.sets.len() > 1 {
                call.arg(sets[part.set]);
            }
            if !change.source.is_empty() {
                call.arg(position(part.position));
            }
            call.arg(&part.member).arg(part.points);
            if self.shape.operator == Operator::Sum && self.shape.scale.times > 1 {
                call.arg(part.tick);
            }
            if has_metadata {
                call.arg(part.metadata.as_deref().unwrap_or_default());
            }
        }
    }

    /// Tells everybody what became of their updates. Of all together is known how many sums were cut, which one is told.
    fn tell(&self, answer: &RedisResult<Vec<u64>>, applied: &mut [RedisResult<Applied>]) {
        let mut cut = answer.as_ref().ok().and_then(|numbers| numbers.first().copied()).unwrap_or_default();
        for (number, caller) in (1..).zip(&self.callers) {
            for Brought { change, place, .. } in caller {
                applied[*place] = answer.as_ref().map_err(Clone::clone).map(|numbers| {
                    let taken = numbers.get(number).copied().unwrap_or_default();
                    let all = change.parts.len() as u64;
                    let taken = if change.source.is_empty() { all } else { taken };
                    Applied { taken, cut: std::mem::take(&mut cut) }
                });
            }
        }
    }
}

/// A position as the scripts compare it.
fn position(StreamId { milliseconds, sequence }: StreamId) -> String {
    format!("{milliseconds:020}-{sequence:020}")
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
