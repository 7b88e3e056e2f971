//! Work that takes longer than the lock's time to live, and locks that are lost meanwhile.

use std::time::Duration;

use redis_kit::lock::{LockOptions, Lost};
use tokio::time::{Instant, sleep, timeout};

use super::{KEY, busy, elsewhere, expiring, lasting, lock, take};
use crate::{
    handlers::Notes,
    harness::{Bench, LIMIT},
};

const TTL: Duration = Duration::from_secs(1);

#[tokio::test]
async fn work_longer_than_the_ttl_keeps_the_lock() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), expiring(TTL))).await;
    let other = elsewhere(&bench, expiring(TTL));
    guard.run(sleep(3 * TTL)).await.expect("the lock was renewed");
    assert!(busy(&other).await <= TTL + Duration::from_millis(1));
    assert!(guard.deadline() > Instant::now());
    assert!(guard.release().await.unwrap());
}

#[tokio::test]
async fn it_is_not_kept_beyond_the_longest_hold() {
    let bench = Bench::start().await;
    let longest = 2 * TTL;
    let asked = Instant::now();
    let guard = take(&lock(&bench.redis(), LockOptions { max_hold: longest, ..expiring(TTL) })).await;
    let latest = Instant::now() + longest;
    timeout(LIMIT, guard.lost().cancelled()).await.expect("work that hangs loses its lock");
    assert!(guard.deadline() > asked + TTL, "it was renewed before");
    assert!(guard.deadline() <= latest && !guard.is_held());
    bench.until_locked(false).await;
    assert!(!guard.release().await.unwrap());
}

/// node-redlock#309: whoever waits for Redis to say that the lock is lost works on without it.
#[tokio::test]
async fn a_loss_is_noticed_while_redis_is_cut_off() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let guard = take(&lock(&redis, expiring(TTL))).await;
    proxy.silence();
    let cut_off = Instant::now();
    let work = timeout(LIMIT, guard.run(std::future::pending::<()>())).await.expect("an end");
    assert_eq!(work, Err(Lost));
    // The last renewal that may have come through was asked for before. So Redis cannot have expired the lock earlier.
    assert!(guard.deadline() < cut_off + TTL);
    assert!(Instant::now() >= guard.deadline() && guard.lost().is_cancelled() && !guard.is_held());
    bench.until_locked(false).await;
}

#[tokio::test]
async fn a_loss_is_noticed_while_redis_is_down() {
    let mut bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), expiring(TTL))).await;
    bench.crash_server().await;
    timeout(LIMIT, guard.lost().cancelled()).await.expect("the loss to be noticed");
    assert!(!guard.is_held());
}

#[tokio::test]
async fn a_cut_that_is_shorter_than_the_ttl_loses_nothing() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let guard = take(&lock(&redis, expiring(3 * TTL))).await;
    proxy.refuse();
    proxy.reset_connections();
    let first = guard.deadline();
    // A renewal is due by now and fails.
    sleep(TTL + TTL / 2).await;
    proxy.pass();
    guard.run(tokio::time::sleep_until(first)).await.expect("it is renewed as soon as Redis is there");
    assert!(guard.release().await.unwrap());
}

#[tokio::test]
async fn a_revoked_lock_is_noticed_at_the_next_renewal() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), expiring(6 * TTL))).await;
    bench.run::<u8>(&["DEL", KEY]).await;
    assert_eq!(guard.run(std::future::pending::<()>()).await, Err(Lost));
    assert!(Instant::now() < guard.deadline(), "Redis said so before the time was over");
}

#[tokio::test]
async fn work_is_dropped_where_it_waits() {
    struct OnDrop(Notes<()>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.push(());
        }
    }
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), expiring(TTL))).await;
    let dropped = Notes::new();
    let on_drop = OnDrop(dropped.clone());
    bench.run::<u8>(&["DEL", KEY]).await;
    let work = guard.run(async move {
        let _on_drop = on_drop;
        std::future::pending::<()>().await;
    });
    assert_eq!(work.await, Err(Lost));
    assert_eq!(dropped.all().len(), 1);
}

/// A garbage collector, a debugger, a machine that swaps: for the process no time has passed.
#[tokio::test]
async fn a_process_that_was_paused_does_not_go_on_with_a_lock_that_ran_out() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), expiring(TTL))).await;
    let steps = Notes::new();
    let work = guard.run(async {
        steps.push("before");
        // The only thread, so that the guard's keeper is paused with the work.
        std::thread::sleep(TTL + TTL / 10);
        tokio::task::yield_now().await;
        steps.push("after");
    });
    assert_eq!(work.await, Err(Lost));
    assert_eq!(steps.all(), ["before"]);
}

#[tokio::test]
async fn work_that_ends_in_time_gives_its_result() {
    let bench = Bench::start().await;
    let guard = take(&lock(&bench.redis(), lasting())).await;
    assert_eq!(guard.run(async { 17 }).await, Ok(17));
    assert!(guard.release().await.unwrap());
}
