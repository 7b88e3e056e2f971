use std::time::Duration;

use tracing::warn;

use crate::Error;

/// Exponential backoff with full jitter: each pause is drawn evenly between zero and a ceiling that doubles up to a
/// limit, so that many who failed together do not return together.
///
/// Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first ceiling. Default 100 ms.
    pub base: Duration,
    /// The last one. Default 30 s.
    pub limit: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(100), limit: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// Between calls that Redis does not answer: at once at first, then every second or so.
    pub(crate) const RECONNECT: Self =
        Self { base: Duration::from_millis(50), limit: Duration::from_secs(2) };

    /// The pause after the `attempt`-th failure, counted from 1.
    pub fn pause(&self, attempt: u32) -> Duration {
        self.ceiling(attempt).mul_f64(fastrand::f64())
    }

    /// Waits out the `attempt`-th failure in a row to reach Redis; never no time at all, or a call that fails at once
    /// would be repeated in a hot loop.
    pub(crate) async fn wait_to_reconnect(attempt: u32) {
        tokio::time::sleep(Self::RECONNECT.pause(attempt) + Self::RECONNECT.base).await;
    }

    /// The longest that [`Self::pause`] may be.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.limit)
    }
}

/// Repeats `attempt`, with pauses, for as long as Redis is away or otherwise fails in a way that passes. Returns the first
/// success, or the first error that waiting does not cure.
pub async fn patiently<T, Attempt>(mut attempt: impl FnMut() -> Attempt) -> Result<T, Error>
where
    Attempt: Future<Output = Result<T, Error>>,
{
    let mut failures = 0;
    loop {
        match attempt().await {
            Err(error) if error.is_transient() => {
                failures += 1;
                if failures == 1 {
                    warn!(%error, "Redis cannot do this now; waiting for it");
                }
                Backoff::wait_to_reconnect(failures).await;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_limit() {
        let backoff = Backoff { base: Duration::from_millis(100), limit: Duration::from_secs(1) };
        let ceilings: Vec<u128> = (1..=6).map(|attempt| backoff.ceiling(attempt).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn a_pause_is_never_above_its_ceiling() {
        let backoff = Backoff::default();
        assert!((1..1000).all(|attempt| backoff.pause(attempt) <= backoff.ceiling(attempt)));
    }
}
