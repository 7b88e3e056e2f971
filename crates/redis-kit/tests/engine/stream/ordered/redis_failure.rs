//! Redis dies, forgets, fills up, or cannot be heard.

use std::time::Duration;

use redis_kit::stream::{Commit, Delivery, Failure, WorkerOptions};
use test_support::eventually;

use super::{ATTEMPTS, Seen, names_and_attempts, numbered, options, options_with_takeover, strs, watched};
use crate::{
    handlers::{Gate, Notes, cancellable, done, gated},
    harness::{Bench, GROUP, Job, LIMIT, STREAM, Working, same},
};

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_applied_twice() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let worker = Working::start(&redis, &[STREAM], "w", options(), gated(&gate, &started)).await;
    // The first makes Redis know the script.
    gate.let_through(1);
    bench.want(&["a"]).await;
    bench.finished(vec!["a"]).await;
    bench.want(&["b"]).await;
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
        let waiting = waiting.clone();
        noted.push(job.attempt);
        async move {
            waiting.wait().await;
            if job.attempt < 3 { Err(Failure::retry("not yet")) } else { done(&job) }
        }
    };
    let worker = Working::start(&redis, &[STREAM], "w", options(), handle).await;
    let ids = bench.want(&["a"]).await;
    // The first makes Redis know the script.
    gate.let_through(1);
    attempts.until(2).await;
    proxy.drop_replies();
    gate.let_through(1);
    eventually("the failure to be recorded", LIMIT, || async {
        let known: String = bench.run(&["HGET", ATTEMPTS, &ids[0]]).await;
        if known.contains("\"failed\":2") { Ok(()) } else { Err(known) }
    })
    .await;
    proxy.pass();
    proxy.reset_connections();
    gate.open();
    bench.finished(vec!["a"]).await;
    assert_eq!(attempts.all(), [1, 2, 3]);
    worker.stop().await;
}

#[tokio::test]
async fn connections_that_break_at_any_moment_lose_and_repeat_nothing() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let handle = |job: Delivery<Job>| async move { done(&job) };
    let worker = Working::start(&redis, &[STREAM], "w", options_with_takeover(), handle).await;
    let all = numbered(0..200);
    for (round, chunk) in strs(&all).chunks(40).enumerate() {
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
    bench.finished(strs(&all)).await;
    assert_eq!(bench.done().await, all);
    eventually("the status to be good again", LIMIT, || async { worker.status.check() }).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_busy_worker_notices_that_its_streams_server_is_away() {
    let mut bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let worker = bench.work("w", options(), gated(&gate, &started)).await;
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
async fn after_redis_lost_its_data_later_entries_are_handled() {
    let bench = Bench::start().await;
    let worker = bench.work("w", options(), |job| async move { done(&job) }).await;
    for name in ["a", "b"] {
        bench.want(&[name]).await;
        bench.finished(vec![name]).await;
        bench.run::<()>(&["FLUSHALL"]).await;
        eventually("the group to be back", LIMIT, || {
            bench.try_run::<redis::Value>(&["XPENDING", STREAM, GROUP])
        })
        .await;
    }
    bench.want(&["c"]).await;
    bench.finished(vec!["c"]).await;
    worker.stop().await;
}

fn publishing(job: &Delivery<Job>) -> std::future::Ready<Result<Commit, Failure>> {
    std::future::ready(Ok(Commit::new().publish("news", job.message.name())))
}

/// What is only published moves the cursor in memory.
#[tokio::test]
async fn what_was_published_before_a_quiet_moment_or_a_stop_is_not_published_again_after_a_crash() {
    let mut bench = Bench::durable().await;
    let worker = bench.work("w", options_with_takeover(), |job| publishing(&job)).await;
    bench.until_moved(1).await;
    let first = bench.want(&["a"]).await;
    // Once in memory, and once more because nothing comes.
    bench.until_moved(3).await;
    worker.die().await;
    bench.crash().await;
    bench.restart().await;
    assert_eq!(bench.cursor().await, first[0]);
    let worker = bench.work("v", options_with_takeover(), |job| publishing(&job)).await;
    let last = bench.want(&["b", "c"]).await;
    eventually("all to be published", LIMIT, || async { same(&last[1], &bench.cursor().await) }).await;
    worker.stop().await;
    bench.crash().await;
    bench.restart().await;
    assert_eq!(bench.cursor().await, last[1]);
}

/// Whoever held the partition before may have died between publishing and that.
#[tokio::test]
async fn whoever_takes_a_partition_over_keeps_the_cursor_that_it_finds() {
    let mut bench = Bench::durable().await;
    let worker = bench.work("w", options_with_takeover(), |job| publishing(&job)).await;
    bench.until_moved(1).await;
    let ids = bench.want(&["a"]).await;
    bench.until_moved(2).await;
    worker.die().await;
    let moved = bench.calls("xgroup|setid").await;
    let worker = bench.work("v", options_with_takeover(), |job| publishing(&job)).await;
    bench.until_moved(moved + 1).await;
    worker.die().await;
    bench.crash().await;
    bench.restart().await;
    assert_eq!(bench.cursor().await, ids[0]);
}

#[tokio::test]
async fn what_was_published_right_before_a_crash_is_published_again_and_nothing_is_skipped() {
    let mut bench = Bench::durable().await;
    let published = Notes::new();
    let noted = published.clone();
    let publish = move |job: Delivery<Job>| {
        noted.push(job.message.name().to_owned());
        publishing(&job)
    };
    let worker = bench.work("w", options_with_takeover(), publish).await;
    bench.until_moved(1).await;
    bench.want(&["a"]).await;
    bench.until_moved(2).await;
    bench.crash().await;
    bench.restart().await;
    let ids = bench.want(&["b"]).await;
    eventually("all to be published", LIMIT, || async { same(&ids[0], &bench.cursor().await) }).await;
    worker.stop().await;
    // Whatever was tried before, in the end one follows the other.
    assert!(published.all().ends_with(&["a".into(), "b".into()]), "{:?}", published.all());
}

#[tokio::test]
async fn a_handler_that_was_busy_when_redis_lost_its_data_holds_up_nothing() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let worker = bench.work("w", options(), gated(&gate, &started)).await;
    bench.want(&["lost"]).await;
    started.until(1).await;
    bench.run::<()>(&["FLUSHALL"]).await;
    bench.want(&["a"]).await;
    gate.open();
    bench.finished(vec!["a"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn everything_is_done_once_and_in_order_when_redis_is_killed_at_work() {
    let mut bench = Bench::durable().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let worker = bench.work("w", options_with_takeover(), gated(&gate, &started)).await;
    let all = numbered(0..40);
    bench.want(&strs(&all)[..30]).await;
    gate.let_through(10);
    started.until(11).await;
    bench.crash().await;
    // It ends while Redis is away.
    gate.let_through(1);
    bench.restart().await;
    bench.want(&strs(&all)[30..]).await;
    gate.open();
    bench.finished(strs(&all)).await;
    assert_eq!(bench.done().await, all);
    worker.stop().await;
}

#[tokio::test]
async fn redis_away_for_longer_than_the_lease_cancels_the_handler_and_all_is_done_once() {
    let mut bench = Bench::durable().await;
    let (gate, started, cancelled) = (Gate::closed(), Notes::new(), Notes::new());
    let handle = cancellable(&gate, &started, &cancelled);
    let worker = bench.work("w", options_with_takeover(), handle).await;
    bench.want(&["a", "b"]).await;
    started.until(1).await;
    bench.crash().await;
    cancelled.until(1).await;
    gate.open();
    bench.restart().await;
    bench.finished(vec!["a", "b"]).await;
    assert_eq!(bench.done().await, ["a", "b"]);
    assert!(started.all().iter().all(|attempt| *attempt == 1), "being cut off is no failed attempt");
    worker.stop().await;
}

#[tokio::test]
async fn a_group_that_is_moved_back_by_hand_repeats_from_there() {
    let bench = Bench::start().await;
    let seen = Notes::new();
    let worker = bench.work("w", options(), watched(&seen)).await;
    let ids = bench.want(&["a", "b", "c"]).await;
    bench.finished(vec!["a", "b", "c"]).await;
    // Also while nothing new comes.
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, "0"]).await;
    bench.finished(vec!["a", "b", "c", "a", "b", "c"]).await;
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, &ids[1]]).await;
    bench.finished(vec!["a", "b", "c", "a", "b", "c", "c"]).await;
    assert_eq!(bench.done().await, ["a", "b", "c", "a", "b", "c", "c"]);
    let previous: Vec<String> = seen.all().iter().map(|seen| seen.previous.unwrap().to_string()).collect();
    let (none, [a, b, _]) = ("0-0".to_owned(), ids.try_into().unwrap());
    assert_eq!(previous, [&none, &a, &b, &none, &a, &b, &b].map(String::clone));
    worker.stop().await;
}

