//! A pause in ordered mode falls between two entries, and keeps the partition.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use redis_kit::stream::{Failure, Pause, WorkerOptions};
use test_support::eventually;

use super::{lease, names_and_attempts, options, options_with_takeover, watched};
use crate::{
    handlers::{Gate, Notes, done, gated},
    harness::{Bench, LIMIT, NEVER, STREAM, same},
};

fn pausable(options: WorkerOptions) -> (WorkerOptions, Pause) {
    let pause = Pause::default();
    (WorkerOptions { pause: pause.clone(), ..options }, pause)
}

async fn done_is(bench: &Bench, names: &[&str]) {
    eventually("them to be done", LIMIT, || async { same(&names, &bench.done().await.as_slice()) }).await;
}

/// Waits until a paused worker has looked so often that it would have passed what is there.
async fn long_enough(bench: &Bench) {
    bench.until_called("evalsha", 10).await;
}

#[tokio::test]
async fn the_entry_in_hand_is_finished_and_all_others_follow_in_order_after_the_pause() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let (options, pause) = pausable(options());
    let worker = bench.work("w", options, gated(&gate, &started)).await;
    // All are read together, so the pause falls between two that are in memory.
    bench.want(&["a", "b", "c"]).await;
    started.until(1).await;
    pause.set(true);
    gate.open();
    done_is(&bench, &["a"]).await;
    bench.want(&["d"]).await;
    long_enough(&bench).await;
    assert_eq!((started.all(), bench.unread().await), (vec!["a".to_owned()], 3));
    worker.status.check().unwrap();
    pause.set(false);
    bench.finished(vec!["a", "b", "c", "d"]).await;
    assert_eq!(bench.done().await, ["a", "b", "c", "d"]);
    worker.stop().await;
    bench.assert_passed(STREAM).await;
}

#[tokio::test]
async fn an_entry_that_failed_before_the_pause_is_known_to_have_after_it() {
    let bench = Bench::start().await;
    let (options, pause) = pausable(options());
    let (attempts, switch) = (Notes::new(), pause.clone());
    let noted = attempts.clone();
    let worker = bench
        .work("w", options, move |job| {
            noted.push(job.attempt);
            switch.set(job.attempt == 1);
            async move { if job.attempt == 1 { Err(Failure::retry("not yet")) } else { done(&job) } }
        })
        .await;
    bench.want(&["a"]).await;
    attempts.until(1).await;
    long_enough(&bench).await;
    assert_eq!(attempts.all(), [1]);
    pause.set(false);
    bench.finished(vec!["a"]).await;
    assert_eq!(attempts.all(), [1, 2]);
    worker.stop().await;
}

#[tokio::test]
async fn a_paused_instance_keeps_its_partition_for_longer_than_a_lease() {
    let bench = Bench::start().await;
    let (options, pause) = pausable(options_with_takeover());
    let lease_time = options.lease;
    let (of_paused, of_other) = (Notes::new(), Notes::new());
    // Its name comes first, so it is nobody else's turn.
    let worker = bench.work("a", options, watched(&of_paused)).await;
    pause.set(true);
    let other = bench.work("b", options_with_takeover(), watched(&of_other)).await;
    bench.want(&["one"]).await;
    let held = bench.run::<HashMap<String, String>>(&["HGETALL", &lease(STREAM)]).await;
    let since = Instant::now();
    eventually("more than a lease's time to pass", LIMIT, || async {
        if since.elapsed() > lease_time * 2 { Ok(()) } else { Err("it has not") }
    })
    .await;
    let still = bench.run::<HashMap<String, String>>(&["HGETALL", &lease(STREAM)]).await;
    assert_eq!((&held["holder"], &held["fence"]), (&still["holder"], &still["fence"]));
    assert!(of_paused.all().is_empty() && of_other.all().is_empty());
    worker.status.check().unwrap();
    pause.set(false);
    bench.finished(vec!["one"]).await;
    assert_eq!(names_and_attempts(&of_paused), [("one".to_owned(), 1)]);
    worker.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_paused_instance_stops_at_once_and_gives_the_partition_away() {
    let bench = Bench::start().await;
    let (options, pause) = pausable(WorkerOptions { block: NEVER, ..options() });
    pause.set(true);
    let worker = bench.work("w", options, watched(&Notes::new())).await;
    bench.want(&["a"]).await;
    let asked = Instant::now();
    worker.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let lease: Vec<String> = bench.run(&["HKEYS", &lease(STREAM)]).await;
    assert_eq!(lease, ["fence"]);
}
