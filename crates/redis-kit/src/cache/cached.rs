use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::entry::Entry;

/// What a cache answers.
#[derive(Debug)]
pub struct Cached<T> {
    /// The value, shared with whoever else was given it. `None`: there is no such thing.
    pub value: Option<Arc<T>>,
    /// Where it is from.
    pub source: Source,
    /// How long ago it was stored: what the header `Age` says, in whole seconds ([`Duration::as_secs`]).
    pub age: Duration,
    /// How long it was to be fresh in all. It is stale when its age is beyond that.
    pub lifetime: Duration,
}

/// Where an answer is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// This process's own copy: nobody was asked.
    Near,
    /// Redis.
    Redis,
    /// The origin: it was loaded just now, by this call or by another that it waited for.
    Loaded {
        /// Whether others will find it in Redis. Not if Redis does not answer, if it was invalidated meanwhile, or if nothing
        /// of the kind is to be kept.
        stored: bool,
    },
    /// A copy whose time is over, because nothing better was to be had at once.
    Stale(Stale),
}

/// Why a stale copy was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stale {
    /// It is being loaded anew in the background.
    Revalidating,
    /// Loading it anew failed.
    LoadFailed,
    /// Redis did not answer. The copy is a near one that Redis should have been asked about; it is being loaded anew in the
    /// background.
    RedisFailed,
}

impl<T> Cached<T> {
    pub(super) fn new(entry: &Entry<T>, source: Source, now: Instant) -> Self {
        Self { value: entry.value.clone(), source, age: entry.age(now), lifetime: entry.lifetime() }
    }

    /// For how much longer it is fresh; zero if it is stale.
    pub fn fresh_for(&self) -> Duration {
        self.lifetime.saturating_sub(self.age)
    }

    /// The value of the header `Cache-Status` (RFC 9211), for a cache of this name, which must be a token: letters, digits,
    /// and `-_.*`, a letter first.
    pub fn cache_status(&self, cache: &str) -> String {
        let status = match self.source {
            Source::Near | Source::Redis | Source::Stale(Stale::Revalidating | Stale::RedisFailed) => "hit",
            Source::Stale(Stale::LoadFailed) => "fwd=stale",
            Source::Loaded { .. } => "fwd=miss",
        };
        // Beyond the end of its freshness it is negative.
        let ttl = i128::from(self.lifetime.as_secs()) - i128::from(self.age.as_secs());
        let stored = if matches!(self.source, Source::Loaded { stored: true }) { "; stored" } else { "" };
        format!("{cache}; {status}; ttl={ttl}{stored}; detail={}", self.source.label())
    }
}

impl Source {
    /// In a word, as metrics and headers have it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Redis => "redis",
            Self::Loaded { .. } => "loaded",
            Self::Stale(Stale::Revalidating) => "revalidating",
            Self::Stale(Stale::LoadFailed) => "load-failed",
            Self::Stale(Stale::RedisFailed) => "redis-failed",
        }
    }
}

// By hand, because a derived one would ask for a `T` that can be cloned.
impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_what_http_caches_say() {
        let status = |source, age| {
            let (age, lifetime) = (Duration::from_millis(age), Duration::from_mins(1));
            Cached { value: Some(Arc::new(1)), source, age, lifetime }.cache_status("users")
        };
        assert_eq!(status(Source::Near, 2900), "users; hit; ttl=58; detail=near");
        assert_eq!(status(Source::Redis, 0), "users; hit; ttl=60; detail=redis");
        assert_eq!(
            status(Source::Loaded { stored: true }, 0),
            "users; fwd=miss; ttl=60; stored; detail=loaded"
        );
        assert_eq!(status(Source::Loaded { stored: false }, 0), "users; fwd=miss; ttl=60; detail=loaded");
        assert_eq!(
            status(Source::Stale(Stale::Revalidating), 65_000),
            "users; hit; ttl=-5; detail=revalidating"
        );
        assert_eq!(
            status(Source::Stale(Stale::LoadFailed), 65_000),
            "users; fwd=stale; ttl=-5; detail=load-failed"
        );
    }
}
