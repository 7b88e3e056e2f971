//! Leases that are lost, names that are never used again, and consumers that are gone.

use std::time::Duration;

use redis_kit::stream::{Failure, WorkerOptions};
use test_support::eventually;
use tokio::time::Instant;

use crate::{
    handlers::{Gate, Notes, cancellable, done, gated},
    harness::{Bench, GROUP, LEASE, LIMIT, NEVER, STREAM, options, options_with_takeover, same},
};

#[tokio::test]
async fn a_lost_lease_cancels_the_handler_and_the_worker_goes_on_as_a_new_consumer() {
    let bench = Bench::start().await;
    let (gate, attempts, cancelled) = (Gate::closed(), Notes::new(), Notes::new());
    let handle = cancellable(&gate, &attempts, &cancelled);
    let worker = bench.work("w", options_with_takeover(), handle).await;
    bench.want(&["a"]).await;
    attempts.until(1).await;
    let before = bench.leases().await;
    bench.run::<u8>(&["HDEL", LEASE, &before[0]]).await;
    cancelled.until(1).await;
    gate.open();
    bench.finished(vec!["a"]).await;
    assert_eq!(attempts.all(), [1, 1], "losing a lease is no failed attempt");
    let after = bench.leases().await;
    assert!(after.len() == 1 && after != before, "{before:?} is now {after:?}");
    worker.stop().await;
    assert!(bench.consumers().await.is_empty());
}

#[tokio::test]
async fn redis_away_for_longer_than_the_lease_cancels_handlers_and_all_is_done_once() {
    let mut bench = Bench::durable().await;
    let (gate, attempts, cancelled) = (Gate::closed(), Notes::new(), Notes::new());
    let handle = cancellable(&gate, &attempts, &cancelled);
    let one = bench.work("one", options_with_takeover(), handle.clone()).await;
    let other = bench.work("other", options_with_takeover(), handle).await;
    bench.want(&["a", "b", "c", "d", "e"]).await;
    attempts.until(5).await;
    bench.crash().await;
    cancelled.until(5).await;
    gate.open();
    bench.restart().await;
    bench.finished(vec!["a", "b", "c", "d", "e"]).await;
    assert_eq!(attempts.all(), [1; 10], "being cut off is no failed attempt");
    one.stop().await;
    other.stop().await;
}

/// Everybody's lease may have run out while Redis was away, and everybody gets the time to come back.
#[tokio::test]
async fn nobody_alive_is_taken_for_dead_in_the_moment_redis_is_back() {
    let mut bench = Bench::durable().await;
    let (gate, attempts, cancelled) = (Gate::closed(), Notes::new(), Notes::new());
    let handle = cancellable(&gate, &attempts, &cancelled);
    let options = WorkerOptions { lease: Duration::from_secs(4), ..options() };
    let one = bench.work("one", options.clone(), handle.clone()).await;
    let other = bench.work("other", options.clone(), handle).await;
    bench.want(&["a", "b"]).await;
    attempts.until(2).await;
    // By now they look for the dead, which they do not at first.
    let stranger = ["XGROUP", "CREATECONSUMER", STREAM, GROUP, "stranger-0"];
    bench.run::<u8>(&stranger).await;
    eventually("the dead to be looked for", LIMIT, || async {
        same(&false, &bench.consumers().await.contains(&"stranger".to_owned()))
    })
    .await;
    let before = bench.leases().await;
    bench.crash().await;
    bench.restart().await;
    for name in &before {
        bench.run::<u8>(&["HSET", LEASE, name, "1"]).await;
    }
    eventually("the leases to be prolonged", LIMIT, || async {
        let until: Vec<f64> = bench.run(&["HVALS", LEASE]).await;
        let now = bench.time().await;
        if until.iter().all(|until| *until > now) { Ok(()) } else { Err(format!("{until:?}")) }
    })
    .await;
    assert_eq!(bench.leases().await, before);
    gate.open();
    bench.finished(vec!["a", "b"]).await;
    assert_eq!((attempts.all().len(), cancelled.all().len()), (2, 0));
    one.stop().await;
    other.stop().await;
}

