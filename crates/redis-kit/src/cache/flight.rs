//! One flight: from a question to Redis to an entry, by whatever way is open.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::watch,
    time::{self, timeout_at},
};
use tracing::{debug, warn};

use super::{
    cached::{Source, Stale},
    entry::Entry,
    error::CacheError,
    handle::Shared,
    keys::CacheKeys,
    landing::{Landed, Landing},
    memory::{Seat, Waiting},
    origin,
    policy::Policy,
    scripts::{Answer, Lease, Question},
};

/// For how long nobody tries again after a load failed that nobody was waiting for, because what is stale was served.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What two clocks may disagree in when they tell the same time to live: Redis rounds it.
const ROUNDING: Duration = Duration::from_millis(5);

/// On behalf of all in this process who want the same key. It runs in a task, so that it goes on when they do not wait.
pub(super) struct Flight<T, E> {
    cache: Arc<Shared>,
    policy: Policy,
    seat: Seat,
    landing: watch::Sender<Landing<T, E>>,
    /// A near copy, for when nothing better is to be had.
    known: Option<Arc<Entry<T>>>,
    lease: Arc<Lease>,
}

/// What Redis has to say of a key.
enum Look<T> {
    /// An entry, and how long it has to live.
    Found(Arc<Entry<T>>, Duration),
    /// It is to be loaded here.
    Leased,
    /// Redis does not answer.
    Unanswered,
    /// Others have been loading it for longer than they may.
    WaitedTooLong,
}

/// What became of an entry.
#[derive(PartialEq)]
enum Put {
    Stored,
    /// The lease was gone: invalidated, or over.
    Refused,
    /// Perhaps stored, perhaps not.
    Unanswered,
    /// Nothing of the kind is stored.
    Skipped,
}

