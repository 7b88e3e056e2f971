//! Redis is down, slow, full, or answers nonsense: no read fails.

use std::time::{Duration, Instant};

use redis_kit::{
    Redis,
    cache::{Cache, CacheError, CacheOptions, Policy, Source, Stale},
};
use test_support::eventually;
use tokio::time::timeout;

use super::{KEY, LEASE, Origin, ask, get, lasting, near, start, text, until_hearing, until_near};
use crate::harness::{Bench, LIMIT, same};

const DIRECTLY: Source = Source::Loaded { stored: false };

/// One that does not wait long for Redis.
fn hurried(redis: &Redis) -> Cache {
    let options = CacheOptions { answer_limit: Duration::from_millis(300), ..CacheOptions::default() };
    Cache::start(redis, options).unwrap()
}

#[tokio::test]
async fn while_redis_is_down_values_are_loaded_and_when_it_is_back_they_are_kept() {
    let mut bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    get(&cache, &lasting(), &origin).await;
    bench.crash().await;
    for _ in 0..10 {
        let cached = get(&cache, &near(), &origin).await;
        assert_eq!((text(&cached), cached.source), (Some("a"), DIRECTLY));
    }
    bench.restart().await;
    eventually("the cache to be back", LIMIT, || async {
        same(&Source::Redis, &get(&cache, &lasting(), &origin).await.source)
    })
    .await;
    until_near(&cache, &origin).await;
}

#[tokio::test]
async fn a_loader_that_fails_says_so_also_while_redis_is_down() {
    let mut bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    bench.crash().await;
    origin.fail();
    let answer = ask(&cache, lasting(), &origin).await.unwrap();
    assert!(matches!(answer, Err(CacheError::Load(_))), "{answer:?}");
}

#[tokio::test]
async fn a_silent_redis_costs_a_few_reads_their_time_and_not_each_of_them() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let (cache, origin) = (hurried(&redis), Origin::with("a"));
    proxy.silence();
    let begun = Instant::now();
    // Each with a key of its own, or one would wait for many.
    for n in 0..50 {
        let key = format!("{n}:{{t}}");
        let cached = cache.get_or_load(&key, &lasting(), origin.load()).await.unwrap();
        assert_eq!(cached.source, DIRECTLY);
    }
    // Fifty times the limit, for the question and what follows it, would be half a minute.
    assert!(begun.elapsed() < LIMIT / 3, "{:?}", begun.elapsed());
    proxy.pass();
    proxy.reset_connections();
    eventually("the cache to be back", LIMIT, || async {
        same(&Source::Redis, &get(&cache, &lasting(), &origin).await.source)
    })
    .await;
}

#[tokio::test]
async fn a_near_copy_whose_time_is_over_is_served_while_redis_is_slow() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let (cache, origin) = (hurried(&redis), Origin::with("old"));
    until_hearing(&cache).await;
    let short = Policy { near_ttl: Some(Duration::ZERO), ..lasting() };
    eventually("Redis to be fast enough", LIMIT, || async {
        same(&Source::Redis, &get(&cache, &short, &origin).await.source)
    })
    .await;
    let slow = Origin::slow("new");
    // Longer than the cache waits, and not long enough for the subscription to be given up.
    proxy.delay(Duration::from_millis(500));
    let cached = get(&cache, &short, &slow).await;
    assert_eq!((text(&cached), cached.source), (Some("old"), Source::Stale(Stale::RedisFailed)));
    // It is loaded anew all the same.
    slow.loads.until(1).await;
    slow.gate.open();
    eventually("the new value", LIMIT, || async {
        same(&Some("new"), &text(&get(&cache, &short, &slow).await))
    })
    .await;
}

#[tokio::test]
async fn only_so_many_load_at_once_past_a_redis_that_is_down() {
    let mut bench = Bench::start().await;
    let options = CacheOptions { direct_loads: 2, ..CacheOptions::default() };
    let (cache, origin) = (Cache::start(&bench.redis(), options).unwrap(), Origin::slow("a"));
    bench.crash().await;
    let read = |key: &'static str| {
        let (cache, load) = (cache.clone(), origin.load());
        tokio::spawn(async move { cache.get_or_load(key, &lasting(), load).await })
    };
    let places = ["a", "b"].map(read);
    origin.loads.until(2).await;
    let answer = timeout(LIMIT, read("c")).await.expect("an answer in time").unwrap();
    assert!(matches!(answer, Err(CacheError::Overloaded)), "{answer:?}");
    origin.gate.open();
    for place in places {
        place.await.unwrap().unwrap();
    }
    assert_eq!(text(&read("c").await.unwrap().unwrap()), Some("a"));
}

#[tokio::test]
async fn what_is_no_entry_at_all_is_left_alone_and_the_value_is_loaded() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    bench.run::<u8>(&["LPUSH", KEY, "somebody's list"]).await;
    for _ in 0..10 {
        assert_eq!(get(&cache, &lasting(), &origin).await.source, DIRECTLY);
    }
    assert_eq!(bench.run::<String>(&["TYPE", KEY]).await, "list");
    // A server that refuses one thing is there for others.
    let other = cache.get_or_load("other:{t}", &lasting(), origin.load()).await.unwrap();
    assert_eq!(other.source, Source::Loaded { stored: true });
}

#[tokio::test]
async fn on_a_full_redis_what_is_there_is_found_and_the_rest_is_loaded() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    get(&cache, &lasting(), &origin).await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(get(&cache, &lasting(), &origin).await.source, Source::Redis);
    let other = cache.get_or_load("other:{t}", &lasting(), origin.load()).await.unwrap();
    assert_eq!(other.source, DIRECTLY);
    cache.invalidate(KEY).await.unwrap();
    assert_eq!(bench.run::<u8>(&["EXISTS", KEY, LEASE]).await, 0);
}

/// It fills up between the two questions: the lease must not stay, or all others wait for its end.
#[tokio::test]
async fn what_a_full_redis_does_not_take_leaves_no_lease() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::slow("a"));
    let loading = ask(&cache, lasting(), &origin);
    origin.loads.until(1).await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    origin.gate.open();
    let loaded = loading.await.unwrap().unwrap();
    assert_eq!((text(&loaded), loaded.source), (Some("a"), DIRECTLY));
    bench.until_settled().await;
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    for _ in 0..3 {
        assert_eq!(get(&cache, &lasting(), &origin).await.source, Source::Loaded { stored: true });
        bench.run::<()>(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(get(&cache, &lasting(), &origin).await.source, Source::Redis);
        bench.run::<()>(&["SCRIPT", "FLUSH"]).await;
        cache.invalidate(KEY).await.unwrap();
    }
}
