//! One loads for all, and nobody is left waiting.

use std::{future::pending, time::Duration};

use futures_util::future::join_all;
use redis_kit::cache::{Cache, CacheError, CacheOptions, Policy, Source};
use tokio::time::timeout;

use super::{KEY, LEASE, Origin, ask, get, lasting, start, text};
use crate::{
    handlers::Notes,
    harness::{Bench, LIMIT},
};

#[tokio::test]
async fn a_hundred_readers_in_one_process_make_one_load() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::slow("a"));
    let readers: Vec<_> = (0..100).map(|_| ask(&cache, lasting(), &origin)).collect();
    origin.loads.until(1).await;
    origin.gate.open();
    for reader in readers {
        let loaded = reader.await.unwrap().unwrap();
        assert_eq!((text(&loaded), loaded.source), (Some("a"), Source::Loaded { stored: true }));
    }
    assert_eq!(origin.count(), 1);
}

/// The lease lasts longer than the test: whoever were not woken would wait beyond the end.
#[tokio::test]
async fn readers_in_many_processes_make_one_load_and_are_woken_when_it_is_there() {
    let bench = Bench::start().await;
    let origin = Origin::slow("a");
    let first = start(&bench.redis()).await;
    let loading = ask(&first, lasting(), &origin);
    origin.loads.until(1).await;
    let redis = bench.redis();
    let others = join_all((0..5).map(|_| start(&redis))).await;
    let waiting: Vec<_> = others.iter().map(|cache| ask(cache, lasting(), &origin)).collect();
    bench.until_load_is_waited_for().await;
    // What asks every millisecond shows here.
    bench.assert_no_hot_loop().await;
    origin.gate.open();
    assert_eq!(text(&loading.await.unwrap().unwrap()), Some("a"));
    for waiting in waiting {
        let found = timeout(LIMIT, waiting).await.expect("it is woken").unwrap().unwrap();
        assert_eq!((text(&found), found.source), (Some("a"), Source::Redis));
    }
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn a_loader_that_died_is_waited_for_as_long_as_its_lease_lasts() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    bench.run::<()>(&["SET", LEASE, "of the dead", "PX", "300"]).await;
    let loaded = get(&cache, &lasting(), &origin).await;
    assert_eq!((text(&loaded), loaded.source), (Some("a"), Source::Loaded { stored: true }));
}

/// Loaders may die one after the other, or somebody may have made the lease by hand.
#[tokio::test]
async fn nobody_waits_for_others_without_end() {
    let bench = Bench::start().await;
    let second = Duration::from_secs(1);
    let options = CacheOptions { answer_limit: second, ..CacheOptions::default() };
    let (cache, origin) = (Cache::start(&bench.redis(), options).unwrap(), Origin::with("a"));
    bench.run::<()>(&["SET", LEASE, "for ever"]).await;
    let loaded = get(&cache, &Policy { load_limit: second, ..lasting() }, &origin).await;
    assert_eq!((text(&loaded), loaded.source), (Some("a"), Source::Loaded { stored: false }));
}

#[tokio::test]
async fn a_load_that_fails_wakes_those_who_wait_and_one_of_them_loads() {
    let bench = Bench::start().await;
    let (cache, other, origin) =
        (start(&bench.redis()).await, start(&bench.redis()).await, Origin::slow("a"));
    origin.fail();
    let failing = [ask(&cache, lasting(), &origin), ask(&cache, lasting(), &origin)];
    origin.loads.until(1).await;
    let waiting = ask(&other, lasting(), &origin);
    bench.until_load_is_waited_for().await;
    origin.set("a");
    origin.gate.open();
    for failing in failing {
        let error = failing.await.unwrap().unwrap_err();
        assert!(matches!(&error, CacheError::Load(reason) if **reason == "the origin is down"), "{error:?}");
    }
    let loaded = timeout(LIMIT, waiting).await.expect("it is woken").unwrap().unwrap();
    assert_eq!((text(&loaded), origin.count()), (Some("a"), 2));
}

