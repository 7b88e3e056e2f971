//! A worker that is asked to stop finishes or hands back what it has, and leaves.

use std::time::Duration;

use redis_kit::stream::{Failure, WorkerOptions};
use test_support::eventually;
use tokio::time::Instant;

use crate::{
    handlers::{Gate, Notes, done, gated},
    harness::{Bench, LIMIT, NEVER, STREAM, options, same},
};

#[tokio::test]
async fn an_idle_worker_stops_within_its_block_time_and_leaves_the_group() {
    let bench = Bench::start().await;
    let block = Duration::from_millis(200);
    let options = WorkerOptions { block, ..options() };
    let worker = bench.work("w", options, |job| async move { done(&job) }).await;
    bench.want(&["a"]).await;
    bench.finished(vec!["a"]).await;
    assert_eq!(bench.consumers().await, ["w"]);
    let asked = Instant::now();
    worker.stop().await;
    // With room for a machine that is busy with other things.
    assert!(asked.elapsed() < block + Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(bench.consumers().await.is_empty());
}

#[tokio::test]
async fn handlers_may_finish_and_nothing_new_is_taken() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let options = WorkerOptions { concurrency: 2, ..options() };
    let worker = bench.work("w", options, gated(&gate, &started)).await;
    bench.want(&["a", "b", "c"]).await;
    started.until(2).await;
    worker.ask_to_stop();
    gate.open();
    worker.stop().await;
    let mut finished = bench.done().await;
    finished.sort();
    assert_eq!(finished, ["a", "b"]);
    assert_eq!((bench.pending().await, bench.unread().await), (vec![], 1));
    assert!(bench.consumers().await.is_empty());
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_handed_back_and_taken_at_once() {
    let bench = Bench::start().await;
    let started = Notes::new();
    let noted = started.clone();
    let options_of_slow = WorkerOptions { grace: Duration::from_millis(50), ..options() };
    let slow = bench
        .work("slow", options_of_slow, move |job| {
            noted.push(job.stream_id);
            std::future::pending()
        })
        .await;
    bench.want(&["a", "b"]).await;
    started.until(2).await;
    slow.stop().await;
    assert_eq!(bench.pending().await.len(), 2);
    assert!(bench.consumers().await.is_empty());

    // Nobody is taken for dead here, so the entries can only come because they were handed back.
    let worker = bench
        .work("w", options(), |job| async move {
            assert_eq!(job.attempt, 1, "handing back is no failed attempt");
            done(&job)
        })
        .await;
    bench.finished(vec!["a", "b"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn handing_back_does_not_cut_short_the_pause_of_an_entry_that_failed() {
    let bench = Bench::start().await;
    let started = Notes::new();
    let noted = started.clone();
    let options = WorkerOptions { grace: Duration::from_millis(300), ..options() };
    let gate = Gate::closed();
    let waiting = gate.clone();
    let worker = bench
        .work("w", options, move |job| {
            let (noted, waiting) = (noted.clone(), waiting.clone());
            async move {
                noted.push(job.stream_id);
                waiting.wait().await;
                if job.message.name() == "fails" {
                    return Err(Failure::retry_after("not yet", NEVER));
                }
                std::future::pending().await
            }
        })
        .await;
    let ids = bench.want(&["fails", "never ends"]).await;
    started.until(2).await;
    worker.ask_to_stop();
    gate.open();
    worker.stop().await;
    let (now, _): (f64, u64) = bench.run(&["TIME"]).await;
    let mut due: Vec<(String, f64)> =
        bench.run(&["ZRANGE", "jobs:{t}:retry:workers", "0", "-1", "WITHSCORES"]).await;
    due.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!(due.iter().map(|(id, _)| id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert!(due[0].1 / 1000.0 > now + NEVER.as_secs_f64() / 2.0, "{due:?}");
    assert!(due[1].1 / 1000.0 <= now + 1.0, "{due:?}");
}

#[tokio::test]
async fn an_entry_that_comes_while_a_worker_stops_is_handled_or_left_unread() {
    let bench = Bench::start().await;
    let mut names = Vec::new();
    for round in 0..10 {
        let worker = bench.work(&format!("w{round}"), options(), |job| async move { done(&job) }).await;
        // Once this one is done, the worker is in the middle of its next read.
        names.extend([format!("before {round}"), format!("after {round}")]);
        bench.want(&[&names[2 * round]]).await;
        eventually("it to be done", LIMIT, || async {
            if bench.done().await.contains(&names[2 * round]) { Ok(()) } else { Err("it is not") }
        })
        .await;
        worker.ask_to_stop();
        bench.want(&[&names[2 * round + 1]]).await;
        worker.stop().await;
        assert_eq!(bench.pending().await, [], "it was read, and then forgotten");
        assert!(bench.consumers().await.is_empty());
    }
    let worker = bench.work("last", options(), |job| async move { done(&job) }).await;
    bench.finished(names.iter().map(String::as_str).collect()).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_leaves_an_entry_to_be_retried_leaves_all_the_same() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let retry = |_| async { Err(Failure::retry_after("not yet", NEVER)) };
    let worker = bench.work("w", options(), retry).await;
    let planned = ["ZCARD", "jobs:{t}:retry:workers"];
    eventually("the retry", LIMIT, || async { same(&1, &bench.run::<u64>(&planned).await) }).await;
    worker.stop().await;
    assert!(bench.consumers().await.is_empty());
    assert_eq!(bench.pending().await.len(), 1, "deleting its consumer would have destroyed it");
    assert_eq!(bench.run::<usize>(&["XLEN", STREAM]).await, 1);
}
