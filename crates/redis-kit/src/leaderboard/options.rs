use std::{ops::RangeInclusive, time::Duration};

use super::Window;

/// How a board ranks.
#[derive(Clone, Debug)]
pub struct BoardOptions {
    /// The rankings that are kept side by side, of all that is brought. [`Window::AllTime`] alone, unless told otherwise.
    pub windows: Vec<Window>,
    /// For how many periods more a ranking can be read once its own is over. 1.
    pub keep_past: u32,
    /// What becomes of a score when points are brought. [`Operator::Best`].
    pub operator: Operator,
    /// Which score is first. [`SortOrder::Descending`].
    pub sort_order: SortOrder,
    /// Who is before whom of those with equal scores. [`Ties::Competition`].
    pub ties: Ties,
    /// The scores that there can be; what would be beyond them is cut to the lowest or the highest. All whole numbers that Redis
    /// can tell apart, which are those less than 2^53 away from 0.
    pub scores: RangeInclusive<i64>,
}

impl Default for BoardOptions {
    fn default() -> Self {
        Self {
            windows: vec![Window::AllTime],
            keep_past: 1,
            operator: Operator::Best,
            sort_order: SortOrder::Descending,
            ties: Ties::Competition,
            scores: -MOST..=MOST,
        }
    }
}

/// 2^53 - 1. Redis sorts by double-precision numbers, which do not tell all whole numbers beyond apart.
const MOST: i64 = (1 << 53) - 1;

/// What becomes of a score when points are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// It becomes these points if they are better.
    Best,
    /// It becomes these points.
    Last,
    /// They are added to it.
    Sum,
}

/// Which score is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// The highest.
    Descending,
    /// The lowest, as of times in a race.
    Ascending,
}

/// Who is before whom of those with equal scores, and which ranks they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// Who reached the score first, and nobody shares a rank: 1, 2, 3, 4. Those who reached it in the same step of time are ordered by name.
    FirstToReach {
        /// How long a step is. The shorter, the fewer bits are left for scores: a day of seconds takes 17 of the 53, a week 20, all time
        /// (a hundred years from 2020 on) 32, or 20 in steps of an hour.
        resolution: Duration,
    },
    /// They share a rank, and as many are left out: 1, 2, 2, 4. Ordered by name, backwards where the highest score is first.
    Competition,
    /// They share a rank, and none is left out: 1, 2, 2, 3. Ordered by name as above. Costs about twice as much to write.
    Dense,
}

/// How a board of what is trending weighs.
#[derive(Clone, Copy, Debug)]
pub struct TrendingOptions {
    /// In which time what happened comes to weigh half as much. A day.
    pub half_life: Duration,
    /// A member is forgotten when all that happened to it weighs less than this by now. 0.001.
    pub forget_below: f64,
}

impl Default for TrendingOptions {
    fn default() -> Self {
        Self { half_life: Duration::from_hours(24), forget_below: 0.001 }
    }
}
