//! What was invalidated does not come back: not by a slow load, and not by a copy.

use std::time::{Duration, Instant};

use redis_kit::cache::{Cache, Source};
use test_support::{eventually, median};

use super::{KEY, LEASE, Origin, ask, get, lasting, near, patient, soon_stale, start, text, until_near};
use crate::harness::{Bench, LIMIT, same};

/// The mistake that no expiry heals in time: a reader fetched the old value, and puts it back after the invalidation.
async fn a_load_that_began_before_is_not_stored(bench: &Bench, loader: &Cache, invalidator: &Cache) {
    let origin = Origin::slow("old");
    let loading = ask(loader, near(), &origin);
    origin.loads.until(1).await;
    origin.set("new");
    invalidator.invalidate(KEY).await.unwrap();
    origin.gate.open();
    let late = loading.await.unwrap().unwrap();
    assert_eq!((text(&late), late.source), (Some("old"), Source::Loaded { stored: false }));
    assert_eq!(bench.stored().await, None, "the invalidation is undone");
    for cache in [loader, invalidator] {
        assert_eq!(text(&get(cache, &near(), &origin).await), Some("new"));
    }
    assert_eq!(bench.stored().await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_load_that_began_before_an_invalidation_does_not_undo_it() {
    let bench = Bench::start().await;
    let cache = start(&bench.redis()).await;
    a_load_that_began_before_is_not_stored(&bench, &cache, &cache).await;
}

#[tokio::test]
async fn nor_does_one_in_another_process() {
    let bench = Bench::start().await;
    let (loader, invalidator) = (start(&bench.redis()).await, start(&bench.redis()).await);
    a_load_that_began_before_is_not_stored(&bench, &loader, &invalidator).await;
}

#[tokio::test]
async fn nor_does_a_refresh_in_the_background() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::slow("old"));
    origin.gate.let_through(1);
    get(&cache, &soon_stale(), &origin).await;
    eventually("a refresh to begin", LIMIT, || async {
        get(&cache, &near(), &origin).await;
        same(&2, &origin.count())
    })
    .await;
    origin.set("new");
    cache.invalidate(KEY).await.unwrap();
    origin.gate.open();
    assert_eq!(text(&get(&cache, &near(), &origin).await), Some("new"));
    assert_eq!(bench.stored().await.as_deref(), Some("new"));
}

/// One who asks after the invalidation must not be given what one who asked before it is about to get.
#[tokio::test]
async fn whoever_asks_afterwards_does_not_join_a_load_from_before() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::slow("old"));
    let before = ask(&cache, lasting(), &origin);
    origin.loads.until(1).await;
    origin.set("new");
    cache.invalidate(KEY).await.unwrap();
    let after = ask(&cache, lasting(), &origin);
    assert_eq!(origin.loads.until(2).await.len(), 2);
    origin.gate.open();
    assert_eq!(text(&before.await.unwrap().unwrap()), Some("old"));
    assert_eq!(text(&after.await.unwrap().unwrap()), Some("new"));
    assert_eq!(bench.stored().await.as_deref(), Some("new"));
}

#[tokio::test]
async fn who_waits_for_a_load_that_is_invalidated_loads_himself() {
    let bench = Bench::start().await;
    let (cache, other, origin) =
        (start(&bench.redis()).await, start(&bench.redis()).await, Origin::slow("old"));
    let loading = ask(&cache, lasting(), &origin);
    origin.loads.until(1).await;
    let waiting = ask(&other, lasting(), &origin);
    bench.until_load_is_waited_for().await;
    origin.set("new");
    other.invalidate(KEY).await.unwrap();
    assert_eq!(origin.loads.until(2).await.len(), 2);
    origin.gate.open();
    loading.await.unwrap().unwrap();
    assert_eq!(text(&waiting.await.unwrap().unwrap()), Some("new"));
}

#[tokio::test]
async fn who_invalidates_sees_it_at_once_in_his_own_copies() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("0"));
    until_near(&cache, &origin).await;
    for n in 1..50 {
        let value = n.to_string();
        origin.set(&value);
        cache.invalidate(KEY).await.unwrap();
        assert_eq!(text(&get(&cache, &near(), &origin).await), Some(&*value));
    }
}

#[tokio::test]
async fn others_see_it_within_a_tenth_of_a_second() {
    let bench = Bench::start().await;
    let (cache, other, origin) =
        (start(&bench.redis()).await, start(&bench.redis()).await, Origin::with("0"));
    let mut delays = Vec::new();
    for n in 1..20 {
        until_near(&other, &origin).await;
        let value = n.to_string();
        origin.set(&value);
        cache.invalidate(KEY).await.unwrap();
        let invalidated = Instant::now();
        while text(&get(&other, &near(), &origin).await) != Some(&*value) {
            assert!(invalidated.elapsed() < LIMIT, "it still has a copy of what was");
            tokio::task::yield_now().await;
        }
        delays.push(invalidated.elapsed().as_secs_f64());
    }
    // One may come late on a busy machine.
    let delay = Duration::from_secs_f64(median(delays));
    assert!(delay < Duration::from_millis(100), "{delay:?}");
}

#[tokio::test]
async fn a_copy_does_not_outlive_an_invalidation_that_was_missed_while_the_subscription_was_lost() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let (other, origin) = (start(&redis).await, Origin::with("old"));
    until_near(&other, &origin).await;
    proxy.refuse();
    proxy.reset_connections();
    origin.set("new");
    // As another instance does, past the proxy.
    bench.run::<u8>(&["DEL", KEY, LEASE]).await;
    bench.run::<u64>(&["PUBLISH", "redis-kit:cache:invalidated", KEY]).await;
    let deaf = eventually("the loss to be noticed", LIMIT, || async {
        let cached = get(&other, &near(), &origin).await;
        if cached.source == Source::Near { Err("a near copy is served") } else { Ok(cached) }
    })
    .await;
    assert_eq!(text(&deaf), Some("new"));
    proxy.pass();
    // At no time after that, whatever comes first: the connection, the subscription, or the flush.
    eventually("a near copy again", LIMIT, || async {
        let cached = get(&other, &near(), &origin).await;
        assert_eq!(text(&cached), Some("new"));
        same(&Source::Near, &cached.source)
    })
    .await;
}

#[tokio::test]
async fn without_a_subscription_there_are_no_copies() {
    let bench = Bench::start().await;
    bench.permit(&["resetchannels"]).await;
    let (cache, origin) = (Cache::start(&bench.redis(), patient()).unwrap(), Origin::with("a"));
    get(&cache, &near(), &origin).await;
    for _ in 0..20 {
        assert_eq!(get(&cache, &near(), &origin).await.source, Source::Redis);
    }
    assert!(!cache.hears_invalidations());
}

#[tokio::test]
async fn who_invalidates_is_told_when_redis_did_not_do_it() {
    let mut bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    get(&cache, &lasting(), &origin).await;
    bench.crash().await;
    let error = cache.invalidate(KEY).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    bench.restart().await;
    eventually("the invalidation to succeed", LIMIT, || cache.invalidate(KEY)).await;
}

#[tokio::test]
async fn to_invalidate_twice_or_what_is_not_there_is_no_mistake() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    cache.invalidate(KEY).await.unwrap();
    get(&cache, &lasting(), &origin).await;
    cache.invalidate(KEY).await.unwrap();
    cache.invalidate(KEY).await.unwrap();
    assert_eq!(bench.stored().await, None);
}
