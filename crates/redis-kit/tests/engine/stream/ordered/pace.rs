//! What a handler need not see, and how long a stream rests.

use std::time::{Duration, Instant};

use redis_kit::{
    stream::{Commit, Delivery, Failure, Handler, Worker, WorkerOptions, encode},
    trace::TraceContext,
};
use test_support::eventually;
use tokio_util::sync::CancellationToken;

use super::{numbered, options, strs};
use crate::{
    handlers::{Notes, done},
    harness::{Bench, GROUP, Job, LIMIT, STREAM, same},
};

/// Wants to see only what is to be done.
struct Picky(Notes<String>);

impl Handler for Picky {
    type Message = Job;

    fn concerns(&self, message_type: &str) -> bool {
        message_type == "job.wanted"
    }

    async fn handle(&self, job: Delivery<Job>) -> Result<Commit, Failure> {
        self.0.push(job.message.name().to_owned());
        done(&job)
    }
}

#[tokio::test]
async fn what_does_not_concern_a_handler_is_passed_without_it_and_need_not_even_be_readable() {
    let bench = Bench::start().await;
    let other = encode(&Job::Done { name: "other".into() }, &TraceContext::root()).unwrap();
    let append = async |fields: &[(&str, &str)]| {
        let mut words = vec!["XADD", STREAM, "*"];
        words.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
        bench.run::<String>(&words).await
    };
    for name in ["a", "b"] {
        append(&other.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        append(&[("type", "job.done"), ("data", "{")]).await;
        append(&[("type", "job.unheard-of")]).await;
        bench.want(&[name]).await;
    }
    let seen = Notes::new();
    let handler = Picky(seen.clone());
    let worker =
        Worker::start(&bench.redis(), &[STREAM.to_owned()], GROUP, "w", handler, options()).await.unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run(stop.clone()));
    bench.finished(vec!["a", "b"]).await;
    stop.cancel();
    running.await.unwrap();
    bench.assert_passed(STREAM).await;
    assert_eq!(seen.all(), ["a", "b"]);
    assert!(bench.dead_letters().await.is_empty());
}

/// How often the group's cursor was moved.
async fn moves(bench: &Bench) -> u64 {
    bench.calls("xgroup|setid").await
}

#[tokio::test]
async fn what_does_not_concern_a_handler_is_passed_with_the_next_that_does_or_when_nothing_comes() {
    let bench = Bench::start().await;
    let other = encode(&Job::Done { name: "other".into() }, &TraceContext::root()).unwrap();
    let words = other.each_ref().map(|(name, value)| [*name, value.as_str()]).concat();
    let append = [&["XADD", STREAM, "*"], words.as_slice()].concat();
    let handler = Picky(Notes::new());
    let worker =
        Worker::start(&bench.redis(), &[STREAM.to_owned()], GROUP, "w", handler, options()).await.unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run(stop.clone()));
    bench.want(&["first"]).await;
    bench.finished(vec!["first"]).await;
    let before = moves(&bench).await;
    for _ in 0..20 {
        bench.run::<String>(&append).await;
    }
    bench.want(&["second"]).await;
    bench.finished(vec!["first", "second"]).await;
    assert!(moves(&bench).await - before < 10, "one for each that is nothing to anybody");
    bench.run::<String>(&append).await;
    eventually("the last to be passed", LIMIT, || async { same(&Some(0), &bench.lag().await) }).await;
    stop.cancel();
    running.await.unwrap();
    bench.assert_passed(STREAM).await;
}

/// How often the cursor is moved for ten entries that come one by one.
async fn moves_for_ten(gather: Duration) -> u64 {
    let bench = Bench::start().await;
    let options = WorkerOptions { gather, concurrency: 100, ..options() };
    let worker = bench.work("w", options, async |job| done(&job)).await;
    bench.want(&["first"]).await;
    bench.finished(vec!["first"]).await;
    let (before, names) = (moves(&bench).await, numbered(0..10));
    for name in &names {
        bench.want(&[name]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.finished([vec!["first"], strs(&names)].concat()).await;
    let moved = moves(&bench).await - before;
    worker.stop().await;
    moved
}

#[tokio::test]
async fn entries_that_gather_are_passed_together() {
    let one_by_one = moves_for_ten(Duration::ZERO).await;
    let gathered = moves_for_ten(Duration::from_millis(400)).await;
    assert!(gathered < one_by_one, "{gathered} times, and {one_by_one} without");
}

const WORK: Duration = Duration::from_millis(20);

async fn worked(job: Delivery<Job>) -> Result<Commit, Failure> {
    tokio::time::sleep(WORK).await;
    done(&job)
}

async fn others_are_busy() {
    loop {
        std::thread::sleep(Duration::from_millis(2));
        tokio::task::yield_now().await;
    }
}

/// How long it takes until a first job is done, and those that came right after it.
async fn all_done_after(rest: u32) -> Duration {
    let bench = Bench::start().await;
    let worker = bench.work("w", WorkerOptions { rest, ..options() }, worked).await;
    let began = Instant::now();
    bench.want(&["first"]).await;
    bench.finished(vec!["first"]).await;
    // The rest has begun, and all of these come in it.
    bench.want(&strs(&numbered(0..3))).await;
    bench.finished(vec!["first", "0", "1", "2"]).await;
    let took = began.elapsed();
    worker.stop().await;
    bench.assert_passed(STREAM).await;
    took
}

#[tokio::test]
async fn a_stream_rests_for_as_long_as_others_are_busy() {
    let others = tokio::spawn(others_are_busy());
    let took = all_done_after(10).await;
    others.abort();
    assert!(took >= 10 * WORK, "it rested for less than {took:?}");
}

#[tokio::test]
async fn it_rests_no_longer_than_it_worked_if_there_is_nothing_else_to_do() {
    let took = all_done_after(1000).await;
    assert!(took < Duration::from_millis(900), "it rested up to {took:?}");
}

#[tokio::test]
async fn who_rests_stops_at_once() {
    let bench = Bench::start().await;
    let others = tokio::spawn(others_are_busy());
    let worker = bench.work("w", WorkerOptions { rest: 1000, ..options() }, worked).await;
    bench.want(&["first"]).await;
    bench.finished(vec!["first"]).await;
    let asked = Instant::now();
    worker.stop().await;
    others.abort();
    assert!(asked.elapsed() < Duration::from_millis(500), "it slept on for {:?}", asked.elapsed());
}
