//! Locks that are asked for at the same time share a call, and nothing else.

use std::time::Duration;

use futures_util::future::join_all;
use redis_kit::lock::{Attempt, Guard, Lock, Locks};

use super::{FENCE, KEY, busy, expiring, lasting, take};
use crate::harness::{Bench, LIMIT};

/// Locks of one slot.
fn beside(locks: &Locks, count: usize) -> Vec<Lock> {
    (0..count).map(|n| locks.lock(format!("{KEY}:{n}"), lasting())).collect()
}

async fn take_all(locks: &[Lock]) -> Vec<Guard> {
    join_all(locks.iter().map(take)).await
}

async fn release_all(guards: Vec<Guard>) {
    for released in join_all(guards.into_iter().map(Guard::release)).await {
        assert!(released.unwrap());
    }
}

#[tokio::test]
async fn a_call_takes_many_but_not_all_that_there_may_be() {
    let bench = Bench::start().await;
    let locks = Locks::on(&bench.redis()).unwrap();
    take(&locks.lock(KEY, lasting())).await.release().await.unwrap();
    let (before, many) = (bench.calls("evalsha").await, beside(&locks, 1000));
    let guards = take_all(&many).await;
    assert_eq!(bench.calls("evalsha").await - before, 4, "256 in each");
    for lock in &many[..3] {
        busy(lock).await;
    }
    let before = bench.calls("evalsha").await;
    release_all(guards).await;
    assert_eq!(bench.calls("evalsha").await - before, 4);
}

/// On a cluster a script cannot touch keys of several slots, nor may a user those that are not theirs.
#[tokio::test]
async fn locks_of_many_slots_are_taken_and_given_back() {
    let bench = Bench::start().await;
    let locks = Locks::on(&bench.redis()).unwrap();
    // Twice: the first time it may not know yet that there are slots.
    for _ in 0..2 {
        let many: Vec<Lock> =
            (0..300).map(|n| locks.lock(format!("{{{}}}:{n}", n % 40), lasting())).collect();
        release_all(take_all(&many).await).await;
    }
}

#[tokio::test]
async fn one_that_fails_takes_no_other_with_it() {
    let bench = Bench::start().await;
    let locks = Locks::on(&bench.redis()).unwrap();
    let (bad, good) = (locks.lock(KEY, lasting()), beside(&locks, 20));
    bench.run::<u8>(&["LPUSH", FENCE, "no", "counter"]).await;
    let (failed, guards) = tokio::join!(bad.try_acquire(), take_all(&good));
    assert!(!failed.unwrap_err().is_transient());
    assert!(!bench.is_locked().await);
    release_all(guards).await;
}

#[tokio::test]
async fn nor_does_one_whose_key_the_user_may_not_touch() {
    let bench = Bench::start().await;
    let locks = Locks::on(&bench.redis()).unwrap();
    let (bad, good) = (locks.lock("secret:{t}", lasting()), beside(&locks, 20));
    bench.permit(&["resetkeys", "~lock:*"]).await;
    let (failed, guards) = tokio::join!(bad.try_acquire(), take_all(&good));
    assert!(!failed.unwrap_err().is_transient());
    release_all(guards).await;
}

#[tokio::test]
async fn an_attempt_that_is_dropped_before_it_was_sent_takes_nothing() {
    let bench = Bench::start().await;
    let locks = Locks::on(&bench.redis()).unwrap();
    let others = beside(&locks, 2);
    let dropped = locks.lock(KEY, lasting());
    {
        let mut attempt = Box::pin(dropped.try_acquire());
        assert!(futures_util::poll!(&mut attempt).is_pending());
    }
    release_all(take_all(&others).await).await;
    assert_eq!(bench.run::<u8>(&["EXISTS", FENCE]).await, 0, "it was never asked for");
}

/// Its request is in a call with others', which goes on without it.
#[tokio::test]
async fn an_attempt_that_is_dropped_while_others_wait_for_the_same_call_leaves_nothing_locked() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let locks = Locks::on(&redis).unwrap();
    let others = beside(&locks, 2);
    release_all(take_all(&others).await).await;
    let dropped = locks.lock(KEY, lasting());
    proxy.drop_replies();
    let attempt = tokio::spawn(async move { dropped.acquire(LIMIT).await.map(Attempt::held) });
    let waiting: Vec<_> = others
        .iter()
        .cloned()
        .map(|lock| tokio::spawn(async move { lock.acquire(LIMIT).await.map(Attempt::held) }))
        .collect();
    bench.until_locked(true).await;
    attempt.abort();
    assert!(attempt.await.unwrap_err().is_cancelled());
    bench.until_locked(false).await;
    proxy.pass();
    proxy.reset_connections();
    for guard in join_all(waiting).await {
        // Its first attempt was given back, or is yet to be.
        assert!(guard.unwrap().unwrap().expect("the lock in time").release().await.unwrap());
    }
}

#[tokio::test]
async fn a_runtime_that_stands_still_keeps_nobody_in_another_one_waiting() {
    let bench = Bench::start().await;
    let locks = Locks::on(&bench.redis()).unwrap();
    let mine = locks.lock(KEY, lasting());
    let still = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let other = locks.lock(format!("{KEY}:1"), lasting());
        runtime.block_on(async { assert!(futures_util::poll!(Box::pin(other.try_acquire())).is_pending()) });
        runtime
    });
    let still = still.join().unwrap();
    assert!(take(&mine).await.release().await.unwrap());
    std::thread::spawn(move || drop(still)).join().unwrap();
    assert!(take(&mine).await.release().await.unwrap());
}

/// Those who hold a lock share a timer, which is in one of their runtimes.
#[tokio::test]
async fn a_runtime_that_ends_takes_no_others_locks_with_it() {
    let bench = Bench::start().await;
    let locks = Locks::on(&bench.redis()).unwrap();
    let ttl = Duration::from_secs(2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let theirs = locks.lock(format!("{KEY}:1"), expiring(ttl));
    let theirs = runtime.spawn(async move { take(&theirs).await }).await.unwrap();
    let mine = take(&locks.lock(KEY, expiring(ttl))).await;
    runtime.shutdown_background();
    mine.run(tokio::time::sleep(2 * ttl)).await.expect("it is renewed all the same");
    assert!(!theirs.is_held());
    drop(theirs);
    assert!(mine.release().await.unwrap());
}
