use std::{fmt, time::Duration};

/// How times are spread; they are sorted.
pub struct Spread<'a>(pub &'a [Duration]);

impl fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.0;
        let Some(max) = times.last() else { return write!(f, "none") };
        // Nearest rank: the smallest time that so many of a hundred are not above.
        let percentile = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
        write!(
            f,
            "{} times: p50 {:.2?}, p99 {:.2?}, max {max:.2?}",
            times.len(),
            percentile(50),
            percentile(99)
        )
    }
}
