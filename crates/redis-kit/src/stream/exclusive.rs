use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use super::Delivery;
use crate::Error;

/// Work outside Redis that one attempt at a time is to do, and whose outcome is to count once, whatever dies and whoever
/// comes back: what [`Delivery::begin`] begins.
///
/// It is kept on record in a hash. **Its field `fence` decides**: each attempt raises it, and [`Commit::of_attempt`] is applied if
/// it is unchanged, whether or not the lock has run out or the entry has been given to another consumer. The lock only
/// keeps a second attempt from beginning, in vain, while the first is at work: it runs out by itself, and neither pauses of the process nor the clock
/// can make more of it than that.
///
/// What this cannot do is stop an attempt that was overtaken from doing its work outside. That must be idempotent.
///
/// | field of the record | holds |
/// |---|---|
/// | `fence` | the latest attempt's token; one more once its outcome is written |
/// | `state` | how far the work is; written by whoever does it |
/// | `attempts` | how many have begun |
/// | `first_attempt_at`, `attempt_at` | when the first and the latest did, in Unix milliseconds by the clock of Redis |
/// | `attempt_by` | the consumer of the latest |
///
/// Source of the idea: Martin Kleppmann, "How to do distributed locking", 2016.
///
/// [`Commit::of_attempt`]: super::Commit::of_attempt
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusive<'a> {
    /// The key of the record. Like the lock, it must carry the hash tag of the entry's stream.
    pub record: String,
    /// The key of the lock, which holds who has it.
    pub lock: String,
    /// After how long the lock is free if nobody says what became of the attempt: longer than an attempt takes.
    pub lock_time: Duration,
    /// The values of the record's field `state` in which the work may begin; `""` means that there is none yet.
    pub states: &'a [&'a str],
    /// What to set in the record if it begins.
    pub fields: Vec<(&'a str, String)>,
}

/// Whether work has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It has, and is this delivery's to do.
    Attempt(Attempt),
    /// Another attempt is at it.
    Busy {
        /// After this time the lock is free, if it is not before.
        free_in: Duration,
    },
    /// It is in another state than those in which it may begin: the record.
    OtherState(HashMap<String, String>),
    /// The delivery is another consumer's by now, and whatever is returned for it is refused.
    Lost,
}

/// An attempt at [`Exclusive`] work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What its outcome is written by.
    pub fence: Fence,
    /// Which one, from 1.
    pub number: u32,
    /// When the first one began, by the clock of Redis.
    pub first_at: Timestamp,
    /// When this one did.
    pub at: Timestamp,
    /// The record as it was before this attempt.
    pub record: HashMap<String, String>,
}

/// Names one attempt at [`Exclusive`] work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    pub(super) record: String,
    pub(super) lock: String,
    pub(super) token: u64,
}

impl Fence {
    /// A number that is greater than that of every attempt before, for guarded writes elsewhere.
    pub fn token(&self) -> u64 {
        self.token
    }
}

impl<M> Delivery<M> {
    /// Begins exclusive work on this delivery. One script sees that the delivery is still this consumer's and that the record is in a
    /// state in which the work may begin, takes the lock, raises the fence and writes the attempt down.
    ///
    /// In competing mode only. In ordered mode one instance handles an entry anyway, and this answers [`Begun::Lost`].
    ///
    /// # Errors
    /// If Redis refused, or did not answer: then the attempt may have begun. The same consumer may begin the next one at once, and
    /// others when the lock's time has run out.
    pub async fn begin(&self, work: &Exclusive<'_>) -> Result<Begun, Error> {
        match &self.claim {
            Some(claim) => claim.begin(work).await,
            None => Ok(Begun::Lost),
        }
    }
}
