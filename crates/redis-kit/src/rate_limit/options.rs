use std::time::Duration;

use crate::breaker::Patience;

/// How a [`Limiter`](super::Limiter) asks Redis, and what it does without it.
#[derive(Clone, Debug)]
pub struct LimiterOptions {
    /// Before every key. Without braces. Default empty.
    pub prefix: String,
    /// What becomes of a check that Redis does not answer. Default [`OnFailure::Open`].
    pub on_failure: OnFailure,
    /// How long a check waits for Redis. Default 50 ms.
    pub budget: Duration,
    /// After how many checks in a row without an answer Redis is not asked any more. Those within one `budget` count once,
    /// because one hiccup fails everybody who waits; a refusal is an answer. Default 5.
    pub breaker_failures: u32,
    /// For how long it then is not asked, until one check tries again. Default 1 s.
    pub breaker_pause: Duration,
    /// For how long a denial may be repeated without asking Redis: also how late a reset, a refund or a higher limit by another
    /// process is noticed, at most. Default 1 s; zero asks each time.
    pub remember_denials: Duration,
    /// How many policies of subjects are remembered, for denials and again for [`OnFailure::LocalShare`]. Default
    /// 10,000, some 200 bytes each; of more, some are forgotten.
    pub memory: usize,
}

/// What becomes of a check when Redis does not answer in time, or refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is allowed.
    Open,
    /// It is [`Outcome::Unavailable`](super::Outcome::Unavailable): neither allowed nor denied.
    Closed,
    /// Each instance enforces its share of the limit by itself, in memory, and begins with all of its share.
    LocalShare {
        /// Among how many.
        instances: u32,
    },
}

impl Default for LimiterOptions {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            on_failure: OnFailure::Open,
            budget: Duration::from_millis(50),
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(1),
            remember_denials: Duration::from_secs(1),
            memory: 10_000,
        }
    }
}

impl LimiterOptions {
    pub(super) fn patience(&self) -> Patience {
        Patience { answer_limit: self.budget, failures: self.breaker_failures, pause: self.breaker_pause }
    }
}
