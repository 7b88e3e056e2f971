//! The arithmetic of `lua/gcra.lua` for one subject, for what is decided without asking Redis. The model in `model.rs`
//! holds the two against each other.
//!
//! Times are whole microseconds, because Lua's numbers are doubles and exact up to 2^53 only.

/// A limit as GCRA has it.
///
/// Source: ITU-T I.371, "Generic cell rate algorithm", as virtual scheduling: a limit is a rate and a tolerance, and a
/// theoretical arrival time is all there is to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// In how many microseconds one unit flows back.
    pub(super) interval: u64,
    /// How far ahead one may be: the interval times the limit.
    pub(super) tolerance: u64,
}

/// The longest tolerance: 71 years. A time and what is added to it stay below 2^53 until the year 2112.
const LONGEST: u64 = 1 << 51;

impl Rate {
    /// Nothing if there is no such rate: `limit` or `period` is 0 or too great, or an interval of whole microseconds would
    /// miss it by more than a hundredth.
    pub(super) fn new(limit: u64, period: u64) -> Option<Self> {
        // Rounded up: rather a little slower than a little faster.
        let interval = period.checked_next_multiple_of(limit)? / limit;
        let tolerance = interval.checked_mul(limit)?;
        let is_near = tolerance - period <= period / 100;
        (interval > 0 && is_near && tolerance <= LONGEST).then_some(Self { interval, tolerance })
    }

    pub(super) fn limit(self) -> u64 {
        self.tolerance / self.interval
    }

    /// What so many units take. More than the limit are as many as never fit.
    pub(super) fn cost(self, units: u32) -> u64 {
        self.interval * u64::from(units).min(self.limit() + 1)
    }

    /// The part of one of several who share it equally: at least one unit, since otherwise nobody could do anything.
    pub(super) fn share(self, of: u32) -> Self {
        let interval = self.interval.saturating_mul(of.max(1).into()).min(LONGEST);
        Self { interval, tolerance: self.tolerance.max(interval) / interval * interval }
    }
}

/// What is asked of one policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// How far ahead it is.
    pub(super) ahead: u64,
    pub(super) cost: u64,
    pub(super) tolerance: u64,
    pub(super) is_shadow: bool,
}

/// What one policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The cost fits. It is taken unless another policy denies; then it is ahead by this.
    Fits { ahead: u64 },
    /// The cost will fit in so many microseconds.
    Exceeds { wait: u64 },
}

impl Question {
    fn taken(&self) -> u64 {
        self.ahead.min(self.tolerance)
    }

    fn fits(&self) -> bool {
        self.taken() + self.cost <= self.tolerance
    }
}

/// Asks all policies of a subject, and takes the cost from all or from none.
pub(super) fn check(questions: &[Question]) -> Vec<Answer> {
    let denied = questions.iter().any(|question| !question.is_shadow && !question.fits());
    let answer = |question: &Question| match question {
        _ if !question.fits() => {
            Answer::Exceeds { wait: question.taken() + question.cost - question.tolerance }
        }
        _ if denied => Answer::Fits { ahead: question.taken() },
        _ => Answer::Fits { ahead: question.taken() + question.cost },
    };
    questions.iter().map(answer).collect()
}

impl Answer {
    /// As the script says it.
    pub(super) fn read(number: i64) -> Self {
        match number {
            0.. => Self::Fits { ahead: number.unsigned_abs() },
            _ => Self::Exceeds { wait: number.unsigned_abs() },
        }
    }

    pub(super) fn exceeds(self) -> bool {
        matches!(self, Self::Exceeds { .. })
    }

    /// How far ahead a policy is that said this when it was asked for `cost`.
    pub(super) fn ahead(self, rate: Rate, cost: u64) -> u64 {
        match self {
            Self::Fits { ahead } => ahead,
            Self::Exceeds { wait } => (rate.tolerance + wait).saturating_sub(cost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000;

    #[test]
    fn ten_a_minute_is_one_in_six_seconds_up_to_a_minute_ahead() {
        let rate = Rate::new(10, MINUTE).unwrap();
        assert_eq!(rate, Rate { interval: 6_000_000, tolerance: MINUTE });
        assert_eq!(rate.limit(), 10);
        assert_eq!(rate.cost(3), 18_000_000);
    }

    #[test]
    fn a_rate_without_a_whole_interval_is_a_little_slower_and_keeps_its_limit() {
        let rate = Rate::new(7, MINUTE).unwrap();
        assert_eq!(rate.interval, 8_571_429);
        assert_eq!(rate.limit(), 7);
    }

    #[test]
    fn what_numbers_cannot_say_is_no_rate() {
        for (limit, period) in [(0, MINUTE), (10, 0), (700_000, 1_000_000), (1, u64::MAX), (u64::MAX, 1)] {
            assert_eq!(Rate::new(limit, period), None, "{limit} in {period}");
        }
        for (limit, period) in [(1_000_000, 1_000_000), (25_000, 1_000_000), (1, LONGEST)] {
            assert_eq!(Rate::new(limit, period).unwrap().limit(), limit, "{limit} in {period}");
        }
    }

    #[test]
    fn shares_add_up_to_the_whole_unless_there_are_more_sharers_than_units() {
        let rate = Rate::new(10, MINUTE).unwrap();
        let share = rate.share(3);
        assert_eq!((share.limit(), share.interval), (3, 18_000_000));
        assert_eq!(rate.share(100).limit(), 1);
        assert_eq!(rate.share(0), rate);
    }

    #[test]
    fn more_than_the_limit_never_fits_and_overflows_nothing() {
        let rate = Rate::new(1, LONGEST).unwrap();
        let Rate { tolerance, .. } = rate;
        let question = Question { ahead: 0, cost: rate.cost(u32::MAX), tolerance, is_shadow: false };
        assert!(check(&[question])[0].exceeds());
        assert!(rate.cost(u32::MAX) + tolerance < 1 << 53);
    }
}
