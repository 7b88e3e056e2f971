//! What all that is read through the cache has in common.

use std::{fmt::Display, time::Duration};

use axum::http::{HeaderName, header};
use common::problem::Problem;
use redis_kit::cache::{CacheError, Cached, Policy, Source};
use tracing::warn;

/// Of what may be a minute old, and better a little older than not at all. That something does not exist may change any
/// time.
pub(crate) const POLICY: Policy = Policy {
    ttl: Duration::from_mins(1),
    stale_for: Duration::from_mins(10),
    near_ttl: Some(Duration::from_secs(5)),
    negative_ttl: Duration::from_secs(5),
    jitter: 0.1,
    beta: 1.0,
    load_limit: Duration::from_secs(5),
};

/// `Cache-Status` (RFC 9211), and `Age` of what was not loaded just now.
pub(crate) fn cache_headers<T>(cached: &Cached<T>) -> [(HeaderName, String); 2] {
    let age = if matches!(cached.source, Source::Loaded { .. }) { 0 } else { cached.age.as_secs() };
    [
        (HeaderName::from_static("cache-status"), cached.cache_status("orderly")),
        (header::AGE, age.to_string()),
    ]
}

/// What it means to a client that nothing could be loaded.
pub(crate) fn failed<E: Display>(origin: &str, error: &CacheError<E>) -> Problem {
    warn!(%error, origin, "cannot be read, and nothing was kept of it");
    Problem::unavailable(format!("{origin} does not answer; try again"))
}
