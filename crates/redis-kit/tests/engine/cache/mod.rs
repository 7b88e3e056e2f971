//! A cache, seen from outside: what is served, who is asked for it, what is left in Redis.

mod early;
mod failing_redis;
mod invalidation;
mod loading;
mod metrics;
mod reading;
mod stale;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use redis_kit::{
    Redis,
    cache::{Cache, CacheError, CacheOptions, Cached, Policy, Source},
};
use test_support::eventually;
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    handlers::{Gate, Notes},
    harness::{Bench, LIMIT, NEVER, same},
};

const KEY: &str = "product:{t}";
const LEASE: &str = "product:{t}:lease";

/// A time after which something is over that has just begun.
const NO_TIME: Duration = Duration::from_millis(1);

/// Redis is given all the time it wants, so that a busy machine is not taken for a failing Redis.
fn patient() -> CacheOptions {
    CacheOptions { answer_limit: LIMIT, ..CacheOptions::default() }
}

/// One that hears invalidations.
async fn start(redis: &Redis) -> Cache {
    let cache = Cache::start(redis, patient()).unwrap();
    until_hearing(&cache).await;
    cache
}

async fn until_hearing(cache: &Cache) {
    eventually("invalidations to be heard", LIMIT, || async {
        if cache.hears_invalidations() { Ok(()) } else { Err("they are not") }
    })
    .await;
}

/// Nothing expires, and there are no near copies: a test says what it is about.
fn lasting() -> Policy {
    Policy {
        ttl: NEVER,
        stale_for: NEVER,
        near_ttl: None,
        negative_ttl: NEVER,
        jitter: 0.0,
        beta: 0.0,
        load_limit: NEVER,
    }
}

/// With near copies.
fn near() -> Policy {
    Policy { near_ttl: Some(NEVER), ..lasting() }
}

/// What is stored by this is stale at once.
fn soon_stale() -> Policy {
    Policy { ttl: NO_TIME, ..lasting() }
}

/// Where the values are from. Clones share it.
#[derive(Clone)]
struct Origin {
    value: Arc<Mutex<Result<Option<String>, String>>>,
    /// Each load, by what it read.
    loads: Notes<String>,
    /// Where a load stands between what it read and its end.
    gate: Gate,
}

impl Origin {
    /// It answers at once.
    fn with(value: &str) -> Self {
        Self { gate: Gate::opened(), ..Self::slow(value) }
    }

    /// Each load stands at the gate.
    fn slow(value: &str) -> Self {
        let value = Arc::new(Mutex::new(Ok(Some(value.to_owned()))));
        Self { value, loads: Notes::new(), gate: Gate::closed() }
    }

    fn set(&self, value: &str) {
        *self.value.lock().unwrap() = Ok(Some(value.to_owned()));
    }

    fn remove(&self) {
        *self.value.lock().unwrap() = Ok(None);
    }

    fn fail(&self) {
        *self.value.lock().unwrap() = Err("the origin is down".to_owned());
    }

    fn load(&self) -> impl FnOnce() -> BoxFuture<'static, Result<Option<String>, String>> + Send + use<> {
        let origin = self.clone();
        move || {
            async move {
                let read = origin.value.lock().unwrap().clone();
                origin.loads.push(format!("{read:?}"));
                origin.gate.wait().await;
                read
            }
            .boxed()
        }
    }

    fn count(&self) -> usize {
        self.loads.all().len()
    }
}

type Answer = Result<Cached<String>, CacheError<String>>;

async fn get(cache: &Cache, policy: &Policy, origin: &Origin) -> Cached<String> {
    // One that stands at the gate must not stand there for ever.
    timeout(LIMIT, cache.get_or_load(KEY, policy, origin.load())).await.expect("an answer in time").unwrap()
}

/// Asks in a task, and does not wait.
fn ask(cache: &Cache, policy: Policy, origin: &Origin) -> JoinHandle<Answer> {
    let (cache, load) = (cache.clone(), origin.load());
    tokio::spawn(async move { cache.get_or_load(KEY, &policy, load).await })
}

fn text(cached: &Cached<String>) -> Option<&str> {
    cached.value.as_deref().map(String::as_str)
}

/// Reads until the answer comes from the near copy: what was invalidated before may be heard of only now.
async fn until_near(cache: &Cache, origin: &Origin) {
    eventually("a near copy", LIMIT, || async {
        same(&Source::Near, &get(cache, &near(), origin).await.source)
    })
    .await;
}

impl Bench {
    /// Waits until somebody waits for the end of another's load.
    async fn until_load_is_waited_for(&self) {
        eventually("somebody to wait", LIMIT, || async {
            let held: Option<String> = self.run(&["GET", LEASE]).await;
            if held.as_ref().is_some_and(|held| held.ends_with('!')) {
                Ok(())
            } else {
                Err(format!("{held:?}"))
            }
        })
        .await;
    }

    /// Waits until no load is under way.
    async fn until_settled(&self) {
        eventually("the load to end", LIMIT, || async {
            let held: Option<String> = self.run(&["GET", LEASE]).await;
            held.map_or(Ok(()), Err)
        })
        .await;
    }

    /// The value in Redis.
    async fn stored(&self) -> Option<String> {
        let json: Option<String> = self.run(&["GET", KEY]).await;
        let json: serde_json::Value = serde_json::from_str(&json?).unwrap();
        json["value"].as_str().map(str::to_owned)
    }
}
