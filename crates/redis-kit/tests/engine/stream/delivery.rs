//! What is delivered, and how much at a time.

use redis_kit::stream::{Commit, WorkerOptions};
use test_support::eventually;

use crate::{
    handlers::{Gate, Notes, done, gated},
    harness::{Bench, LIMIT, STREAM, Working, options, options_with_takeover, same},
};

#[tokio::test]
async fn entries_appended_before_the_first_worker_are_handled() {
    let bench = Bench::start().await;
    bench.want(&["a", "b", "c"]).await;
    let worker = bench.work("w", options(), |job| async move { done(&job) }).await;
    bench.finished(vec!["a", "b", "c"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn joining_a_group_that_exists_neither_skips_nor_repeats() {
    let bench = Bench::start().await;
    bench.want(&["before"]).await;
    let first = bench.work("first", options(), |job| async move { done(&job) }).await;
    bench.finished(vec!["before"]).await;
    first.stop().await;
    bench.want(&["between"]).await;
    let second = bench.work("second", options(), |job| async move { done(&job) }).await;
    let third = bench.work("third", options(), |job| async move { done(&job) }).await;
    bench.want(&["after"]).await;
    bench.finished(vec!["before", "between", "after"]).await;
    second.stop().await;
    third.stop().await;
}

#[tokio::test]
async fn a_worker_handles_all_its_streams_and_says_which_one() {
    let bench = Bench::start().await;
    let redis = bench.redis();
    let handled = Notes::new();
    let noted = handled.clone();
    let streams = ["jobs:{0}", "jobs:{1}", "jobs:{2}"];
    let worker = Working::start(&redis, &streams, "w", options(), move |job| {
        noted.push((job.message.name().to_owned(), job.partition));
        async { Ok(Commit::new()) }
    })
    .await;
    let fields = ["type", "job.wanted", "id", "018f4e7a-0000-7000-8000-000000000000"];
    for (partition, stream) in streams.iter().enumerate() {
        let data = format!(r#"{{"type":"job.wanted","name":"{stream}"}}"#);
        let rest = ["occurred_at", "2026-01-01T00:00:00Z", "data", &data];
        bench.run::<String>(&[&["XADD", stream, "*"], fields.as_slice(), &rest].concat()).await;
        handled.until(partition + 1).await;
    }
    let expected: Vec<_> = streams.iter().map(ToString::to_string).zip(0..).collect();
    assert_eq!(handled.all(), expected);
    worker.stop().await;
}

#[tokio::test]
async fn no_more_is_handled_or_pending_than_there_are_slots() {
    let bench = Bench::start().await;
    let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.want(&names).await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let options = WorkerOptions { concurrency: 3, ..options() };
    let worker = bench.work("w", options, gated(&gate, &started)).await;
    for finished in 0..10 {
        // Three are being handled, and as many are pending: none lies in a buffer, where it would only grow old.
        started.until(finished + 3).await;
        assert_eq!(started.all().len(), finished + 3);
        assert_eq!(bench.pending().await.len(), 3);
        gate.let_through(1);
        eventually("the next to be done", LIMIT, || async {
            same(&(finished + 1), &bench.done().await.len())
        })
        .await;
    }
    gate.open();
    bench.finished(names).await;
    worker.stop().await;
}

#[tokio::test]
async fn several_workers_share_the_entries_and_each_is_done_once() {
    let bench = Bench::start().await;
    let mut workers = Vec::new();
    for consumer in ["a", "b", "c"] {
        workers.push(bench.work(consumer, options(), |job| async move { done(&job) }).await);
    }
    let names: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.want(&names).await;
    bench.finished(names).await;
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn an_entry_deleted_while_it_waits_for_somebody_blocks_nothing() {
    let bench = Bench::start().await;
    let ids = bench.want(&["deleted", "kept"]).await;
    bench.run::<()>(&["XGROUP", "CREATE", STREAM, "workers", "0"]).await;
    let read = ["XREADGROUP", "GROUP", "workers", "gone", "COUNT", "9", "STREAMS", STREAM, ">"];
    bench.run::<redis::Value>(&read).await;
    bench.run::<u64>(&["XDEL", STREAM, &ids[0]]).await;
    let worker = bench.work("w", options_with_takeover(), |job| async move { done(&job) }).await;
    bench.finished(vec!["kept"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn an_entry_deleted_while_it_is_handled_is_done_all_the_same() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let worker = bench.work("w", options(), gated(&gate, &started)).await;
    let ids = bench.want(&["a"]).await;
    started.until(1).await;
    bench.run::<u64>(&["XDEL", STREAM, &ids[0]]).await;
    gate.open();
    bench.finished(vec!["a"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn commits_that_are_ready_together_share_script_calls() {
    let bench = Bench::start().await;
    let names: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.want(&names).await;
    let options = WorkerOptions { concurrency: 256, ..options() };
    let worker = bench.work("w", options, |job| async move { done(&job) }).await;
    bench.finished(names).await;
    let calls = bench.calls("evalsha").await;
    assert!(calls < 250, "{calls} calls of scripts for a thousand entries");
    worker.stop().await;
}
