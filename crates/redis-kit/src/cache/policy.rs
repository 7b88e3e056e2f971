use std::time::Duration;

/// How long what is loaded is kept, and how hard it is tried to keep it fresh. One for each kind of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// How long a value is fresh. Default 60 s.
    pub ttl: Duration,
    /// How much longer it is served if it must be: at once, while somebody loads it anew. Default 5 min. With zero nothing
    /// stale is ever served, and whoever comes first after the end waits for the load.
    pub stale_for: Duration,
    /// How long an instance answers from its own copy without asking Redis: at most as long as the value is fresh. Default
    /// 5 s, so that an invalidation that could not be heard is noticed after that. `None` for no copies.
    pub near_ttl: Option<Duration>,
    /// How long it is remembered that there is no such thing. Default 10 s; zero for not at all. Such an entry is never
    /// served stale.
    pub negative_ttl: Duration,
    /// By what part of it the TTL of an entry is shortened at most, drawn at random for each, so that what was stored
    /// together does not expire together. Default 0.1; between 0 and 1.
    pub jitter: f64,
    /// How early a value is loaded anew before its freshness ends, by a single reader in the background: about so many
    /// times as long as a load takes, drawn at random. Default 1; more is earlier, zero never.
    ///
    /// Source: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015 (`XFetch`).
    pub beta: f64,
    /// How long a load may take; one that takes longer is dropped. Default 10 s. As long, and a little longer, others wait
    /// for a loader that died.
    pub load_limit: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_mins(1),
            stale_for: Duration::from_mins(5),
            near_ttl: Some(Duration::from_secs(5)),
            negative_ttl: Duration::from_secs(10),
            jitter: 0.1,
            beta: 1.0,
            load_limit: Duration::from_secs(10),
        }
    }
}

/// What all values of a [`Cache`](super::Cache) share.
#[derive(Clone, Copy, Debug)]
pub struct CacheOptions {
    /// How many bytes of near copies are kept, by the size of their JSON and some for the keeping. Default 16 MiB.
    pub near_bytes: u64,
    /// How long Redis is waited for: then the origin is asked instead. Default 200 ms.
    pub answer_limit: Duration,
    /// How many loads may go to the origin at once that no lease stands behind, because Redis does not answer. Each
    /// instance has so many. Default 64.
    pub direct_loads: usize,
    /// How long one more waits for its turn, before it fails as overloaded. Default 100 ms.
    pub direct_wait: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            near_bytes: 16 * 1024 * 1024,
            answer_limit: Duration::from_millis(200),
            direct_loads: 64,
            direct_wait: Duration::from_millis(100),
        }
    }
}
