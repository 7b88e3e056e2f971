//! Consumers that die or stall, and others that take over what they left.

use std::time::Duration;

use redis_kit::stream::{Commit, Failure, WorkerOptions};
use test_support::eventually;
use tokio::time::Instant;

use crate::{
    handlers::{Gate, Notes, done, gated},
    harness::{Bench, GROUP, LIMIT, NEVER, Pending, STREAM, options, options_with_takeover, same},
};

#[tokio::test]
async fn what_a_dead_consumer_left_is_done_by_another() {
    let bench = Bench::start().await;
    let started = Notes::new();
    let noted = started.clone();
    let dying = bench
        .work("dying", options_with_takeover(), move |job| {
            noted.push(job.stream_id);
            std::future::pending()
        })
        .await;
    bench.want(&["a", "b"]).await;
    started.until(2).await;
    dying.die().await;

    let options = options_with_takeover();
    let lease = options.lease;
    let died = Instant::now();
    let heir = bench
        .work("heir", options, move |job| async move {
            assert_eq!(job.attempt, 1, "a takeover is no failed attempt");
            done(&job)
        })
        .await;
    bench.finished(vec!["a", "b"]).await;
    // With room for a machine that is busy with other things.
    assert!(died.elapsed() < lease * 2 + Duration::from_secs(5), "{:?}", died.elapsed());
    heir.stop().await;
}

#[tokio::test]
async fn entries_that_came_while_their_reader_died_are_done_by_another() {
    let bench = Bench::start().await;
    bench.want(&["a", "b"]).await;
    bench.run::<()>(&["XGROUP", "CREATE", STREAM, GROUP, "0"]).await;
    let read = ["XREADGROUP", "GROUP", GROUP, "dead", "COUNT", "2", "STREAMS", STREAM, ">"];
    bench.run::<redis::Value>(&read).await;
    let worker = bench.work("w", options_with_takeover(), |job| async move { done(&job) }).await;
    bench.finished(vec!["a", "b"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_zombie_changes_nothing_whatever_it_returns() {
    let bench = Bench::start().await;
    bench.want(&["commits", "retries", "rejects"]).await;
    let zombie = bench
        .frozen("zombie", options_with_takeover(), |job| match job.message.name() {
            "commits" => done(job),
            "retries" => Err(Failure::retry_after("not yet", NEVER)),
            _ => Err(Failure::reject("never")),
        })
        .await;

    // The heir has them in hand when the zombie wakes up, so each is still pending, but on another.
    let (gate, taken) = (Gate::closed(), Notes::new());
    let heir = bench.work("heir", options_with_takeover(), gated(&gate, &taken)).await;
    taken.until(3).await;
    let before = bench.pending().await;
    zombie.thaw().await;
    assert_eq!(bench.pending().await, before);
    assert!(bench.done().await.is_empty());

    gate.open();
    bench.finished(vec!["commits", "rejects", "retries"]).await;
    assert!(bench.dead_letters().await.is_empty());
    assert_eq!(bench.run::<u64>(&["EXISTS", "jobs:{t}:retry:workers", "jobs:{t}:attempts:workers"]).await, 0);
    heir.stop().await;
}

#[tokio::test]
async fn a_zombie_that_wakes_up_after_its_heir_has_finished_repeats_nothing() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let zombie = bench.frozen("zombie", options_with_takeover(), done).await;
    let heir = bench.work("heir", options_with_takeover(), |job| async move { done(&job) }).await;
    bench.finished(vec!["a"]).await;
    zombie.thaw().await;
    assert_eq!(bench.done().await, ["a"]);
    heir.stop().await;
}

#[tokio::test]
async fn a_zombie_with_nothing_to_write_acknowledges_nothing() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let zombie = bench.frozen("zombie", options_with_takeover(), |_| Ok(Commit::new())).await;
    let (gate, taken) = (Gate::closed(), Notes::new());
    let heir = bench.work("heir", options_with_takeover(), gated(&gate, &taken)).await;
    taken.until(1).await;
    zombie.thaw().await;
    assert_eq!(bench.pending().await.len(), 1);
    gate.open();
    bench.finished(vec!["a"]).await;
    heir.stop().await;
}

/// dapr/components-contrib#4599, taskiq-redis#101.
#[tokio::test]
async fn a_handler_may_take_much_longer_than_the_lease_and_is_not_repeated() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let options = WorkerOptions { lease: Duration::from_millis(900), ..options() };
    let slow = bench.work("slow", options.clone(), gated(&gate, &started)).await;
    bench.want(&["a", "b"]).await;
    started.until(2).await;
    let idle = bench.work("idle", options.clone(), gated(&gate, &started)).await;
    let begun = bench.time().await;
    eventually("the leases to be prolonged several times", LIMIT, || async {
        let until: Vec<f64> = bench.run(&["HVALS", "jobs:{t}:lease:workers"]).await;
        let enough = begun + options.lease.as_secs_f64() * 3000.0;
        if until.iter().all(|until| *until > enough) { Ok(()) } else { Err(format!("until {until:?}")) }
    })
    .await;
    assert_eq!(started.all().len(), 2);
    gate.open();
    bench.finished(vec!["a", "b"]).await;
    assert_eq!(started.all().len(), 2);
    slow.stop().await;
    idle.stop().await;
}

#[tokio::test]
async fn a_worker_does_not_take_from_itself_what_it_is_still_handling() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let (waiting, noted) = (gate.clone(), started.clone());
    let worker = bench
        .work("w", options_with_takeover(), move |job| {
            let (waiting, noted) = (waiting.clone(), noted.clone());
            async move {
                noted.push(job.message.name().to_owned());
                if job.message.name() == "slow" {
                    waiting.wait().await;
                }
                done(&job)
            }
        })
        .await;
    bench.want(&["slow"]).await;
    started.until(1).await;
    // While many looks for idle entries pass.
    for name in ["a", "b", "c", "d", "e"] {
        bench.want(&[name]).await;
        eventually("it to be done", LIMIT, || async {
            same(&Some(name.to_owned()), &bench.done().await.last().cloned())
        })
        .await;
    }
    let slow: Vec<Pending> = bench.pending().await;
    assert_eq!((slow.len(), slow[0].deliveries), (1, 1));
    gate.open();
    bench.finished(vec!["slow", "a", "b", "c", "d", "e"]).await;
    assert_eq!(started.all().len(), 6);
    worker.stop().await;
}

#[tokio::test]
async fn many_entries_that_wait_for_their_retry_do_not_hide_idle_ones_behind_them() {
    let bench = Bench::start().await;
    let names: Vec<String> = (0..1500).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let waiting = bench.want(&names).await;
    bench.want(&["idle"]).await;
    bench.run::<()>(&["XGROUP", "CREATE", STREAM, GROUP, "0"]).await;
    let read = ["XREADGROUP", "GROUP", GROUP, "dead", "STREAMS", STREAM, ">"];
    bench.run::<redis::Value>(&read).await;
    let mut wait = redis_kit::cmd("ZADD");
    wait.arg("jobs:{t}:retry:workers");
    for id in &waiting {
        wait.arg(9e15).arg(id);
    }
    wait.exec_async(&mut bench.commands()).await.unwrap();

    let options = WorkerOptions { concurrency: 1, ..options_with_takeover() };
    let worker = bench.work("w", options, |job| async move { done(&job) }).await;
    eventually("the idle one to be done", LIMIT, || async { same(&vec!["idle"], &bench.done().await) }).await;
    assert_eq!(bench.pending().await.len(), waiting.len());
    worker.stop().await;
}
