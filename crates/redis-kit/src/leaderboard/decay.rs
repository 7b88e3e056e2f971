//! How what happened comes to weigh less: by half in every half-life.
//!
//! Nothing is ever made lighter. What comes later weighs more instead, twice as much a half-life later, and a weight is divided by
//! how much one of now would weigh only when it is shown ("forward decay": Cormode, Shkapenyuk, Srivastava and Xu, "Forward
//! Decay: A Practical Time Decay Model for Streaming Systems", ICDE 2009). So what stands in a ranking stays as it is, and its
//! order does not change by time alone.
//!
//! Such weights soon are greater than any number that Redis has, and would have to be divided now and then, all at once.
//! Their logarithms grow by one a half-life, and never are. So those are kept. A logarithm is exact to some 30 bits behind
//! the point: what weighs less than a billionth of what its member has adds nothing.

use jiff::Timestamp;

use super::{InvalidBoard, TrendingOptions};

/// 2020-01-01 in Unix seconds: what happened then weighs its points. Later than 1970, so that fewer bits are before the point.
const ORIGIN: f64 = 1_577_836_800.0;

/// After so many half-lives without an update nothing is left that anybody would see.
const LIFETIME: f64 = 100.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Decay {
    /// In seconds.
    half_life: f64,
    /// To base 2.
    forget_below: f64,
}

impl Decay {
    pub(super) fn new(options: &TrendingOptions) -> Result<Self, InvalidBoard> {
        let TrendingOptions { half_life, forget_below } = *options;
        let seconds = half_life.as_secs_f64();
        if !(1.0..=10.0 * 365.25 * 86_400.0).contains(&seconds) {
            return Err(InvalidBoard::HalfLife(half_life));
        }
        if !(forget_below > 0.0 && forget_below.is_finite()) {
            return Err(InvalidBoard::ForgetBelow(forget_below));
        }
        Ok(Self { half_life: seconds, forget_below: forget_below.log2() })
    }

    /// The logarithm of what points of this time weigh; `None` if there are none.
    #[expect(clippy::cast_precision_loss, reason = "how many bits of it count is said above")]
    pub(super) fn logarithm(&self, points: i64, at: Timestamp) -> Option<f64> {
        (points > 0).then(|| (points as f64).log2() + self.half_lives(at))
    }

    /// What that weighs by now, in points.
    pub(super) fn weight(&self, logarithm: f64, now: Timestamp) -> f64 {
        (logarithm - self.half_lives(now)).exp2()
    }

    /// The logarithm below which a member is forgotten.
    pub(super) fn forgotten(&self, now: Timestamp) -> f64 {
        self.forget_below + self.half_lives(now)
    }

    /// In milliseconds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundred years at most")]
    pub(super) fn lifetime(&self) -> u64 {
        (LIFETIME * self.half_life * 1000.0) as u64
    }

    /// How many there are from the origin to that time.
    fn half_lives(&self, at: Timestamp) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "less than 2^53")]
        let milliseconds = at.as_millisecond() as f64;
        (milliseconds / 1000.0 - ORIGIN) / self.half_life
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn decay(half_life: Duration, forget_below: f64) -> Result<Decay, InvalidBoard> {
        Decay::new(&TrendingOptions { half_life, forget_below })
    }

    #[test]
    fn what_happened_weighs_half_as_much_a_half_life_later() {
        let (decay, at) = (decay(DAY, 0.001).unwrap(), "2026-11-27T13:00:00Z".parse::<Timestamp>().unwrap());
        let logarithm = decay.logarithm(1000, at).unwrap();
        for (later, weighs) in [(0, 1000.0), (1, 500.0), (10, 1000.0 / 1024.0)] {
            let weight = decay.weight(logarithm, at + later * DAY);
            assert!((weight - weighs).abs() < 1e-6 * weighs, "{later}: {weight}");
        }
        assert_eq!(decay.logarithm(0, at), None);
        assert!(decay.forgotten(at) < logarithm && decay.forgotten(at + 21 * DAY) > logarithm);
    }

    #[test]
    fn a_century_of_seconds_is_no_number_that_cannot_be_told() {
        let decay = decay(Duration::from_secs(1), 0.001).unwrap();
        let logarithm = decay.logarithm(i64::MAX, "2120-01-01T00:00:00Z".parse().unwrap()).unwrap();
        assert!(logarithm.is_finite() && logarithm < 4e9, "{logarithm}");
    }

    #[test]
    fn what_would_not_decay_or_not_be_forgotten_is_refused() {
        for half_life in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
            assert_eq!(decay(half_life, 0.1).unwrap_err(), InvalidBoard::HalfLife(half_life));
        }
        for below in [0.0, -1.0, f64::INFINITY] {
            assert_eq!(decay(DAY, below).unwrap_err(), InvalidBoard::ForgetBelow(below));
        }
        assert!(decay(DAY, f64::NAN).is_err());
    }
}
