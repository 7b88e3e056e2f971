//! Durations as they are told on the command line.

use std::time::Duration;

/// Reads seconds, such as `15` or `0.5`, from a tenth of one to a day.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    if (0.1..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("from 0.1 to 86400 seconds".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction_and_have_bounds() {
        assert_eq!(seconds("15"), Ok(Duration::from_secs(15)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for refused in ["", "soon", "0", "-1", "NaN", "inf", "86401"] {
            assert!(seconds(refused).is_err(), "{refused}");
        }
    }
}
