//! What a handler need not see, and how long a stream rests.

use std::time::{Duration, Instant};

use redis_kit::{
    stream::{Commit, Delivery, Failure, Handler, Worker, WorkerOptions, encode},
    trace::TraceContext,
};
use tokio_util::sync::CancellationToken;

use super::{numbered, options, strs};
use crate::{
    handlers::{Notes, done},
    harness::{Bench, GROUP, Job, STREAM},
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
