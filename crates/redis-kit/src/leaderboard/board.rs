use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::{
    Applied, BoardOptions, InvalidBoard, Leaderboards, Neighbours, Operator, Page, Period, Standing, Ties,
    Update,
    change::{Change, Part},
    keys::{self, BoardKeys},
    look::{At, Look},
    periods::{Calendar, Periods},
    scale::Scale,
    scripts,
    shape::Shape,
    update::{Numbered, parts, unnumbered},
};
use crate::{Error, stream::StreamId};

/// A board: members ranked by their scores, in one ranking or several. Cheap to clone.
#[derive(Clone)]
pub struct Leaderboard {
    boards: Leaderboards,
    shape: Arc<Shape>,
    calendar: Arc<Calendar>,
}

impl fmt::Debug for Leaderboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leaderboard").field(&self.shape.cursors).finish()
    }
}

impl Leaderboard {
    pub(super) fn new(
        boards: Leaderboards,
        keys: BoardKeys,
        options: &BoardOptions,
    ) -> Result<Self, InvalidBoard> {
        let BoardOptions { windows, keep_past, operator, sort_order, ties, .. } = options;
        let cursors = keys.cursors();
        let calendar = Calendar::new(keys, windows, *keep_past, *ties == Ties::Dense);
        let calendar = calendar.ok_or(InvalidBoard::NoWindow)?;
        let scale = Scale::new(options, calendar.longest)?;
        let shape = Shape { cursors, operator: *operator, sort_order: *sort_order, ties: *ties, scale };
        Ok(Self { boards, shape: Arc::new(shape), calendar: Arc::new(calendar) })
    }

    /// Brings points to members; up to 500 updates in one step. Several of a member that come together count as one: their sum,
    /// their best or the last of them. What is of a period that is not kept any more counts in the longer ones alone.
    ///
    /// # Errors
    /// If no answer came, they may have been brought, or some of them. Whether to bring them again depends on the
    /// [`Operator`]: sums would count them twice, unless they come by [`Self::update_from`].
    ///
    /// What others bring to the board at the same moment goes in the same call, and how many scores were cut is told to one of
    /// them.
    pub async fn update(&self, updates: impl IntoIterator<Item = Update>) -> Result<Applied, Error> {
        self.update_from("", unnumbered(updates)).await
    }

    /// Brings points that follow from a source's entries, each of which has a position: such as a stream's, or the number of a
    /// database's row as its milliseconds. Each entry counts once, however often it comes: the board remembers the source's highest
    /// position, in the same step. So entries come in their order, of which several may come together, and all points that follow
    /// from one come together. Without a name for the source it is as [`Self::update`].
    ///
    /// # Errors
    /// If no answer came, or only some were brought, the same entries may be brought again.
    pub async fn update_from(
        &self,
        source: &str,
        updates: Vec<(StreamId, Update)>,
    ) -> Result<Applied, Error> {
        let (mut applied, source) = (Applied::default(), Arc::from(source));
        for part in parts(&source, updates) {
            let (change, cut) = self.change(&source, part);
            let brought = self.boards.change(change).await?;
            applied.taken += brought.taken;
            // What had been taken before was cut before.
            applied.cut += brought.cut + cut.min(brought.taken);
        }
        Ok(applied)
    }

    /// What goes in one call, and how many scores were cut already.
    fn change(&self, source: &Arc<str>, updates: Vec<Numbered>) -> (Change, u64) {
        let Shape { scale, operator, .. } = &*self.shape;
        let (mut sets, mut cut): (Vec<Arc<Periods>>, u64) = (Vec::new(), 0);
        let parts = updates.into_iter().map(|(position, Update { member, points, at, metadata })| {
            let periods = self.calendar.at(at);
            let tick = scale.tick(periods.longest, at);
            if !sets.last().is_some_and(|set| set.is(&periods)) {
                sets.push(periods);
            }
            let points = if *operator == Operator::Sum {
                points
            } else {
                let score = scale.within(points);
                cut += u64::from(score != points);
                scale.number(score, tick)
            };
            Part { set: sets.len() - 1, position, member, points, tick, metadata }
        });
        let parts = parts.collect();
        (Change { shape: Arc::clone(&self.shape), source: Arc::clone(source), sets, parts }, cut)
    }

    /// The first `limit` members, 1000 at most.
    pub async fn top(&self, period: Period, limit: u32) -> Result<Page, Error> {
        self.page(period, 0, limit).await
    }

    /// Up to `limit` members, 1000 at most, behind the first `offset`.
    pub async fn page(&self, period: Period, offset: u64, limit: u32) -> Result<Page, Error> {
        let at = At::page(offset, limit);
        let found = self.boards.look(self.look(period, at)?).await?;
        let score = |number| self.shape.scale.score(number);
        Ok(found.map_or(Page::EMPTY, |found| found.page(self.shape.ties, score)).limited(limit))
    }

    /// How a member stands; `None` if it is not in the ranking.
    pub async fn standing(&self, period: Period, member: &str) -> Result<Option<Standing>, Error> {
        Ok(self.around(period, member, 0).await?.map(|neighbours| neighbours.standing))
    }

    /// How a member stands, and up to `count` before and behind it, 500 at most; `None` if it is not in the ranking.
    pub async fn around(
        &self,
        period: Period,
        member: &str,
        count: u32,
    ) -> Result<Option<Neighbours>, Error> {
        let at = At::around(member, count);
        let found = self.boards.look(self.look(period, at)?).await?;
        let score = |number| self.shape.scale.score(number);
        Ok(found.and_then(|found| found.neighbours(member, self.shape.ties, score)))
    }

    /// Takes a member out of every ranking that is kept. False if it was in none.
    ///
    /// Whoever brings more of its points brings it back.
    pub async fn remove(&self, member: &str) -> Result<bool, Error> {
        let triple = |period| {
            let ranking = self.calendar.ranking(period).key;
            let (metadata, scores) = (self.calendar.metadata(period), keys::scores(&ranking));
            [ranking, metadata, scores]
        };
        let keys: Vec<String> = self.calendar.kept(Timestamp::now()).into_iter().flat_map(triple).collect();
        Ok(scripts::remove(self.boards.connection(), &keys, member).await? > 0)
    }

    fn look(&self, period: Period, at: At) -> Result<Look, InvalidBoard> {
        if !self.calendar.has(period.window()) {
            return Err(InvalidBoard::OtherWindow(period.window()));
        }
        let ranking = self.calendar.ranking(period);
        Ok(Look {
            metadata: self.calendar.metadata(period),
            ranking: ranking.key,
            scores: ranking.scores,
            ties: self.shape.ties,
            is_descending: self.shape.is_descending(),
            at,
        })
    }
}
