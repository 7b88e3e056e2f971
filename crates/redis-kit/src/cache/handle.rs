use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::RedisResult;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::{
    cached::{Cached, Source},
    ears,
    entry::Entry,
    error::CacheError,
    flight::Flight,
    keys::CacheKeys,
    landing::{Landed, Landing},
    memory::{Boarding, Memory},
    metrics::CacheMetrics,
    near,
    origin::DirectLoads,
    policy::{CacheOptions, Policy},
    scripts::Question,
};
use crate::{
    Connection, Error, Redis,
    breaker::{Breaker, Patience, Unanswered},
    desk::Desk,
    owners::Owners,
};

/// After so many failures in a row Redis is left alone.
const FAILURES: u32 = 3;

/// For so long.
const PAUSE: Duration = Duration::from_secs(1);

/// A cache in Redis, with copies in this process. One for all types of values; cheap to clone.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
    _listening: Arc<AbortOnDropHandle<()>>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

/// What a cache's flights need.
pub(super) struct Shared {
    redis: Connection,
    pub(super) answer_limit: Duration,
    breaker: Breaker,
    /// Where flights ask, so that those that are ready together ask together.
    pub(super) reads: Arc<Desk<Question>>,
    pub(super) direct_loads: DirectLoads,
    pub(super) memory: Arc<Memory>,
    pub(super) tokens: Owners,
    pub(super) metrics: CacheMetrics,
}

impl Shared {
    pub(super) fn redis(&self) -> Connection {
        self.redis.clone()
    }

    /// Has a question answered soon, or not.
    pub(super) async fn ask<T>(
        &self,
        question: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Unanswered> {
        let answer = self.breaker.ask(question).await;
        match answer {
            Err(Unanswered::Silent) => self.metrics.redis_failures.increment(1),
            Err(Unanswered::Refused) => self.metrics.redis_refusals.increment(1),
            Err(Unanswered::Unasked) | Ok(_) => {}
        }
        answer
    }
}

impl Cache {
    /// A cache on this Redis, with one connection for its questions and one on which it hears of invalidations, from now on
    /// until its last clone is dropped. It connects by itself, and does not wait for that.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(redis: &Redis, options: CacheOptions) -> Result<Self, Error> {
        let answer_limit = options.answer_limit;
        let patience = Patience { answer_limit, failures: FAILURES, pause: PAUSE };
        let subscription = ears::subscribe(redis);
        let memory = Arc::new(Memory::new(options.near_bytes, subscription.status()));
        let listening = tokio::spawn(ears::listen(subscription, Arc::clone(&memory)));
        let redis = redis.commands()?;
        let shared = Shared {
            reads: Desk::new(redis.clone()),
            redis,
            answer_limit,
            breaker: Breaker::new("the cache", patience),
            direct_loads: DirectLoads::new(&options),
            memory,
            tokens: Owners::new(),
            metrics: CacheMetrics::new(),
        };
        let listening = Arc::new(AbortOnDropHandle::new(listening));
        Ok(Self { shared: Arc::new(shared), _listening: listening })
    }

    /// Whether invalidations are heard now. While they are not, as just after the start, there are no near copies.
    pub fn hears_invalidations(&self) -> bool {
        self.shared.memory.near().counts()
    }

    /// The value at `key` (see [`CacheKeys`]): a near copy, or from Redis, or else loaded, once for all who want it. The loader
    /// answers `None` if there is no such thing, which is remembered too.
    ///
    /// Safe to cancel: a load that has begun goes on, in a task of its own, and what it finds is kept. For that the loader
    /// owns what it needs.
    ///
    /// A value that is JSON's `null` is no such thing. Types that read the same JSON differently need different keys.
    ///
    /// # Errors
    /// If the loader failed, or could not be called, and there was nothing stale to serve. Never because of Redis alone.
    pub async fn get_or_load<T, E, L, Loading>(
        &self,
        key: &str,
        policy: &Policy,
        loader: L,
    ) -> Result<Cached<T>, CacheError<E>>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        E: Send + Sync + 'static,
        L: FnOnce() -> Loading + Send + 'static,
        Loading: Future<Output = Result<Option<T>, E>> + Send + 'static,
    {
        let now = Instant::now();
        let near = policy.near_ttl.and_then(|_| self.shared.memory.near().get::<T>(key));
        if let Some(near::Found { entry, until }) = &near
            && now < *until
            && entry.is_fresh(now)
        {
            if entry.is_due(now, policy.beta) {
                self.renew(key, policy, Arc::clone(entry), loader);
            }
            return Ok(self.answer(entry, Source::Near, now));
        }
        let mut landing = self.land(key, policy, near.map(|near| near.entry), loader);
        let landed = match landing.wait_for(Option::is_some).await {
            Ok(landed) => landed.as_ref().map_or(Err(CacheError::BrokenOff), Clone::clone),
            // Whoever was to land did not: it panicked, or its runtime ended.
            Err(_) => Err(CacheError::BrokenOff),
        };
        match landed {
            Ok(Landed { entry, source }) => Ok(self.answer(&entry, source, Instant::now())),
            Err(error) => {
                self.shared.metrics.failed.increment(1);
                Err(error)
            }
        }
    }

    /// Removes the value at `key` everywhere. Once this succeeded, no load that had begun before can bring the old value
    /// back; this instance does not serve it any more, and the others do not as soon as they hear of it. To be called after
    /// the origin was changed. The same again does the same again.
    ///
    /// # Errors
    /// If Redis did not say that it has done so, or could not tell the others: they may serve what is old for as long as it
    /// is kept. It should be tried again if that may help ([`Error::is_transient`]).
    pub async fn invalidate(&self, key: &str) -> Result<(), Error> {
        let invalidated = CacheKeys::new(key).invalidate(self.shared.redis()).await;
        // Whatever was read here before that may be old. What is not waited for is heard of as by everybody else.
        self.shared.memory.forget(key);
        invalidated?;
        self.shared.metrics.invalidations.increment(1);
        Ok(())
    }

    /// Joins whoever is under way for this key, or sets off.
    fn land<T, E, L, Loading>(
        &self,
        key: &str,
        policy: &Policy,
        known: Option<Arc<Entry<T>>>,
        loader: L,
    ) -> watch::Receiver<Landing<T, E>>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        E: Send + Sync + 'static,
        L: FnOnce() -> Loading + Send + 'static,
        Loading: Future<Output = Result<Option<T>, E>> + Send + 'static,
    {
        match self.shared.memory.board(key) {
            Boarding::Joined(landing) => landing,
            Boarding::Begun(seat, sender) => {
                let landing = sender.subscribe();
                let flight = Flight::new(Arc::clone(&self.shared), *policy, seat, sender, known);
                tokio::spawn(flight.get(loader).in_current_span());
                landing
            }
        }
    }

    /// Has a near copy loaded anew in the background, unless somebody is under way.
    fn renew<T, E, L, Loading>(&self, key: &str, policy: &Policy, entry: Arc<Entry<T>>, loader: L)
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        E: Send + Sync + 'static,
        L: FnOnce() -> Loading + Send + 'static,
        Loading: Future<Output = Result<Option<T>, E>> + Send + 'static,
    {
        if let Boarding::Begun(seat, sender) = self.shared.memory.board::<T, E>(key) {
            let flight = Flight::new(Arc::clone(&self.shared), *policy, seat, sender, Some(entry));
            tokio::spawn(flight.renew(loader).in_current_span());
        }
    }

    fn answer<T>(&self, entry: &Entry<T>, source: Source, now: Instant) -> Cached<T> {
        self.shared.metrics.read(source);
        Cached::new(entry, source, now)
    }
}
