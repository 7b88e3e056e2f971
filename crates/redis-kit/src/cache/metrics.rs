use metrics::{Counter, Histogram, counter, histogram};

use super::cached::Source;

/// What is counted of one cache.
pub(super) struct CacheMetrics {
    near: Counter,
    redis: Counter,
    loaded: Counter,
    stale: Counter,
    /// Reads that came to nothing.
    pub(super) failed: Counter,
    /// Loads by how they ended.
    pub(super) loads: Loads,
    /// How long loaders take, well or not.
    pub(super) load_seconds: Histogram,
    /// Entries that could not be stored, because an invalidation or the end of the lease was faster.
    pub(super) refused: Counter,
    /// Entries that nobody could read, or write.
    pub(super) undecodable: Counter,
    /// Questions that Redis did not answer, or not in time.
    pub(super) redis_failures: Counter,
    /// Questions that it answered with an error.
    pub(super) redis_refusals: Counter,
    pub(super) invalidations: Counter,
}

/// Loads by how they ended.
pub(super) struct Loads {
    pub(super) found: Counter,
    pub(super) nothing: Counter,
    pub(super) failed: Counter,
}

impl CacheMetrics {
    pub(super) fn new() -> Self {
        let reads = |source| counter!("cache_reads_total", "source" => source);
        let loads = |outcome| counter!("cache_loads_total", "outcome" => outcome);
        let errors = |kind| counter!("cache_redis_errors_total", "kind" => kind);
        Self {
            near: reads("near"),
            redis: reads("redis"),
            loaded: reads("loaded"),
            stale: reads("stale"),
            failed: reads("none"),
            loads: Loads { found: loads("found"), nothing: loads("nothing"), failed: loads("failed") },
            load_seconds: histogram!("cache_load_seconds"),
            refused: counter!("cache_puts_refused_total"),
            undecodable: counter!("cache_undecodable_total"),
            redis_failures: errors("unanswered"),
            redis_refusals: errors("refused"),
            invalidations: counter!("cache_invalidations_total"),
        }
    }

    pub(super) fn read(&self, source: Source) {
        let counter = match source {
            Source::Near => &self.near,
            Source::Redis => &self.redis,
            Source::Loaded { .. } => &self.loaded,
            Source::Stale(_) => &self.stale,
        };
        counter.increment(1);
    }
}