/// apalis#504: a reused worker name hides a crash.
#[tokio::test]
async fn a_worker_of_the_same_name_takes_over_from_one_that_crashed() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let crashing = bench.work("w", options_with_takeover(), gated(&gate, &started)).await;
    bench.want(&["a"]).await;
    started.until(1).await;
    let before = bench.leases().await;
    crashing.die().await;
    let worker = bench.work("w", options_with_takeover(), |job| async move { done(&job) }).await;
    let after = bench.leases().await;
    assert!(after.len() == 2 && after.contains(&before[0]), "{before:?} is not told from {after:?}");
    bench.finished(vec!["a"]).await;
    eventually("the crashed one to be gone", LIMIT, || async {
        same(&vec!["w"], &bench.consumers().await)?;
        same(&1, &bench.leases().await.len())
    })
    .await;
    worker.stop().await;
}

/// redis#11567: dead consumers pile up.
#[tokio::test]
async fn dead_consumers_are_removed_also_those_that_left_retries() {
    let bench = Bench::start().await;
    let retry = |_| async { Err(Failure::retry_after("not yet", NEVER)) };
    let planned = ["ZCARD", "jobs:{t}:retry:workers"];
    for (count, name) in (1..).zip(["x", "y", "z"]) {
        let dying = bench.work(name, options_with_takeover(), retry).await;
        bench.want(&[name]).await;
        eventually("the retry", LIMIT, || async { same(&count, &bench.run::<u64>(&planned).await) }).await;
        dying.die().await;
    }
    let worker = bench.work("w", options_with_takeover(), |job| async move { done(&job) }).await;
    bench.want(&["a"]).await;
    eventually("the dead to be gone", LIMIT, || async { same(&vec!["w"], &bench.consumers().await) }).await;
    assert_eq!(bench.leases().await.len(), 1);
    assert_eq!(bench.done().await, ["a"]);
    let waiting = bench.pending().await;
    assert!(waiting.len() == 3 && waiting.iter().all(|entry| entry.consumer == "waiting"), "{waiting:?}");
    worker.stop().await;
}

/// redis#10756: what was deleted stays pending.
#[tokio::test]
async fn an_entry_deleted_while_it_waits_for_its_retry_is_forgotten() {
    let bench = Bench::start().await;
    let ids = bench.want(&["deleted"]).await;
    let (attempts, pause) = (Notes::new(), Duration::from_millis(500));
    let noted = attempts.clone();
    let worker = bench
        .work("w", options(), move |job| {
            noted.push(job.attempt);
            let deleted = job.message.name() == "deleted";
            let again = Failure::retry_after("not yet", pause);
            async move { if deleted { Err(again) } else { done(&job) } }
        })
        .await;
    attempts.until(1).await;
    bench.run::<u8>(&["XDEL", STREAM, &ids[0]]).await;
    bench.want(&["a"]).await;
    bench.finished(vec!["a"]).await;
    assert_eq!(bench.run::<u8>(&["EXISTS", "jobs:{t}:retry:workers", "jobs:{t}:attempts:workers"]).await, 0);
    assert!(bench.dead_letters().await.is_empty());
    worker.stop().await;
}

/// What its handlers were at is cancelled then, and never finished.
#[tokio::test]
async fn a_worker_that_loses_its_lease_while_it_stops_waits_for_nothing_more() {
    let bench = Bench::start().await;
    let (gate, attempts, cancelled) = (Gate::closed(), Notes::new(), Notes::new());
    let handle = cancellable(&gate, &attempts, &cancelled);
    let patient = WorkerOptions { grace: NEVER, ..options_with_takeover() };
    let worker = bench.work("one", patient, handle.clone()).await;
    bench.want(&["a"]).await;
    attempts.until(1).await;
    worker.ask_to_stop();
    bench.run::<u8>(&["DEL", LEASE]).await;
    cancelled.until(1).await;
    worker.stop().await;
    gate.open();
    let other = bench.work("other", options_with_takeover(), handle).await;
    bench.finished(vec!["a"]).await;
    assert_eq!(attempts.all(), [1, 1], "losing a lease is no failed attempt");
    other.stop().await;
}

#[tokio::test]
async fn a_worker_that_loses_its_lease_again_and_again_stops_in_time() {
    let bench = Bench::start().await;
    let worker = bench.work("w", options_with_takeover(), |job| async move { done(&job) }).await;
    let lose = async {
        loop {
            bench.run::<u8>(&["DEL", LEASE]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let asked = Instant::now();
    tokio::select! {
        () = worker.stop() => {}
        never = lose => never,
    }
    assert!(asked.elapsed() < LIMIT);
}
