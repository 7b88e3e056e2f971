//! Whatever becomes of a guard, or of an attempt: the lock does not stay taken.

use std::time::Duration;

use redis_kit::lock::Attempt;
use test_support::eventually;

use super::{KEY, expiring, lasting, lock, take};
use crate::harness::{Bench, LIMIT};

#[tokio::test]
async fn a_dropped_guard_gives_the_lock_back() {
    let bench = Bench::start().await;
    let mine = lock(&bench.redis(), lasting());
    for _ in 0..20 {
        drop(mine.acquire(LIMIT).await.unwrap().held().expect("what was dropped before is given back"));
    }
    bench.until_locked(false).await;
}

#[tokio::test]
async fn a_guard_may_be_dropped_on_a_thread_without_a_runtime() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), lasting())).await;
    std::thread::spawn(move || drop(guard)).join().unwrap();
    bench.until_locked(false).await;
}

#[tokio::test]
async fn a_guard_in_a_panic_gives_the_lock_back() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), lasting())).await;
    let work = tokio::spawn(async move {
        let _guard = guard;
        panic!("as work may");
    });
    assert!(work.await.unwrap_err().is_panic());
    bench.until_locked(false).await;
}

/// Nobody is left to give it back. What matters is that nothing blocks and nothing panics.
#[tokio::test]
async fn a_guard_that_outlives_its_runtime_leaves_the_lock_to_expire() {
    let bench = Bench::start().await;
    let redis = bench.redis();
    std::thread::spawn(move || {
        for workers in [0, 1] {
            let mut runtime = match workers {
                0 => tokio::runtime::Builder::new_current_thread(),
                _ => tokio::runtime::Builder::new_multi_thread(),
            };
            let runtime = runtime.enable_all().build().unwrap();
            let options = expiring(Duration::from_secs(1));
            let (outside, inside) = runtime.block_on(async {
                let outside = lock(&redis, options).acquire(LIMIT).await.unwrap().held().unwrap();
                let inside = lock(&redis, options).acquire(Duration::ZERO).await.unwrap();
                (outside, tokio::spawn(async move { drop((std::future::pending::<()>().await, inside)) }))
            });
            drop(runtime);
            drop((outside, inside));
        }
    })
    .join()
    .unwrap();
    bench.until_locked(false).await;
}

#[tokio::test]
async fn an_attempt_that_is_dropped_midway_leaves_no_lock_behind() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let mine = lock(&redis, lasting());
    take(&mine).await.release().await.unwrap();
    proxy.drop_replies();
    let attempt = tokio::spawn(async move { mine.acquire(LIMIT).await.map(Attempt::held) });
    bench.until_locked(true).await;
    attempt.abort();
    assert!(attempt.await.unwrap_err().is_cancelled());
    bench.until_locked(false).await;
}

#[tokio::test]
async fn an_attempt_whose_answer_is_lost_leaves_no_lock_behind() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let mine = lock(&redis, lasting());
    take(&mine).await.release().await.unwrap();
    proxy.drop_replies();
    let (lost, ()) = tokio::join!(mine.try_acquire(), async {
        bench.until_locked(true).await;
        proxy.pass();
        proxy.reset_connections();
    });
    let lost = lost.unwrap_err();
    assert!(lost.is_transient(), "{lost}");
    bench.until_locked(false).await;
    take(&mine).await.release().await.unwrap();
}

#[tokio::test]
async fn a_release_that_redis_did_not_hear_of_is_sent_again() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let guard = take(&lock(&redis, lasting())).await;
    proxy.refuse();
    proxy.reset_connections();
    assert!(guard.release().await.is_err());
    assert!(bench.is_locked().await);
    proxy.pass();
    bench.until_locked(false).await;
}

#[tokio::test]
async fn a_release_that_is_dropped_midway_is_done_all_the_same() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let guard = take(&lock(&redis, lasting())).await;
    proxy.silence();
    let release = tokio::spawn(guard.release());
    tokio::task::yield_now().await;
    release.abort();
    assert!(release.await.unwrap_err().is_cancelled());
    proxy.pass();
    proxy.reset_connections();
    eventually("the lock to be given back", LIMIT, || async {
        if bench.run::<u8>(&["EXISTS", KEY]).await == 0 { Ok(()) } else { Err("it is not") }
    })
    .await;
}