#[tokio::test]
async fn a_group_that_is_moved_while_an_entry_is_handled_goes_on_from_there() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let options = WorkerOptions { concurrency: 1, ..options() };
    let worker = bench.work("w", options, gated(&gate, &started)).await;
    let ids = bench.want(&["a", "b", "c", "d"]).await;
    started.until(1).await;
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, &ids[1]]).await;
    gate.open();
    bench.finished(vec!["c", "d"]).await;
    assert_eq!(started.all(), ["a", "c", "d"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_group_that_is_destroyed_by_hand_is_created_again_at_the_first_entry() {
    let bench = Bench::start().await;
    let seen = Notes::new();
    let worker = bench.work("w", options(), watched(&seen)).await;
    bench.want(&["a", "b"]).await;
    bench.finished(vec!["a", "b"]).await;
    bench.run::<()>(&["XGROUP", "DESTROY", STREAM, GROUP]).await;
    eventually("all to be done again", LIMIT, || async {
        same(&vec!["a", "b", "a", "b"], &bench.done().await)
    })
    .await;
    bench.finished(vec!["a", "b", "a", "b"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_full_redis_still_takes_commits_failures_and_dead_letters() {
    let bench = Bench::start().await;
    let (gate, seen) = (Gate::closed(), Notes::new());
    let (waiting, noted) = (gate.clone(), seen.clone());
    let handle = move |job: Delivery<Job>| {
        let waiting = waiting.clone();
        noted.push(Seen::of(&job));
        async move {
            waiting.wait().await;
            match (job.message.name(), job.attempt) {
                ("rejects", _) => Err(Failure::reject("never")),
                ("retries", 1) => Err(Failure::retry_after("not yet", Duration::ZERO)),
                _ => done(&job),
            }
        }
    };
    let first = bench.work("first", options_with_takeover(), handle.clone()).await;
    bench.want(&["commits", "retries", "rejects", "last"]).await;
    seen.until(1).await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    // It changes hands too.
    first.die().await;
    let second = bench.work("second", options_with_takeover(), handle).await;
    gate.open();
    bench.finished(vec!["commits", "retries", "last"]).await;
    bench.dead(1).await;
    let attempts = names_and_attempts(&seen);
    let of_second = [("commits", 1), ("retries", 1), ("retries", 2), ("rejects", 1), ("last", 1)];
    assert_eq!(attempts[1..], of_second.map(|(name, attempt)| (name.to_owned(), attempt)));
    second.stop().await;
}
