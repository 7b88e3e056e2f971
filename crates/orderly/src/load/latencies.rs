use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest that is told apart, in microseconds: an hour. What takes longer counts as that long.
const LONGEST: u64 = 3_600_000_000;

/// Of the figures, how many digits are exact.
const DIGITS: u8 = 3;

/// How long many things took, in some 200 KB however many they are.
///
/// Source: Gil Tene, `HdrHistogram` (<https://hdrhistogram.github.io/HdrHistogram/>).
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    #[expect(clippy::expect_used, reason = "the bounds are constants, and valid")]
    pub(super) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("valid bounds"))
    }

    pub(super) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST));
    }

    /// The time within which this share of them was done, in milliseconds; `None` if there were none.
    pub(super) fn quantile_ms(&self, share: f64) -> Option<f64> {
        let micros = Duration::from_micros(self.0.value_at_quantile(share));
        (!self.0.is_empty()).then_some(micros.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_milliseconds_and_nothing_is_too_long() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.quantile_ms(0.5), None);
        for millis in 1..=100 {
            latencies.record(Duration::from_millis(millis));
        }
        let close = |share, expected: f64| {
            let found = latencies.quantile_ms(share).unwrap();
            assert!((found - expected).abs() < expected / 500.0, "{found}, not {expected}");
        };
        close(0.5, 50.0);
        close(0.99, 99.0);
        latencies.record(Duration::from_hours(2));
        assert!(latencies.quantile_ms(1.0).unwrap() >= 3_600_000.0);
    }
}
