//! What is stale is served at once, and renewed by one.

use std::time::Duration;

use futures_util::future::join_all;
use redis_kit::cache::{CacheError, Policy, Source, Stale};
use test_support::eventually;

use super::{KEY, LEASE, NO_TIME, Origin, ask, get, lasting, soon_stale, start, text};
use crate::harness::{Bench, LIMIT, same};

const REVALIDATING: Source = Source::Stale(Stale::Revalidating);

impl Bench {
    /// Has an entry in Redis that is stale.
    async fn stale(&self, value: &str) {
        get(&start(&self.redis()).await, &soon_stale(), &Origin::with(value)).await;
        let stale_from = 3_600_000;
        eventually("the entry to be stale", LIMIT, || async {
            let left: i64 = self.run(&["PTTL", KEY]).await;
            if left > 0 && left < stale_from { Ok(()) } else { Err(format!("it has {left} ms")) }
        })
        .await;
    }
}

#[tokio::test]
async fn it_is_served_while_one_of_all_instances_loads_it_anew() {
    let bench = Bench::start().await;
    bench.stale("old").await;
    let redis = bench.redis();
    let (instances, origin) = (join_all((0..3).map(|_| start(&redis))).await, Origin::slow("new"));
    for cache in &instances {
        // The load stands at the gate: whoever waited for it would not come back.
        let cached = get(cache, &lasting(), &origin).await;
        assert_eq!((text(&cached), cached.source), (Some("old"), REVALIDATING));
        assert!(cached.age > cached.lifetime && cached.fresh_for() == Duration::ZERO);
    }
    origin.loads.until(1).await;
    for _ in 0..20 {
        assert_eq!(get(&instances[0], &lasting(), &origin).await.source, REVALIDATING);
    }
    origin.gate.open();
    bench.until_settled().await;
    for cache in &instances {
        eventually("the new value", LIMIT, || async {
            same(&Some("new"), &text(&get(cache, &lasting(), &origin).await))
        })
        .await;
    }
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn it_is_served_for_as_long_as_the_origin_is_down_which_is_not_asked_each_time() {
    let bench = Bench::start().await;
    bench.stale("old").await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with(""));
    origin.fail();
    // One load, and then nobody gets the lease for a second.
    eventually("a pause after the load", LIMIT, || async {
        let cached = get(&cache, &lasting(), &origin).await;
        assert_eq!((text(&cached), cached.source), (Some("old"), REVALIDATING));
        let left: i64 = bench.run(&["PTTL", LEASE]).await;
        if left > 0 && left <= 1000 { Ok(()) } else { Err(format!("the lease has {left} ms")) }
    })
    .await;
    for _ in 0..50 {
        assert_eq!(get(&cache, &lasting(), &origin).await.source, REVALIDATING);
    }
    origin.set("new");
    eventually("the new value", LIMIT, || async {
        same(&Some("new"), &text(&get(&cache, &lasting(), &origin).await))
    })
    .await;
}

#[tokio::test]
async fn with_no_time_to_be_stale_whoever_comes_after_the_end_waits() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("old"));
    let policy = Policy { stale_for: Duration::ZERO, ..soon_stale() };
    get(&cache, &policy, &origin).await;
    eventually("the entry to be gone", LIMIT, || async {
        same(&0, &bench.run::<u8>(&["EXISTS", KEY]).await)
    })
    .await;
    origin.set("new");
    let loaded = get(&cache, &policy, &origin).await;
    assert_eq!((text(&loaded), loaded.source), (Some("new"), Source::Loaded { stored: true }));
}

#[tokio::test]
async fn that_there_was_no_such_thing_is_not_served_stale() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with(""));
    origin.remove();
    get(&cache, &Policy { negative_ttl: NO_TIME, ..lasting() }, &origin).await;
    eventually("the entry to be gone", LIMIT, || async {
        same(&0, &bench.run::<u8>(&["EXISTS", KEY]).await)
    })
    .await;
    origin.set("it exists now");
    assert_eq!(text(&get(&cache, &lasting(), &origin).await), Some("it exists now"));
}

/// The last resort: the entry is gone from Redis, and the origin is down.
#[tokio::test]
async fn a_near_copy_whose_time_is_over_is_served_if_the_load_fails() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("old"));
    let short = Policy { near_ttl: Some(Duration::ZERO), ..lasting() };
    get(&cache, &short, &origin).await;
    // Evicted.
    bench.run::<u8>(&["DEL", KEY]).await;
    origin.fail();
    let last = get(&cache, &short, &origin).await;
    assert_eq!((text(&last), last.source), (Some("old"), Source::Stale(Stale::LoadFailed)));
    assert_eq!(origin.count(), 2);
    // What was invalidated is no such copy.
    cache.invalidate(KEY).await.unwrap();
    let answer = ask(&cache, short, &origin).await.unwrap();
    assert!(matches!(answer, Err(CacheError::Load(_))), "{answer:?}");
    bench.until_settled().await;
}
