//! Held, busy, and Redis failed: three outcomes. Whose a lock is.

use std::time::Duration;

use redis_kit::lock::{Attempt, Lock};
use test_support::eventually;

use super::{KEY, busy, elsewhere, expiring, lasting, lock, take};
use crate::harness::{Bench, LIMIT, same};

#[tokio::test]
async fn one_has_it_and_the_others_are_told_for_how_long_at_most() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), lasting())).await;
    assert!(guard.is_held());
    let free_within = busy(&elsewhere(&bench, lasting())).await;
    assert!(
        free_within > Duration::from_mins(59) && free_within <= Duration::from_mins(61),
        "{free_within:?}"
    );
    assert!(guard.release().await.unwrap());
    take(&elsewhere(&bench, lasting())).await.release().await.unwrap();
}

/// Told as one, a charge is made twice, or never.
#[tokio::test]
async fn a_lock_that_is_busy_and_a_redis_that_fails_are_told_apart() {
    let mut bench = Bench::start().await;
    let (mine, other) = (lock(&bench.redis(), lasting()), elsewhere(&bench, lasting()));
    let guard = take(&mine).await;
    assert!(matches!(other.try_acquire().await, Ok(Attempt::Busy { .. })));
    bench.crash_server().await;
    let error = other.try_acquire().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let error = other.acquire(Duration::from_millis(1)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(guard.release().await.is_err(), "nobody knows whether it was still held");
}

#[tokio::test]
async fn what_waiting_does_not_cure_is_told_at_once() {
    let bench = Bench::start().await;
    bench.run::<u8>(&["LPUSH", "lock:{t}:fence", "no", "counter"]).await;
    let error = lock(&bench.redis(), lasting()).acquire(LIMIT).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert!(!bench.is_locked().await, "a lock without a token would be in everybody's way");
}

/// The classic mistake: a `DEL` without a look at whose it is.
#[tokio::test]
async fn another_owners_lock_is_not_released() {
    let bench = Bench::start().await;
    let stalled = take(&lock(&bench.redis(), lasting())).await;
    // As if it had expired.
    bench.run::<u8>(&["DEL", KEY]).await;
    let heir = take(&elsewhere(&bench, lasting())).await;
    assert!(!stalled.release().await.unwrap());
    assert!(bench.is_locked().await);
    busy(&elsewhere(&bench, lasting())).await;
    assert!(heir.release().await.unwrap());
}

#[tokio::test]
async fn nor_is_it_by_a_guard_that_is_dropped() {
    let bench = Bench::start().await;
    let mine = lock(&bench.redis(), lasting());
    let stalled = take(&mine).await;
    bench.run::<u8>(&["DEL", KEY]).await;
    let heir = take(&elsewhere(&bench, lasting())).await;
    let before = bench.calls("evalsha").await;
    drop(stalled);
    eventually("the dropped one to ask for its release", LIMIT, || async {
        same(&(before + 1), &bench.calls("evalsha").await)
    })
    .await;
    assert!(heir.release().await.unwrap());
}

#[tokio::test]
async fn nobody_renews_anothers_lock() {
    let bench = Bench::start().await;
    let mine = lock(&bench.redis(), expiring(Duration::from_secs(2)));
    let stalled = take(&mine).await;
    bench.run::<()>(&["SET", KEY, "heir", "PX", "3600000"]).await;
    stalled.lost().cancelled().await;
    assert!(bench.run::<u64>(&["PTTL", KEY]).await > 3_000_000);
    assert_eq!(bench.run::<String>(&["GET", KEY]).await, "heir");
}

/// redis-kit's own keys must be in one slot whatever the name.
#[tokio::test]
async fn a_name_without_a_hash_tag_will_do() {
    let bench = Bench::start().await;
    for name in ["nightly", "user:17"] {
        let lock = Lock::new(&bench.redis(), name, lasting()).unwrap();
        assert!(take(&lock).await.release().await.unwrap(), "{name}");
    }
}

#[tokio::test]
async fn a_key_that_never_expires_is_busy_for_good() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", KEY, "by hand"]).await;
    let mine = lock(&bench.redis(), lasting());
    assert_eq!(busy(&mine).await, Duration::MAX);
    assert!(mine.acquire(Duration::from_millis(50)).await.unwrap().held().is_none());
}
