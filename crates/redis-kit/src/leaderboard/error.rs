use std::{ops::RangeInclusive, time::Duration};

use super::Window;

/// Why a board cannot be, or not be asked so.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBoard {
    /// A board's name is the hash tag of its keys.
    #[error("the board's name {0:?} is not 1 to 64 letters, digits, '-', '_' or '.' of ASCII")]
    Name(String),
    /// The board's name would not be the hash tag any more.
    #[error("the prefix {0:?} contains a brace")]
    Prefix(String),
    /// Nothing would be kept.
    #[error("a board needs a window")]
    NoWindow,
    /// Not one of the board's windows.
    #[error("this board keeps no ranking of the window `{0}`")]
    OtherWindow(Window),
    /// Redis would not tell all of these scores apart, or there are none.
    #[error(
        "the scores {0:?} are none that Redis tells apart: from the lowest to the highest, each less than 2^53 away from 0"
    )]
    Scores(RangeInclusive<i64>),
    /// Redis would not tell the scores apart, or not the times at which they were reached.
    #[error(
        "scores from {} to {} need {score_bits} bits, and times within `{window}` in steps of {resolution:?} need {time_bits}: more \
         than the 53 that Redis sorts by exactly. Allow fewer scores, take longer steps or a shorter window, or share ranks",
        .scores.start(), .scores.end()
    )]
    TooManyBits {
        /// The scores.
        scores: RangeInclusive<i64>,
        /// What they need.
        score_bits: u32,
        /// The longest window.
        window: Window,
        /// The steps in which times are told apart.
        resolution: Duration,
        /// What they need.
        time_bits: u32,
    },
    /// Whole milliseconds are counted.
    #[error("times cannot be told apart in steps of {0:?}: from a millisecond to a hundred years they can")]
    Resolution(Duration),
    /// Nothing would decay, or all at once.
    #[error("{0:?} is no half-life: from a second to ten years is")]
    HalfLife(Duration),
    /// Everything would be forgotten, or nothing.
    #[error("nothing can be forgotten below {0}: below a number greater than 0 it can")]
    ForgetBelow(f64),
}
