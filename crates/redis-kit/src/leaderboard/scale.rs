//! What a ranking sorts by: the score, or with it in the bits below the time at which it was reached.

use jiff::Timestamp;

use super::{BoardOptions, InvalidBoard, Period, SortOrder, Ties, Window};

/// All whole numbers of so many bits are exact in the double-precision numbers that Redis sorts by.
const BITS: u32 = 53;

/// How a score and a time become one number.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    pub(super) lowest: i64,
    pub(super) highest: i64,
    /// How many times of one score are told apart: a power of two, so that Lua divides by it exactly. 1: none are, and the number is
    /// the score.
    pub(super) times: i64,
    /// In milliseconds.
    step: i64,
    descending: bool,
}

impl Scale {
    /// # Errors
    /// There are not bits enough.
    pub(super) fn new(options: &BoardOptions, longest: Window) -> Result<Self, InvalidBoard> {
        let (lowest, highest) = (*options.scores.start(), *options.scores.end());
        let limit = 1_i64 << BITS;
        if lowest > highest || lowest <= -limit || highest >= limit {
            return Err(InvalidBoard::Scores(options.scores.clone()));
        }
        let descending = options.sort_order == SortOrder::Descending;
        let Ties::FirstToReach { resolution } = options.ties else {
            return Ok(Self { lowest, highest, times: 1, step: 1, descending });
        };
        let step = i64::try_from(resolution.as_millis()).unwrap_or_default();
        if !(1..=Window::AllTime.length()).contains(&step) {
            return Err(InvalidBoard::Resolution(resolution));
        }
        let score_bits = bits(highest - lowest);
        let time_bits = bits((longest.length() - 1) / step);
        if score_bits + time_bits > BITS {
            let scores = options.scores.clone();
            return Err(InvalidBoard::TooManyBits {
                scores,
                score_bits,
                window: longest,
                resolution,
                time_bits,
            });
        }
        Ok(Self { lowest, highest, times: 1 << time_bits, step, descending })
    }

    /// The time at which a score is reached, as it stands in the bits below it. Among equal scores the earlier is the better
    /// number.
    pub(super) fn tick(&self, longest: Period, at: Timestamp) -> i64 {
        let tick = (longest.since_begin(at) / self.step).clamp(0, self.times - 1);
        if self.descending { self.times - 1 - tick } else { tick }
    }

    /// The score, or the lowest or the highest if it would be beyond.
    pub(super) fn within(&self, score: i64) -> i64 {
        score.clamp(self.lowest, self.highest)
    }

    /// What a ranking sorts by.
    pub(super) fn number(&self, score: i64, tick: i64) -> i64 {
        if self.times == 1 { score } else { (score - self.lowest) * self.times + tick }
    }

    /// The score that is in a number.
    #[expect(clippy::cast_possible_truncation, reason = "whole, and of 53 bits at most")]
    pub(super) fn score(&self, number: f64) -> i64 {
        if self.times == 1 {
            return number as i64;
        }
        (number as i64).div_euclid(self.times) + self.lowest
    }
}

/// How many bits the numbers from 0 to this need.
fn bits(most: i64) -> u32 {
    i64::BITS - most.leading_zeros()
}

#[cfg(test)]
mod tests {
    use std::{ops::RangeInclusive, time::Duration};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn scale(
        scores: RangeInclusive<i64>,
        longest: Window,
        resolution: Option<Duration>,
    ) -> Result<Scale, InvalidBoard> {
        let ties = resolution.map_or(Ties::Competition, |resolution| Ties::FirstToReach { resolution });
        Scale::new(&BoardOptions { ties, scores, ..BoardOptions::default() }, longest)
    }

    #[test]
    fn scores_that_redis_would_not_tell_apart_are_refused() {
        let limit = 1 << 53;
        assert!(scale(1 - limit..=limit - 1, Window::AllTime, None).is_ok());
        #[expect(clippy::reversed_empty_ranges, reason = "it is to be refused")]
        let refused = [0..=limit, -limit..=0, 1..=0];
        for scores in refused {
            let error = scale(scores.clone(), Window::AllTime, None).unwrap_err();
            assert_eq!(error, InvalidBoard::Scores(scores));
        }
    }

    #[test]
    fn scores_and_times_share_53_bits() {
        // A day has 86,400 seconds: 17 bits.
        let highest = (1 << 36) - 1;
        assert!(scale(0..=highest, Window::Day, Some(SECOND)).is_ok());
        let error = scale(0..=highest + 1, Window::Day, Some(SECOND)).unwrap_err();
        assert!(matches!(error, InvalidBoard::TooManyBits { score_bits: 37, time_bits: 17, .. }));
        let text = error.to_string();
        assert!(text.contains("from 0 to 68719476736 need 37 bits") && text.contains("`day`"), "{text}");
        assert!(scale(0..=highest + 1, Window::Day, Some(2 * SECOND)).is_ok());
        assert!(scale(0..=highest, Window::Week, Some(SECOND)).is_err());
        assert!(scale(0..=(1 << 21) - 1, Window::AllTime, Some(SECOND)).is_ok());
        for resolution in [Duration::ZERO, Duration::from_micros(1), Duration::MAX] {
            let error = scale(0..=1, Window::Day, Some(resolution)).unwrap_err();
            assert_eq!(error, InvalidBoard::Resolution(resolution));
        }
    }

    #[test]
    fn the_earlier_of_two_times_is_the_better_number_within_one_score() {
        for (sort_order, is_better) in
            [(SortOrder::Descending, i64::gt as fn(&i64, &i64) -> bool), (SortOrder::Ascending, i64::lt)]
        {
            let ties = Ties::FirstToReach { resolution: SECOND };
            let options = BoardOptions { scores: -5..=1000, ties, sort_order, ..BoardOptions::default() };
            let scale = Scale::new(&options, Window::Day).unwrap();
            let period = Window::Day.at("2026-11-27T00:00:00Z".parse().unwrap());
            let number = |score, at: &str| scale.number(score, scale.tick(period, at.parse().unwrap()));
            let (early, late) = (number(7, "2026-11-27T09:00:00Z"), number(7, "2026-11-27T09:00:01Z"));
            assert!(is_better(&early, &late));
            // Outside its period nobody is earlier than its beginning, or later than its end.
            let (before, after) = (number(7, "2026-11-20T00:00:00Z"), number(7, "2026-12-20T00:00:00Z"));
            assert!(is_better(&before, &early) && is_better(&late, &after));
            for number in [before, early, late, after] {
                #[expect(clippy::cast_precision_loss, reason = "less than 2^53")]
                let read = scale.score(number as f64);
                assert_eq!(read, 7);
            }
        }
    }
}
