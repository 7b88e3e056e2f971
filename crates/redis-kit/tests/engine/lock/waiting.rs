//! Waiting for a lock: woken when it is free, and not a word to Redis until then.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use redis_kit::lock::{Attempt, Lock, Locks};
use test_support::eventually;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{KEY, busy, elsewhere, expiring, lasting, lock, take};
use crate::{
    handlers::Notes,
    harness::{Bench, LIMIT, same},
};

/// Waits in a task of its own, and gives the lock back at once.
fn wait(lock: &Lock) -> JoinHandle<u64> {
    let lock = lock.clone();
    tokio::spawn(async move {
        let guard = lock.acquire(LIMIT).await.unwrap().held().expect("the lock in time");
        let token = guard.token();
        assert!(guard.release().await.unwrap());
        token
    })
}

#[tokio::test]
async fn a_release_wakes_who_waits() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), lasting())).await;
    let token = guard.token();
    let waiter = wait(&elsewhere(&bench, lasting()));
    bench.until_waited_for().await;
    assert!(guard.release().await.unwrap());
    assert!(waiter.await.unwrap() > token);
    bench.until_locked(false).await;
}

#[tokio::test]
async fn a_dropped_guard_wakes_who_waits() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), lasting())).await;
    let waiter = wait(&elsewhere(&bench, lasting()));
    bench.until_waited_for().await;
    drop(guard);
    waiter.await.unwrap();
}

/// Two processes of fifty waiters each. Redis hears of two of them until the lock is free, and then of each when its
/// turn comes.
#[tokio::test]
async fn waiters_do_not_poll_and_a_release_does_not_wake_them_all() {
    const WAITERS: u64 = 50;
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), lasting())).await;
    let processes = [elsewhere(&bench, lasting()), elsewhere(&bench, lasting())];
    let before = bench.calls("evalsha").await;
    let waiters: Vec<_> = processes.iter().flat_map(|lock| (0..WAITERS).map(|_| wait(lock))).collect();
    bench.until_waited_for().await;
    // That nothing happens can only be seen by waiting.
    sleep(Duration::from_secs(1)).await;
    let waiting = bench.calls("evalsha").await - before;
    assert!(waiting <= 6, "{waiting} calls by two processes, who ask, listen, and ask again");
    assert!(guard.release().await.unwrap());
    for token in join_all(waiters).await {
        token.unwrap();
    }
    let calls = bench.calls("evalsha").await - before;
    // Each takes it and gives it back, and may find once that the other process was faster.
    assert!(calls <= 2 * WAITERS * 3 + 10, "{calls} calls");
}

#[tokio::test]
async fn waiters_of_one_process_hand_the_lock_on_in_the_order_of_coming() {
    let bench = Bench::start().await;
    let mine = lock(&bench.redis(), lasting());
    let guard = mine.acquire(LIMIT).await.unwrap().held().unwrap();
    let order = Notes::new();
    let mut waiters = Vec::new();
    for n in 0..20 {
        let (mine, order) = (mine.clone(), order.clone());
        waiters.push(tokio::spawn(async move {
            let guard = mine.acquire(LIMIT).await.unwrap().held().unwrap();
            order.push(n);
            guard.release().await.unwrap();
        }));
        tokio::task::yield_now().await;
    }
    let before = bench.calls("evalsha").await;
    guard.release().await.unwrap();
    join_all(waiters).await;
    assert_eq!(order.all(), (0..20).collect::<Vec<_>>());
    let calls = bench.calls("evalsha").await - before;
    assert!(calls <= 45, "{calls} calls for 41 acquisitions and releases");
}

#[tokio::test]
async fn who_waits_gets_the_lock_of_a_holder_that_died() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", KEY, "dead", "PX", "1000"]).await;
    let before = bench.calls("evalsha").await;
    wait(&lock(&bench.redis(), lasting())).await.unwrap();
    let calls = bench.calls("evalsha").await - before;
    assert!(
        calls <= 5,
        "{calls} calls: it asks, listens, asks again, asks when it has expired, and releases"
    );
}

/// A message that comes while the subscription is broken is heard by nobody.
#[tokio::test]
async fn a_release_that_was_not_heard_is_found_out() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    bench.run::<()>(&["SET", KEY, "other", "PX", "3600000"]).await;
    let waiter = wait(&lock(&redis, lasting()));
    bench.until_waited_for().await;
    proxy.refuse();
    proxy.reset_connections();
    bench.run::<u8>(&["DEL", KEY]).await;
    proxy.pass();
    waiter.await.unwrap();
}

/// What does not reach those who wait must not keep the lock from being given back.
#[tokio::test]
async fn who_may_not_publish_gives_the_lock_back_all_the_same() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), lasting())).await;
    bench.run::<()>(&["SET", "lock:{t}:waiters", "1", "PX", "3600000"]).await;
    bench.permit(&["-publish"]).await;
    assert!(guard.release().await.unwrap());
    assert!(!bench.is_locked().await);
}

