//! A value with what is known of it: in Redis as JSON, and here decoded.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::policy::Policy;

/// Nothing is kept for longer. Redis cannot count to the end of what a [`Duration`] can.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// What stands in Redis. There its age is how much of its time to live is over, so that one clock counts for all: Redis's.
#[derive(Serialize, Deserialize)]
struct Stored<V> {
    /// How long it is fresh, from when it was stored.
    fresh_ms: u64,
    /// How much longer it is served.
    stale_ms: u64,
    /// How long the load took.
    load_us: u64,
    value: Option<V>,
}

/// A decoded entry. It does not change.
#[derive(Debug)]
pub(super) struct Entry<T> {
    /// `None`: there is no such thing.
    pub(super) value: Option<Arc<T>>,
    /// How old it was then: when it was read or stored.
    aged: Duration,
    then: Instant,
    fresh: Duration,
    stale: Duration,
    load_time: Duration,
    /// Of its JSON.
    pub(super) bytes: usize,
}

impl<T> Entry<T> {
    /// What was just loaded. How long it is fresh is drawn here, once.
    pub(super) fn loaded(value: Option<T>, load_time: Duration, policy: &Policy) -> Self {
        let (ttl, stale) = match value {
            Some(_) => (policy.ttl, policy.stale_for),
            None => (policy.negative_ttl, Duration::ZERO),
        };
        let shortened_by = policy.jitter.clamp(0.0, 1.0) * fastrand::f64();
        Self {
            value: value.map(Arc::new),
            aged: Duration::ZERO,
            then: Instant::now(),
            fresh: whole_millis(ttl.min(LONGEST).mul_f64(1.0 - shortened_by)),
            stale: whole_millis(stale.min(LONGEST)),
            load_time,
            bytes: 0,
        }
    }

    /// The same as stored now.
    pub(super) fn stored(self, bytes: usize) -> Self {
        Self { then: Instant::now(), bytes, ..self }
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        self.aged + now.saturating_duration_since(self.then)
    }

    /// How long a value of this kind is fresh in all.
    pub(super) fn lifetime(&self) -> Duration {
        self.fresh
    }

    /// How long it is kept in all.
    pub(super) fn kept(&self) -> Duration {
        self.fresh + self.stale
    }

    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.age(now) < self.fresh
    }

    /// Fresh, or stale and still to be served.
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        self.age(now) < self.kept()
    }

    /// Whether it is to be loaded anew: always once it is stale, and before that at random, the more probably the nearer
    /// its end is and the longer a load takes.
    ///
    /// Source: `XFetch`, see [`Policy::beta`].
    pub(super) fn is_due(&self, now: Instant, beta: f64) -> bool {
        /// No smaller chance comes out of 53 bits: beyond that far from the end nothing need be drawn.
        const FARTHEST: f64 = 37.0;
        let left = self.fresh.saturating_sub(self.age(now)).as_secs_f64();
        let scale = self.load_time.as_secs_f64() * beta;
        left <= scale * FARTHEST && (left <= 0.0 || left <= scale * -(1.0 - fastrand::f64()).ln())
    }
}

impl<T: Serialize> Entry<T> {
    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Stored {
            fresh_ms: millis(self.fresh),
            stale_ms: millis(self.stale),
            load_us: u64::try_from(self.load_time.as_micros()).unwrap_or(u64::MAX),
            value: self.value.as_deref(),
        })
    }
}

impl<T: DeserializeOwned> Entry<T> {
    /// Reads what stands in Redis and has so long to live.
    pub(super) fn from_json(json: &[u8], left: Duration) -> serde_json::Result<Self> {
        let stored: Stored<T> = serde_json::from_slice(json)?;
        let fresh = Duration::from_millis(stored.fresh_ms);
        let stale = Duration::from_millis(stored.stale_ms);
        Ok(Self {
            value: stored.value.map(Arc::new),
            aged: (fresh + stale).saturating_sub(left),
            then: Instant::now(),
            fresh,
            stale,
            load_time: Duration::from_micros(stored.load_us),
            bytes: json.len(),
        })
    }
}

