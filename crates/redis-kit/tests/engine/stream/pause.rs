//! A worker that is paused takes nothing, and stays a member of its group.

use std::time::{Duration, Instant};

use redis_kit::stream::{Failure, Pause, WorkerOptions};
use test_support::eventually;

use crate::{
    handlers::{Gate, Notes, done, gated},
    harness::{Bench, LIMIT, NEVER, STREAM, options, options_with_takeover, same},
};

/// Turned on, with the switch.
fn paused(options: WorkerOptions) -> (WorkerOptions, Pause) {
    let pause = Pause::default();
    pause.set(true);
    (WorkerOptions { pause: pause.clone(), ..options }, pause)
}

/// Waits until a paused worker has gone round so often that it would have taken what is there.
async fn long_enough(bench: &Bench) {
    bench.until_called("exists", 5).await;
}

#[tokio::test]
async fn nothing_is_taken_until_the_pause_ends_and_then_all_of_it_at_once() {
    let bench = Bench::start().await;
    let (options, pause) = paused(WorkerOptions { concurrency: 1, ..options() });
    let worker = bench.work("w", options, |job| async move { done(&job) }).await;
    bench.want(&["a", "b", "c"]).await;
    long_enough(&bench).await;
    assert_eq!((bench.unread().await, bench.pending().await), (3, vec![]));
    worker.status.check().unwrap();
    pause.set(false);
    bench.finished(vec!["a", "b", "c"]).await;
    assert_eq!(bench.done().await, ["a", "b", "c"]);
    worker.stop().await;
}

#[tokio::test]
async fn what_is_in_hand_is_finished_and_nothing_taken_after_it() {
    let bench = Bench::start().await;
    let (gate, started, pause) = (Gate::closed(), Notes::new(), Pause::default());
    let options = WorkerOptions { concurrency: 1, pause: pause.clone(), ..options() };
    let worker = bench.work("w", options, gated(&gate, &started)).await;
    bench.want(&["a", "b"]).await;
    started.until(1).await;
    pause.set(true);
    gate.open();
    eventually("the first to be committed", LIMIT, || async { same(&["a"], &bench.done().await.as_slice()) })
        .await;
    long_enough(&bench).await;
    assert_eq!((bench.unread().await, bench.pending().await), (1, vec![]));
    pause.set(false);
    bench.finished(vec!["a", "b"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_retry_goes_on_waiting() {
    let bench = Bench::start().await;
    let (attempts, pause) = (Notes::new(), Pause::default());
    let (noted, switch) = (attempts.clone(), pause.clone());
    let worker = bench
        .work("w", WorkerOptions { pause: pause.clone(), ..options() }, move |job| {
            noted.push(job.attempt);
            // In the first attempt, so that the second would be due at once.
            switch.set(job.attempt == 1);
            async move { if job.attempt == 1 { Err(Failure::retry("not yet")) } else { done(&job) } }
        })
        .await;
    bench.want(&["a"]).await;
    attempts.until(1).await;
    let planned = ["ZCARD", "jobs:{t}:retry:workers"];
    eventually("the retry", LIMIT, || async { same(&1, &bench.run::<u64>(&planned).await) }).await;
    long_enough(&bench).await;
    assert_eq!(attempts.all(), [1]);
    pause.set(false);
    bench.finished(vec!["a"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn nobody_takes_over_what_a_paused_worker_has_in_hand_but_it_hands_on_what_the_dead_left() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let one = WorkerOptions { concurrency: 1, ..options_with_takeover() };
    let dying = bench.work("dying", one, gated(&Gate::closed(), &started)).await;
    bench.want(&["left"]).await;
    started.until(1).await;
    let pause = Pause::default();
    let options = WorkerOptions { pause: pause.clone(), ..options_with_takeover() };
    let worker = bench.work("paused", options, gated(&gate, &started)).await;
    bench.want(&["held"]).await;
    started.until(2).await;
    pause.set(true);
    dying.die().await;
    let waiting = ["ZCARD", "jobs:{t}:retry:workers"];
    eventually("what the dead one left to wait", LIMIT, || async {
        let count = bench.run::<u64>(&waiting).await;
        if count > 0 { Ok(()) } else { Err("nothing waits") }
    })
    .await;
    let leases = bench.leases().await;
    assert!(leases.len() == 1 && leases[0].starts_with("paused-"), "{leases:?}");
    let begun = started.all().len();
    long_enough(&bench).await;
    assert_eq!(started.all().len(), begun, "it took what the dead one left");
    gate.open();
    pause.set(false);
    bench.finished(vec!["left", "held"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_paused_worker_stops_at_once_and_leaves() {
    let bench = Bench::start().await;
    let (options, _pause) = paused(WorkerOptions { block: NEVER, ..options() });
    let worker = bench.work("w", options, |job| async move { done(&job) }).await;
    bench.want(&["a"]).await;
    let asked = Instant::now();
    worker.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(bench.consumers().await.is_empty() && bench.leases().await.is_empty());
    assert_eq!(bench.run::<usize>(&["XLEN", STREAM]).await, 1);
}

#[tokio::test]
async fn while_redis_is_away_a_paused_worker_is_not_well_and_it_stays_paused() {
    let mut bench = Bench::durable().await;
    let (options, pause) = paused(options());
    let worker = bench.work("w", options, |job| async move { done(&job) }).await;
    bench.want(&["a"]).await;
    bench.crash().await;
    let unwell = || async { if worker.status.check().is_err() { Ok(()) } else { Err("it says it is well") } };
    eventually("the worker to notice", LIMIT, unwell).await;
    bench.restart().await;
    eventually("the worker to be well", LIMIT, || async { worker.status.check() }).await;
    assert_eq!(bench.unread().await, 1);
    pause.set(false);
    bench.finished(vec!["a"]).await;
    worker.stop().await;
}
