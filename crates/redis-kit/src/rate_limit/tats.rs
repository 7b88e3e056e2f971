use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use quick_cache::unsync::Cache;

/// Theoretical arrival times by this machine's monotonic clock, in bounded memory: of more than it holds, some are
/// forgotten.
pub(super) struct Tats(Mutex<Cache<String, Tat>>);

#[derive(Clone, Copy)]
pub(super) struct Tat {
    pub(super) at: Instant,
    /// Until when it is worth knowing.
    pub(super) until: Instant,
}

/// For as long as nobody else looks at them.
pub(super) struct Open<'a>(std::sync::MutexGuard<'a, Cache<String, Tat>>);

impl Tats {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Mutex::new(Cache::new(capacity)))
    }

    pub(super) fn open(&self) -> Open<'_> {
        Open(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn forget(&self, keys: &[String]) {
        let mut tats = self.open();
        for key in keys {
            tats.0.remove(key);
        }
    }
}

impl Open<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By how many microseconds it is ahead. 0 if nothing is known.
    pub(super) fn ahead(&self, key: &str, now: Instant) -> u64 {
        let known = self.0.get(key).filter(|tat| now < tat.until);
        known.map_or(0, |tat| micros(tat.at.saturating_duration_since(now)))
    }

    pub(super) fn set(&mut self, key: &str, tat: Tat) {
        self.0.insert(key.to_owned(), tat);
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_than_they_hold_some_are_forgotten() {
        let (tats, now) = (Tats::new(100), Instant::now());
        let at = now + Duration::from_secs(1);
        for n in 0..10_000 {
            tats.open().set(&n.to_string(), Tat { at, until: at });
        }
        let known = (0..10_000).filter(|n| tats.open().ahead(&n.to_string(), now) > 0).count();
        assert!((1..=100).contains(&known), "{known}");
    }

    #[test]
    fn one_is_ahead_by_less_and_less_and_not_known_for_longer_than_it_may_be() {
        let (tats, now, second) = (Tats::new(100), Instant::now(), Duration::from_secs(1));
        tats.open().set("a", Tat { at: now + 10 * second, until: now + 2 * second });
        assert_eq!(tats.open().ahead("a", now + second), 9_000_000);
        assert_eq!(tats.open().ahead("a", now + 2 * second), 0);
    }
}