/// As Redis counts.
fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(millis(duration))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn policy() -> Policy {
        Policy { ttl: MINUTE, stale_for: 2 * MINUTE, jitter: 0.0, ..Policy::default() }
    }

    fn read(entry: &Entry<String>, left: Duration) -> Entry<String> {
        Entry::from_json(entry.to_json().unwrap().as_bytes(), left).unwrap()
    }

    #[test]
    fn it_reads_back_as_old_as_its_time_to_live_says() {
        let loaded = Entry::loaded(Some("x".to_owned()), Duration::from_millis(7), &policy());
        assert_eq!(
            loaded.to_json().unwrap(),
            r#"{"fresh_ms":60000,"stale_ms":120000,"load_us":7000,"value":"x"}"#
        );
        for (left, age, is_fresh, is_usable) in
            [(3 * MINUTE, 0, true, true), (2 * MINUTE, 60, false, true), (Duration::ZERO, 180, false, false)]
        {
            let entry = read(&loaded, left);
            assert_eq!(entry.age(entry.then).as_secs(), age);
            assert_eq!((entry.is_fresh(entry.then), entry.is_usable(entry.then)), (is_fresh, is_usable));
            assert_eq!(entry.load_time, Duration::from_millis(7));
        }
    }

    #[test]
    fn that_there_is_nothing_is_kept_shorter_and_never_served_stale() {
        let entry = Entry::<String>::loaded(None, Duration::ZERO, &policy());
        assert_eq!(entry.kept(), policy().negative_ttl);
        assert_eq!(read(&entry, entry.kept()).value, None);
    }

    #[test]
    fn what_is_loaded_together_does_not_expire_together() {
        let policy = Policy { jitter: 0.5, ..policy() };
        let lives: Vec<_> = (0..1000).map(|_| Entry::loaded(Some(1), MINUTE, &policy).lifetime()).collect();
        let (shortest, longest) = (lives.iter().min().unwrap(), lives.iter().max().unwrap());
        assert!(*shortest >= MINUTE / 2 && *shortest < MINUTE * 6 / 10, "{shortest:?}");
        assert!(*longest <= MINUTE && *longest > MINUTE * 9 / 10, "{longest:?}");
    }

    /// The share of readers that find the entry due, so long before the end of its freshness.
    fn share_due(load_time: Duration, before_end: Duration, beta: f64) -> f64 {
        let entry = Entry::loaded(Some(1), load_time, &policy());
        let now = entry.then + MINUTE.saturating_sub(before_end);
        (0..2000).map(|_| f64::from(u8::from(entry.is_due(now, beta)))).sum::<f64>() / 2000.0
    }

    /// The chance is `exp(-left / (load time · beta))`.
    #[test]
    fn the_nearer_the_end_and_the_longer_a_load_the_more_readers_find_it_due() {
        let second = Duration::from_secs(1);
        assert!((share_due(second, second, 1.0) - 0.368).abs() < 0.06);
        assert!((share_due(second, 3 * second, 1.0) - 0.05).abs() < 0.03);
        assert!((share_due(3 * second, 3 * second, 1.0) - 0.368).abs() < 0.06);
        assert!((share_due(second, 3 * second, 3.0) - 0.368).abs() < 0.06);
        assert!(share_due(second, 40 * second, 1.0) <= 0.0);
        assert!(share_due(second, second, 0.0) <= 0.0);
        assert!(share_due(second, Duration::ZERO, 0.0) >= 1.0, "it is stale");
    }

    #[test]
    fn no_policy_overflows() {
        let policy = Policy { ttl: Duration::MAX, stale_for: Duration::MAX, jitter: 7.0, ..policy() };
        let entry = Entry::loaded(Some(1), Duration::MAX, &policy);
        assert!(entry.kept() <= 2 * LONGEST && entry.is_usable(entry.then));
        let nonsense = format!(r#"{{"fresh_ms":{0},"stale_ms":{0},"load_us":{0},"value":1}}"#, u64::MAX);
        let entry = Entry::<u8>::from_json(nonsense.as_bytes(), Duration::ZERO).unwrap();
        assert!(!entry.is_usable(entry.then));
        entry.is_due(entry.then, f64::MAX);
    }
}
