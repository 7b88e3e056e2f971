//! Who took an order up on its way, and when: by these, readers tell waiting from work.
//!
//! The times are of different clocks, which may be some milliseconds apart, and Redis's tells whole milliseconds. So one may seem to be
//! before another that it cannot have been before. They are written as they were read: whoever subtracts them takes less
//! than nothing for nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a service took up what it then passed on. When it had done so, the message's own `occurred_at` says, by the same clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The instance that did it.
    pub by: String,
    /// When it was first given to an instance, whichever that was; by the clock of this one.
    pub given_at: Timestamp,
}

/// How an attempt at a payment was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The instance that made it.
    pub by: String,
    /// When the task was first given to a worker, whichever that was: at a later attempt, before the first one. By the clock of
    /// this instance, as is `occurred_at`.
    pub given_at: Timestamp,
    /// When this attempt began, by the clock of Redis.
    pub began_at: Timestamp,
    /// How long its call to the provider took, in milliseconds begun; measured by a clock that nobody sets. Absent if there was
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_ms: Option<u64>,
}
