//! What is brought to boards, and how that of many goes in one script call.

use std::sync::{Arc, LazyLock};

use redis::{Cmd, RedisResult, Value};

use super::{
    Applied, Operator, Ties,
    periods::Periods,
    scripts::{TOGETHER, position, told},
    shape::Shape,
};
use crate::{
    Connection,
    desk::Request,
    lua::{Lua, lua},
    stream::StreamId,
};

static UPDATE: LazyLock<Lua> = lua!("lua/parts.lua", "lua/sources.lua", "lua/update.lua");

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