#[tokio::test]
async fn patience_has_an_end() {
    let bench = Bench::start().await;
    let mine = lock(&bench.redis(), lasting());
    let other = elsewhere(&bench, lasting());
    let guard = mine.acquire(LIMIT).await.unwrap().held().unwrap();
    // Both behind a holder in the same process, who is not asked about in Redis, and behind one elsewhere.
    for lock in [&mine, &other] {
        let patience = Duration::from_millis(100);
        let begun = Instant::now();
        let answer = timeout(LIMIT, lock.acquire(patience)).await.expect("an end").unwrap();
        assert!(begun.elapsed() >= patience);
        assert!(matches!(answer, Attempt::Busy { free_within } if free_within > Duration::from_mins(50)));
    }
    assert!(matches!(other.acquire(Duration::ZERO).await.unwrap(), Attempt::Busy { .. }));
    assert!(guard.release().await.unwrap());
    assert!(other.acquire(Duration::MAX).await.unwrap().held().is_some());
}

#[tokio::test]
async fn who_gives_up_waiting_is_in_nobodys_way() {
    let bench = Bench::start().await;
    let guard = take(&elsewhere(&bench, lasting())).await;
    let mine = lock(&bench.redis(), lasting());
    let first = wait(&mine);
    bench.until_waited_for().await;
    let second = wait(&mine);
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    guard.release().await.unwrap();
    second.await.unwrap();
}

#[tokio::test]
async fn a_lock_that_was_lost_keeps_nobody_in_its_process_waiting() {
    let bench = Bench::start().await;
    let mine = lock(&bench.redis(), expiring(Duration::from_secs(1)));
    let lost = mine.acquire(LIMIT).await.unwrap().held().unwrap();
    bench.run::<u8>(&["DEL", KEY]).await;
    wait(&mine).await.unwrap();
    assert!(!lost.release().await.unwrap());
}

#[tokio::test]
async fn redis_may_come_back_while_one_waits() {
    let mut bench = Bench::start().await;
    let mine = lock(&bench.redis(), lasting());
    bench.crash_server().await;
    let waiter = wait(&mine);
    // The first attempt fails while nothing is there.
    tokio::task::yield_now().await;
    bench.restart().await;
    waiter.await.unwrap();
}

/// Of two hundred increments by reading and writing none is lost, though half a dozen processes make them.
#[tokio::test]
async fn two_hundred_tasks_count_without_losing_one() {
    let bench = Bench::start().await;
    let processes: Vec<Locks> = (0..6).map(|_| Locks::on(&bench.redis()).unwrap()).collect();
    let redis = bench.redis().commands().unwrap();
    let inside = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let tasks = (0..200).map(|n| {
        let lock = processes[n % processes.len()].lock(KEY, expiring(LIMIT));
        let (mut redis, inside) = (redis.clone(), Arc::clone(&inside));
        tokio::spawn(async move {
            let guard = lock.acquire(LIMIT).await.unwrap().held().expect("the lock in time");
            assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
            let mut read = redis_kit::cmd("GET");
            let count: Option<u32> = read.arg("count:{t}").query_async(&mut redis).await.unwrap();
            let mut write = redis_kit::cmd("SET");
            write.arg("count:{t}").arg(count.unwrap_or(0) + 1).exec_async(&mut redis).await.unwrap();
            inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            // Either way to give it back.
            if n % 2 == 0 {
                assert!(guard.release().await.unwrap());
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    assert_eq!(bench.run::<u32>(&["GET", "count:{t}"]).await, 200);
    eventually("the last to give it back", LIMIT, || async { same(&false, &bench.is_locked().await) }).await;
}

#[tokio::test]
async fn locks_of_many_names_share_a_subscription() {
    let bench = Bench::start().await;
    let (mine, theirs) = (Locks::on(&bench.redis()).unwrap(), Locks::on(&bench.redis()).unwrap());
    let name = |n: u32| format!("lock:{{t}}:{n}");
    let mut guards = Vec::new();
    for n in 0..20 {
        guards.push(take(&theirs.lock(name(n), lasting())).await);
    }
    let waiters: Vec<_> = (0..20).map(|n| wait(&mine.lock(name(n), lasting()))).collect();
    for n in 0..20 {
        let waiters = format!("{}:waiters", name(n));
        eventually("each to wait", LIMIT, || async {
            same(&1, &bench.run::<u8>(&["EXISTS", &waiters]).await)
        })
        .await;
    }
    for guard in guards {
        assert!(guard.release().await.unwrap());
    }
    for waiter in waiters {
        timeout(LIMIT, waiter).await.expect("each to be woken").unwrap();
    }
    busy_for_none(&bench).await;
}

async fn busy_for_none(bench: &Bench) {
    let guard = take(&elsewhere(bench, lasting())).await;
    busy(&elsewhere(bench, lasting())).await;
    assert!(guard.release().await.unwrap());
}