/// Between the two, the lease is still being given up.
#[tokio::test]
async fn who_asks_after_a_failed_load_is_not_given_its_error() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let (cache, origin) = (start(&redis).await, Origin::slow("a"));
    origin.fail();
    let failing = ask(&cache, lasting(), &origin);
    origin.loads.until(1).await;
    proxy.delay(Duration::from_millis(500));
    origin.gate.open();
    let error = failing.await.unwrap().unwrap_err();
    assert!(matches!(error, CacheError::Load(_)), "{error:?}");
    origin.set("a");
    let loaded = get(&cache, &lasting(), &origin).await;
    assert_eq!((text(&loaded), loaded.source), (Some("a"), Source::Loaded { stored: true }));
}

#[tokio::test]
async fn a_loader_that_panics_leaves_nobody_waiting() {
    let bench = Bench::start().await;
    let (cache, other, origin) =
        (start(&bench.redis()).await, start(&bench.redis()).await, Origin::slow("a"));
    let (begun, gate) = (Notes::new(), origin.gate.clone());
    let panicking = {
        let (cache, begun) = (cache.clone(), begun.clone());
        let load = async move || -> Result<Option<String>, String> {
            begun.push(());
            gate.wait().await;
            panic!("as a test wants it")
        };
        tokio::spawn(async move { cache.get_or_load(KEY, &lasting(), load).await })
    };
    begun.until(1).await;
    let (beside, elsewhere) = (ask(&cache, lasting(), &origin), ask(&other, lasting(), &origin));
    bench.until_load_is_waited_for().await;
    origin.gate.open();
    for reader in [panicking, beside] {
        let answer = timeout(LIMIT, reader).await.expect("an answer").unwrap();
        assert!(matches!(answer, Err(CacheError::BrokenOff)), "{answer:?}");
    }
    let loaded = timeout(LIMIT, elsewhere).await.expect("it is woken").unwrap().unwrap();
    assert_eq!(text(&loaded), Some("a"));
    assert_eq!(text(&get(&cache, &lasting(), &origin).await), Some("a"));
}

/// A client that hangs up must not waste the load that it began, nor break it off for others.
#[tokio::test]
async fn a_load_goes_on_when_its_caller_is_gone() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::slow("a"));
    let caller = ask(&cache, lasting(), &origin);
    origin.loads.until(1).await;
    let other = ask(&cache, lasting(), &origin);
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    origin.gate.open();
    assert_eq!(text(&timeout(LIMIT, other).await.expect("an answer").unwrap().unwrap()), Some("a"));
    assert_eq!((bench.stored().await.as_deref(), origin.count()), (Some("a"), 1));
}

#[tokio::test]
async fn a_load_that_takes_too_long_is_dropped_and_the_next_one_may_try() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    let policy = Policy { load_limit: Duration::from_millis(50), ..lasting() };
    let endless = async || pending::<Result<Option<String>, String>>().await;
    let answer = cache.get_or_load(KEY, &policy, endless).await;
    assert!(matches!(answer, Err(CacheError::TimedOut)), "{answer:?}");
    bench.until_settled().await;
    assert_eq!(text(&get(&cache, &lasting(), &origin).await), Some("a"));
}

/// As the others have taken over by then, and may have something newer.
#[tokio::test]
async fn a_load_whose_lease_is_over_is_served_but_not_stored() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::slow("a"));
    let loading = ask(&cache, super::near(), &origin);
    origin.loads.until(1).await;
    bench.run::<()>(&["SET", LEASE, "another's", "PX", "3600000"]).await;
    origin.gate.open();
    let loaded = loading.await.unwrap().unwrap();
    assert_eq!((text(&loaded), loaded.source), (Some("a"), Source::Loaded { stored: false }));
    assert_eq!(bench.run::<String>(&["GET", LEASE]).await, "another's");
    assert_eq!(bench.stored().await, None);
}