impl<T, E> Flight<T, E>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pub(super) fn new(
        cache: Arc<Shared>,
        policy: Policy,
        seat: Seat,
        landing: watch::Sender<Landing<T, E>>,
        known: Option<Arc<Entry<T>>>,
    ) -> Self {
        let lease = Lease { keys: CacheKeys::new(&*seat.key), token: cache.tokens.next() };
        Self { cache, policy, seat, landing, known, lease: Arc::new(lease) }
    }

    /// Finds the entry, or loads it.
    pub(super) async fn get<L, Loading>(self, loader: L)
    where
        L: FnOnce() -> Loading,
        Loading: Future<Output = Result<Option<T>, E>>,
    {
        match self.look().await {
            Look::Found(entry, left) => {
                self.keep(&entry);
                let now = Instant::now();
                let source =
                    if entry.is_fresh(now) { Source::Redis } else { Source::Stale(Stale::Revalidating) };
                let is_due = entry.is_due(now, self.policy.beta);
                self.land(Landed { entry, source });
                if is_due {
                    self.refresh(left, loader).await;
                }
            }
            Look::Leased => self.load(loader).await,
            Look::Unanswered => {
                self.land_known(Stale::RedisFailed);
                self.load_directly(loader).await;
            }
            Look::WaitedTooLong => self.load_directly(loader).await,
        }
    }

    /// Loads anew the near copy that is known, and answers with that as long as it takes.
    pub(super) async fn renew<L, Loading>(self, loader: L)
    where
        L: FnOnce() -> Loading,
        Loading: Future<Output = Result<Option<T>, E>>,
    {
        let Some(entry) = self.known.clone() else { return };
        let left = entry.kept().saturating_sub(entry.age(Instant::now()));
        self.land(Landed { entry, source: Source::Near });
        self.refresh(left + ROUNDING, loader).await;
    }

    /// Loads anew what has so long to live, unless somebody else does or has done.
    async fn refresh<L, Loading>(&self, left: Duration, loader: L)
    where
        L: FnOnce() -> Loading,
        Loading: Future<Output = Result<Option<T>, E>>,
    {
        match self.ask(left, None).await {
            Some(Answer::Leased) => self.load(loader).await,
            Some(Answer::Found { json, left }) => {
                if let Some(newer) = self.decode(&json, left) {
                    self.keep(&newer);
                }
            }
            Some(Answer::Busy { .. }) | None => {}
        }
    }

    /// Asks Redis until it has an entry or a lease to give.
    async fn look(&self) -> Look<T> {
        let mut beyond = Duration::ZERO;
        let mut waiting: Option<Waiting> = None;
        // Whoever died loading is waited for, and then one more who begins then.
        let end = time::Instant::now() + 2 * self.lease_time();
        loop {
            match self.ask(beyond, waiting.as_ref()).await {
                None => return Look::Unanswered,
                Some(Answer::Leased) => return Look::Leased,
                Some(Answer::Found { json, left }) => match self.decode(&json, left) {
                    Some(entry) => return Look::Found(entry, left),
                    None => beyond = left,
                },
                Some(Answer::Busy { .. }) if time::Instant::now() >= end => return Look::WaitedTooLong,
                Some(Answer::Busy { lease_left }) => match &mut waiting {
                    // What ended before one listened would be missed, so it is asked once more.
                    None => waiting = Some(self.cache.memory.waiting(&self.seat.key)),
                    Some(waiting) => {
                        let lease_end = lease_left.map(|left| time::Instant::now() + left + ROUNDING);
                        let until = lease_end.map_or(end, |lease_end| lease_end.min(end));
                        // It may end without a word.
                        let _ = timeout_at(until, waiting.until_settled()).await;
                    }
                },
            }
        }
    }

    async fn ask(&self, beyond: Duration, waiting: Option<&Waiting>) -> Option<Answer> {
        let (lease, lease_time, waits) = (Arc::clone(&self.lease), self.lease_time(), waiting.is_some());
        let question = Question { lease, lease_time, beyond, waits };
        self.cache.ask(self.cache.reads.ask(question)).await.ok()
    }

    /// As long as a load may take, and Redis to hear that it has begun and ended.
    fn lease_time(&self) -> Duration {
        self.policy.load_limit + 2 * self.cache.answer_limit
    }

    fn decode(&self, json: &[u8], left: Duration) -> Option<Arc<Entry<T>>> {
        match Entry::from_json(json, left) {
            Ok(entry) => Some(Arc::new(entry)),
            Err(error) => {
                self.cache.metrics.undecodable.increment(1);
                warn!(key = &*self.seat.key, %error, "cannot read a cache entry; it is to be replaced");
                None
            }
        }
    }

    /// Loads without a lease.
    async fn load_directly<L, Loading>(&self, loader: L)
    where
        L: FnOnce() -> Loading,
        Loading: Future<Output = Result<Option<T>, E>>,
    {
        match self.cache.direct_loads.place().await {
            // The lease may have been given all the same, and the answer lost.
            Some(_place) => self.load(loader).await,
            None => self.fail(CacheError::Overloaded),
        }
    }

    /// Loads, stores what was found, and gives the lease up.
    async fn load<L, Loading>(&self, loader: L)
    where
        L: FnOnce() -> Loading,
        Loading: Future<Output = Result<Option<T>, E>>,
    {
        let limit = self.policy.load_limit;
        match origin::load(loader, limit, &self.cache.metrics).await {
            (Ok(value), load_time) => {
                let (entry, put) = self.put(Entry::loaded(value, load_time, &self.policy)).await;
                if put != Put::Refused {
                    self.keep(&entry);
                }
                self.land(Landed { entry, source: Source::Loaded { stored: put == Put::Stored } });
                if matches!(put, Put::Unanswered | Put::Skipped) {
                    self.release(None).await;
                }
            }
            (Err(error), _) => {
                debug!(key = &*self.seat.key, reason = error.reason(), "a load failed");
                let pause = self.has_landed().then_some(PAUSE_AFTER_FAILURE);
                self.fail(error);
                self.release(pause).await;
            }
        }
    }

    async fn put(&self, entry: Entry<T>) -> (Arc<Entry<T>>, Put) {
        let json = match entry.to_json() {
            Ok(json) if !entry.kept().is_zero() => json,
            Ok(_) => return (Arc::new(entry), Put::Skipped),
            Err(error) => {
                self.cache.metrics.undecodable.increment(1);
                warn!(key = &*self.seat.key, %error, "cannot write a value as JSON; it is not kept");
                return (Arc::new(entry), Put::Skipped);
            }
        };
        let put = self.lease.put(self.cache.redis(), &json, entry.kept());
        let put = match self.cache.ask(put).await {
            Ok(true) => Put::Stored,
            Ok(false) => {
                self.cache.metrics.refused.increment(1);
                Put::Refused
            }
            Err(_) => Put::Unanswered,
        };
        (Arc::new(entry.stored(json.len())), put)
    }

    async fn release(&self, pause: Option<Duration>) {
        // If that is not heard, the lease ends by itself.
        let _ = self.cache.ask(self.lease.release(self.cache.redis(), pause)).await;
    }

    /// Keeps a near copy, if there are to be any.
    fn keep(&self, entry: &Arc<Entry<T>>) {
        if let Some(near_ttl) = self.policy.near_ttl {
            // Too far away for a clock is for as long as it is fresh.
            let now = Instant::now();
            self.seat.keep(entry, now.checked_add(near_ttl).unwrap_or(now + entry.kept()));
        }
    }

    fn land(&self, landed: Landed<T>) {
        self.land_as(Ok(landed));
    }

    /// Lands with what is known, if it may still be served.
    fn land_known(&self, why: Stale) {
        if let Some(entry) = self.known.as_ref().filter(|entry| entry.is_usable(Instant::now())) {
            self.land(Landed { entry: Arc::clone(entry), source: Source::Stale(why) });
        }
    }

    fn fail(&self, error: CacheError<E>) {
        self.land_known(Stale::LoadFailed);
        self.land_as(Err(error));
    }

    /// Only the first landing counts.
    fn land_as(&self, landing: Result<Landed<T>, CacheError<E>>) {
        self.landing.send_if_modified(|landed| {
            let is_first = landed.is_none();
            if is_first {
                *landed = Some(landing);
            }
            is_first
        });
    }

    fn has_landed(&self) -> bool {
        self.landing.borrow().is_some()
    }
}
