//! Redis dies, forgets, fills up, or cannot be heard.

use std::time::Duration;

use redis_kit::stream::{Delivery, Failure, WorkerOptions};
use test_support::eventually;

use crate::{
    handlers::{Gate, Notes, done, gated},
    harness::{Bench, Job, LIMIT, STREAM, Working, options, options_with_takeover, same},
};

#[tokio::test]
async fn after_redis_lost_its_data_later_entries_are_handled() {
    let bench = Bench::start().await;
    let worker = bench.work("w", options(), |job| async move { done(&job) }).await;
    for name in ["a", "b"] {
        bench.want(&[name]).await;
        bench.finished(vec![name]).await;
        bench.run::<()>(&["FLUSHALL"]).await;
        eventually("the group to be back", LIMIT, || {
            bench.try_run::<redis::Value>(&["XPENDING", STREAM, "workers"])
        })
        .await;
    }
    bench.want(&["c"]).await;
    bench.finished(vec!["c"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn handlers_that_were_busy_when_redis_lost_its_data_do_not_block_their_slots() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let options = WorkerOptions { concurrency: 1, ..options() };
    let worker = bench.work("w", options, gated(&gate, &started)).await;
    bench.want(&["lost"]).await;
    started.until(1).await;
    bench.run::<()>(&["FLUSHALL"]).await;
    bench.want(&["a"]).await;
    gate.open();
    bench.finished(vec!["a"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let bench = Bench::start().await;
    let worker = bench
        .work("w", options(), |job| async move {
            if job.attempt == 1 { Err(Failure::retry("not yet")) } else { done(&job) }
        })
        .await;
    let mut finished = Vec::new();
    for name in ["a", "b", "c"] {
        bench.want(&[name]).await;
        finished.push(name);
        bench.finished(finished.clone()).await;
        bench.run::<()>(&["SCRIPT", "FLUSH"]).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn everything_is_done_once_when_redis_is_killed_at_work() {
    let mut bench = Bench::durable().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let worker = bench.work("w", options_with_takeover(), gated(&gate, &started)).await;
    let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.want(&names[..30]).await;
    gate.let_through(10);
    started.until(14).await;

    // Four are in hand. Two of them end while Redis is away, and the rest after it is back.
    bench.crash().await;
    gate.let_through(2);
    bench.restart().await;
    bench.want(&names[30..]).await;
    gate.open();
    bench.finished(names).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_full_redis_still_takes_commits_retries_and_dead_letters() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let (waiting, noted) = (gate.clone(), started.clone());
    let options = WorkerOptions { concurrency: 1, ..options() };
    let worker = bench
        .work("w", options, move |job| {
            let (waiting, noted) = (waiting.clone(), noted.clone());
            async move {
                noted.push(job.stream_id);
                waiting.wait().await;
                match (job.message.name(), job.attempt) {
                    ("rejects", _) => Err(Failure::reject("never")),
                    ("retries", 1) => Err(Failure::retry("not yet")),
                    _ => done(&job),
                }
            }
        })
        .await;
    bench.want(&["commits", "retries", "rejects"]).await;
    started.until(1).await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = bench.try_run::<String>(&["XADD", STREAM, "*", "a", "b"]).await.unwrap_err();
    assert_eq!(refused.code(), Some("OOM"));
    gate.open();
    bench.finished(vec!["commits", "retries"]).await;
    bench.dead(1).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_applied_twice() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let options = WorkerOptions { concurrency: 1, ..options_with_takeover() };
    let worker = Working::start(&redis, &[STREAM], "w", options, gated(&gate, &started)).await;
    // The first makes Redis know the script.
    gate.let_through(1);
    bench.want(&["a", "b"]).await;
    started.until(2).await;
    proxy.drop_replies();
    gate.open();
    eventually("the commit to be carried out", LIMIT, || async {
        same(&vec!["a", "b"], &bench.done().await)
    })
    .await;
    proxy.pass();
    proxy.reset_connections();

    bench.want(&["c"]).await;
    bench.finished(vec!["a", "b", "c"]).await;
    assert_eq!(started.all(), ["a", "b", "c"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_failure_whose_answer_is_lost_is_counted_once() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let (gate, attempts) = (Gate::closed(), Notes::new());
    let (waiting, noted) = (gate.clone(), attempts.clone());
    let handle = move |job: Delivery<Job>| {
        let (waiting, noted) = (waiting.clone(), noted.clone());
        async move {
            noted.push(job.attempt);
            waiting.wait().await;
            let again = Failure::retry_after("not yet", Duration::from_secs(1));
            if job.attempt < 3 { Err(again) } else { done(&job) }
        }
    };
    let worker = Working::start(&redis, &[STREAM], "w", options(), handle).await;
    bench.want(&["a"]).await;
    // The first makes Redis know the script.
    gate.let_through(1);
    attempts.until(2).await;
    proxy.drop_replies();
    gate.open();
    let failures = ["HVALS", "jobs:{t}:attempts:workers"];
    eventually("the failure to be recorded", LIMIT, || async {
        let failures: Vec<String> = bench.run(&failures).await;
        if failures.iter().any(|known| known.contains("\"failed\":2")) {
            Ok(())
        } else {
            Err(failures.join(" "))
        }
    })
    .await;
    proxy.pass();
    proxy.reset_connections();
    bench.finished(vec!["a"]).await;
    assert_eq!(attempts.all(), [1, 2, 3]);
    worker.stop().await;
}

#[tokio::test]
async fn entries_that_were_sent_and_never_arrived_are_taken_up_again() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let handle = |job: Delivery<Job>| async move { done(&job) };
    // It reads so long that it surely does when the answers stop.
    let options = WorkerOptions { block: Duration::from_secs(1), ..options_with_takeover() };
    let worker = Working::start(&redis, &[STREAM], "w", options, handle).await;
    bench.want(&["a"]).await;
    bench.finished(vec!["a"]).await;
    eventually("the worker to read", LIMIT, || async {
        let clients: String = bench.run(&["CLIENT", "LIST"]).await;
        if clients.contains("cmd=xreadgroup") { Ok(()) } else { Err(clients) }
    })
    .await;
    proxy.drop_replies();
    bench.want(&["b", "c"]).await;
    eventually("one to be pending, unseen", LIMIT, || async {
        if bench.pending().await.is_empty() { Err("none is") } else { Ok(()) }
    })
    .await;
    proxy.pass();
    proxy.reset_connections();
    bench.finished(vec!["a", "b", "c"]).await;
    worker.stop().await;
}

/// redis-rs discards an answer that comes too late, and the entries that it brings are pending here.
#[tokio::test]
async fn entries_whose_read_was_given_up_are_taken_up_again_at_their_first_attempt() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let attempts = Notes::new();
    let noted = attempts.clone();
    let handle = move |job: Delivery<Job>| {
        noted.push(job.attempt);
        async move { done(&job) }
    };
    // No lease runs out here, so it is the consumer itself that finds them.
    let worker = Working::start(&redis, &[STREAM], "w", options(), handle).await;
    bench.want(&["a"]).await;
    bench.finished(vec!["a"]).await;
    proxy.drop_replies();
    // Reads may be on their way that came with an answer.
    eventually("one to be pending, unseen", LIMIT, || async {
        bench.want(&["b"]).await;
        if bench.pending().await.is_empty() { Err("none is") } else { Ok(()) }
    })
    .await;
    // What was connected stays silent for ever, until the client gives up waiting.
    proxy.pass();
    let wanted: usize = bench.run(&["XLEN", STREAM]).await;
    attempts.until(wanted).await;
    bench.settled().await;
    assert_eq!(attempts.all(), vec![1; wanted]);
    assert_eq!(bench.done().await.len(), wanted);
    worker.stop().await;
}

#[tokio::test]
async fn connections_that_break_at_any_moment_lose_and_repeat_nothing() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let handle = |job: Delivery<Job>| async move { done(&job) };
    let worker = Working::start(&redis, &[STREAM], "w", options_with_takeover(), handle).await;
    let names: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (round, chunk) in names.chunks(40).enumerate() {
        bench.want(chunk).await;
        eventually("some to be done", LIMIT, || async {
            let done = bench.done().await.len();
            if done > round * 40 { Ok(()) } else { Err(format!("{done} are")) }
        })
        .await;
        proxy.reset_connections();
    }
    proxy.refuse();
    proxy.reset_connections();
    eventually("the worker to be seen as cut off", LIMIT, || async {
        if worker.status.check().is_err() { Ok(()) } else { Err("its status is good") }
    })
    .await;
    proxy.pass();
    bench.finished(names).await;
    worker.stop().await;
}

/// celery#10302: a silent stall after a reconnect.
#[tokio::test]
async fn a_busy_worker_notices_that_its_streams_server_is_away() {
    let mut bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let worker = bench.work("w", WorkerOptions { concurrency: 1, ..options() }, gated(&gate, &started)).await;
    bench.want(&["a"]).await;
    started.until(1).await;
    eventually("the status to be good", LIMIT, || async { worker.status.check() }).await;
    // The other nodes of a cluster go on answering.
    bench.crash_server().await;
    eventually("the loss to be noticed", LIMIT, || async {
        worker.status.check().err().ok_or("the status is good")
    })
    .await;
    worker.die().await;
}

#[tokio::test]
async fn a_silent_connection_is_reported_and_replaced() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let options = WorkerOptions { concurrency: 1, ..options_with_takeover() };
    let worker = Working::start(&redis, &[STREAM], "w", options, gated(&gate, &started)).await;
    bench.want(&["a"]).await;
    started.until(1).await;
    worker.status.check().unwrap();
    proxy.silence();
    let reason = eventually("the silence to be noticed", LIMIT, || async {
        worker.status.check().err().ok_or("the status is good")
    })
    .await;
    assert!(reason.contains("partition 0"), "{reason}");
    gate.open();
    bench.want(&["b"]).await;
    proxy.pass();
    // What was connected stays half-open for ever: only new connections are answered.
    bench.finished(vec!["a", "b"]).await;
    eventually("the status to be good again", LIMIT, || async { worker.status.check() }).await;
    worker.stop().await;
}
