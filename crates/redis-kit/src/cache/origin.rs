//! Where values come from: the caller's loader, kept within bounds.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{error::CacheError, metrics::CacheMetrics, policy::CacheOptions};

/// How many may load at once without a lease.
pub(super) struct DirectLoads {
    places: Semaphore,
    wait: Duration,
}

impl DirectLoads {
    pub(super) fn new(options: &CacheOptions) -> Self {
        let places = options.direct_loads.min(Semaphore::MAX_PERMITS);
        Self { places: Semaphore::new(places), wait: options.direct_wait }
    }

    /// A place, if one becomes free soon.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        timeout(self.wait, self.places.acquire()).await.ok()?.ok()
    }
}

/// What a loader found, and how long it took.
pub(super) type Load<T, E> = (Result<Option<T>, CacheError<E>>, Duration);

/// Runs a loader. It may panic.
pub(super) async fn load<T, E, L, Loading>(loader: L, limit: Duration, metrics: &CacheMetrics) -> Load<T, E>
where
    L: FnOnce() -> Loading,
    Loading: Future<Output = Result<Option<T>, E>>,
{
    let begun = Instant::now();
    // Nothing of the loader is used after a panic.
    let loading = AssertUnwindSafe(timeout(limit, async { loader().await })).catch_unwind();
    let outcome = match loading.await {
        Ok(Ok(outcome)) => outcome.map_err(|error| CacheError::Load(Arc::new(error))),
        Ok(Err(_)) => Err(CacheError::TimedOut),
        Err(_) => Err(CacheError::BrokenOff),
    };
    let took = begun.elapsed();
    metrics.load_seconds.record(took);
    let counter = match &outcome {
        Ok(Some(_)) => &metrics.loads.found,
        Ok(None) => &metrics.loads.nothing,
        Err(_) => &metrics.loads.failed,
    };
    counter.increment(1);
    (outcome, took)
}
