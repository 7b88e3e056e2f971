//! Who holds which partition, and how it changes hands.

use std::{collections::HashMap, time::Duration};

use redis_kit::stream::{Failure, WorkerOptions};
use test_support::eventually;
use tokio::time::Instant;

use super::{STREAMS, Seen, lease, options, options_with_takeover, watched};
use crate::{
    handlers::{Gate, Notes, cancellable, done, gated},
    harness::{Bench, LIMIT, NEVER, STREAM, Working, same},
};

/// Leases that stand while a machine is busy, and are looked at often enough for a test.
fn sharing() -> WorkerOptions {
    WorkerOptions { lease: Duration::from_secs(2), ..options_with_takeover() }
}

async fn work(bench: &Bench, instance: &str, seen: &Notes<Seen>) -> Working {
    bench.work_on(&STREAMS, instance, sharing(), watched(seen)).await
}

/// Appends to every stream, again and again, until each instance holds so many of them. Returns how many were appended to
/// each stream.
async fn flow_until(bench: &Bench, mut count: usize, shares: &[(&str, usize)]) -> usize {
    let expected: HashMap<String, usize> =
        shares.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
    let deadline = Instant::now() + LIMIT;
    loop {
        for (partition, stream) in STREAMS.iter().enumerate() {
            bench.want_on(stream, &[&format!("{partition} {count}")]).await;
        }
        count += 1;
        let found: HashMap<String, usize> =
            bench.shares().await.into_iter().map(|(name, share)| (short(&name), share)).collect();
        if found == expected {
            return count;
        }
        assert!(Instant::now() < deadline, "the shares are {found:?} and not {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An instance's name as it was started with.
fn short(name: &str) -> String {
    name.rsplit_once('-').map_or("nobody", |(name, _)| name).to_owned()
}

/// Fails unless every entry of every stream was done once, in its order.
async fn assert_all_done_in_order(bench: &Bench, count: usize) {
    eventually("everything to be done", LIMIT, || async {
        same(&(count * STREAMS.len()), &bench.done().await.len())
    })
    .await;
    let done = bench.done().await;
    for (partition, stream) in STREAMS.iter().enumerate() {
        let prefix = format!("{partition} ");
        let numbers: Vec<&str> = done.iter().filter_map(|name| name.strip_prefix(&prefix)).collect();
        let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        assert_eq!(numbers, expected, "{stream}");
        bench.assert_passed(stream).await;
    }
}

#[tokio::test]
async fn instances_share_the_partitions_evenly_whoever_comes_and_goes() {
    let bench = Bench::start().await;
    let seen = Notes::new();
    let a = work(&bench, "a", &seen).await;
    let count = flow_until(&bench, 0, &[("a", 6)]).await;
    let b = work(&bench, "b", &seen).await;
    let count = flow_until(&bench, count, &[("a", 3), ("b", 3)]).await;
    let c = work(&bench, "c", &seen).await;
    let count = flow_until(&bench, count, &[("a", 2), ("b", 2), ("c", 2)]).await;
    b.stop().await;
    let count = flow_until(&bench, count, &[("a", 3), ("c", 3)]).await;
    c.die().await;
    let count = flow_until(&bench, count, &[("a", 6)]).await;
    assert_all_done_in_order(&bench, count).await;
    // Those that came and went made way between two entries, so no handler was called twice; the one that died may have
    // handled what it could not commit any more.
    assert!(seen.all().len() <= count * STREAMS.len() + 3 * sharing().concurrency, "{}", seen.all().len());
    assert!(seen.all().iter().all(|seen| seen.attempt == 1));
    a.stop().await;
}

#[tokio::test]
async fn a_handover_repeats_no_handler() {
    let bench = Bench::start().await;
    let seen = Notes::new();
    let b = work(&bench, "b", &seen).await;
    let count = flow_until(&bench, 0, &[("b", 6)]).await;
    let a = work(&bench, "a", &seen).await;
    let count = flow_until(&bench, count, &[("a", 3), ("b", 3)]).await;
    a.stop().await;
    let count = flow_until(&bench, count, &[("b", 6)]).await;
    assert_all_done_in_order(&bench, count).await;
    assert_eq!(seen.all().len(), count * STREAMS.len());
    b.stop().await;
}

/// apalis#504: a reused worker name.
#[tokio::test]
async fn instances_of_the_same_name_are_not_taken_for_one_and_share_evenly_too() {
    let bench = Bench::start().await;
    let seen = Notes::new();
    let one = work(&bench, "same", &seen).await;
    let other = work(&bench, "same", &seen).await;
    eventually("even shares", LIMIT, || async {
        let shares = bench.shares().await;
        let mut counts: Vec<usize> = shares.values().copied().collect();
        counts.sort_unstable();
        same(&vec![3, 3], &counts).map_err(|error| format!("{error}: {shares:?}"))
    })
    .await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn the_partitions_of_an_instance_that_died_are_taken_over() {
    let bench = Bench::start().await;
    let started = Notes::new();
    let dying = bench.work("dying", options_with_takeover(), gated(&Gate::closed(), &started)).await;
    bench.want(&["a", "b"]).await;
    started.until(1).await;
    dying.die().await;
    let died = Instant::now();
    let seen = Notes::new();
    let heir = bench.work("heir", options_with_takeover(), watched(&seen)).await;
    bench.finished(vec!["a", "b"]).await;
    // With room for a machine that is busy with other things.
    assert!(died.elapsed() < options_with_takeover().lease + Duration::from_secs(6), "{:?}", died.elapsed());
    assert_eq!(seen.all()[0].attempt, 1, "a takeover is no failed attempt");
    assert_eq!(bench.done().await, ["a", "b"]);
    heir.stop().await;
}

#[tokio::test]
async fn a_stop_gives_the_partition_away_at_once() {
    let bench = Bench::start().await;
    let (gate, started, seen) = (Gate::closed(), Notes::new(), Notes::new());
    // Nobody is taken for dead here, so it can only have been given.
    let first = bench.work("a", options(), gated(&gate, &started)).await;
    bench.want(&["one", "two"]).await;
    started.until(1).await;
    let second = bench.work("b", options(), watched(&seen)).await;
    first.ask_to_stop();
    gate.open();
    first.stop().await;
    bench.finished(vec!["one", "two"]).await;
    assert_eq!(bench.done().await, ["one", "two"]);
    assert_eq!(
        (started.all().len(), seen.all().len()),
        (1, 1),
        "what was begun is finished, and nothing else"
    );
    second.stop().await;
    let lease: HashMap<String, String> = bench.run(&["HGETALL", &lease(STREAM)]).await;
    assert_eq!(
        lease,
        HashMap::from([("fence".to_owned(), "2".to_owned())]),
        "each held it once, and has left"
    );
}

/// Heartbeats are due while it waits to hear that it has left. One that followed would take the partition again, and nobody
/// would know.
#[tokio::test]
async fn a_stop_leaves_nothing_behind_however_slowly_redis_answers() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let options = WorkerOptions { lease: Duration::from_millis(900), ..options() };
    let worker = Working::start(&redis, &[STREAM], "w", options, watched(&Notes::new())).await;
    bench.want(&["a"]).await;
    bench.finished(vec!["a"]).await;
    // An answer takes longer than from one heartbeat to the next, and less than the lease.
    proxy.delay(Duration::from_millis(200));
    worker.stop().await;
    let lease: Vec<String> = bench.run(&["HKEYS", &lease(STREAM)]).await;
    assert_eq!(lease, ["fence"]);
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_left_to_the_next_holder() {
    let bench = Bench::start().await;
    let (started, seen) = (Notes::new(), Notes::new());
    let options_of_slow = WorkerOptions { grace: Duration::from_millis(50), ..options() };
    let slow = bench.work("slow", options_of_slow, gated(&Gate::closed(), &started)).await;
    bench.want(&["a"]).await;
    started.until(1).await;
    slow.stop().await;
    let next = bench.work("next", options(), watched(&seen)).await;
    bench.finished(vec!["a"]).await;
    assert_eq!(seen.all()[0].attempt, 1, "that was no failed attempt");
    next.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_pause() {
    let bench = Bench::start().await;
    let attempts = Notes::new();
    let noted = attempts.clone();
    let worker = bench
        .work("w", options(), move |job| {
            noted.push(job.attempt);
            async { Err(Failure::retry_after("not yet", NEVER)) }
        })
        .await;
    bench.want(&["a"]).await;
    attempts.until(1).await;
    // Fails unless it is within the limit.
    worker.stop().await;
}

#[tokio::test]
async fn a_holder_that_was_frozen_changes_nothing_whatever_it_returns() {
    for outcome in ["commits", "retries", "rejects"] {
        let bench = Bench::start().await;
        bench.want(&[outcome, "next"]).await;
        let zombie = bench
            .frozen("zombie", options_with_takeover(), |job| match job.message.name() {
                "retries" => Err(Failure::retry_after("not yet", NEVER)),
                "rejects" => Err(Failure::reject("never")),
                _ => done(job),
            })
            .await;
        let (gate, started) = (Gate::closed(), Notes::new());
        let heir = bench.work("heir", options_with_takeover(), gated(&gate, &started)).await;
        started.until(1).await;
        zombie.thaw().await;
        assert!(bench.done().await.is_empty() && bench.dead_letters().await.is_empty());
        assert_eq!(bench.run::<u8>(&["EXISTS", super::ATTEMPTS]).await, 0);
        gate.open();
        bench.finished(vec![outcome, "next"]).await;
        assert_eq!(bench.done().await, [outcome, "next"]);
        heir.stop().await;
    }
}

#[tokio::test]
async fn a_holder_that_was_frozen_repeats_nothing_that_its_heir_has_done() {
    let bench = Bench::start().await;
    bench.want(&["a", "b"]).await;
    let zombie = bench.frozen("zombie", options_with_takeover(), done).await;
    let seen = Notes::new();
    let heir = bench.work("heir", options_with_takeover(), watched(&seen)).await;
    bench.finished(vec!["a", "b"]).await;
    zombie.thaw().await;
    assert_eq!(bench.done().await, ["a", "b"]);
    heir.stop().await;
}

#[tokio::test]
async fn a_lost_lease_cancels_the_handler_and_the_instance_contends_again() {
    let bench = Bench::start().await;
    let (gate, started, cancelled) = (Gate::closed(), Notes::new(), Notes::new());
    let handle = cancellable(&gate, &started, &cancelled);
    let worker = bench.work("w", options_with_takeover(), handle).await;
    bench.want(&["a"]).await;
    started.until(1).await;
    let taken = ["HSET", &lease(STREAM), "holder", "other", "fence", "99", "member:other", "9e15"];
    bench.run::<()>(&taken).await;
    cancelled.until(1).await;
    gate.open();
    bench.run::<u8>(&["HDEL", &lease(STREAM), "holder", "member:other"]).await;
    bench.finished(vec!["a"]).await;
    assert_eq!(started.all(), [1, 1]);
    assert_eq!(bench.run::<u64>(&["HGET", &lease(STREAM), "fence"]).await, 100);
    worker.stop().await;
}
