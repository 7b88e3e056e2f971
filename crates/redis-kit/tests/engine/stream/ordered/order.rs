//! What is delivered in which order, and what becomes of entries that fail.

use std::{sync::Arc, time::Duration};

use redis_kit::{
    Backoff,
    stream::{Commit, Delivery, Failure, StreamId, WorkerOptions},
    trace::TraceContext,
};
use test_support::eventually;
use tokio::{sync::Barrier, time::Instant};

use super::{ATTEMPTS, STREAMS, Seen, names_and_attempts, numbered, options, strs, watched};
use crate::{
    handlers::{Gate, Notes, done, gated},
    harness::{Bench, DONE, Job, LIMIT, NEVER, STREAM, same},
};

/// Fails for now.
fn again_after(after: Duration) -> Failure {
    Failure::retry_after("not yet", after)
}

#[tokio::test]
async fn every_partition_is_handled_in_its_order_and_all_of_them_side_by_side() {
    let bench = Bench::start().await;
    let (all, seen) = (numbered(0..50), Notes::new());
    for stream in STREAMS {
        bench.want_on(stream, &strs(&all)).await;
    }
    let (noted, together) = (seen.clone(), Arc::new(Barrier::new(STREAMS.len())));
    let worker = bench
        .work_on(&STREAMS, "w", options(), move |job| {
            let together = Arc::clone(&together);
            noted.push(Seen::of(&job));
            async move {
                if job.message.name() == "0" {
                    // Nobody gets on unless all partitions have begun.
                    together.wait().await;
                }
                done(&job)
            }
        })
        .await;
    seen.until(all.len() * STREAMS.len()).await;
    bench.settled().await;
    worker.stop().await;
    for (partition, stream) in STREAMS.iter().enumerate() {
        let seen = seen.all().into_iter().filter(|seen| seen.partition == partition);
        let mut previous = StreamId::ZERO;
        let mut names = Vec::new();
        for seen in seen {
            assert_eq!((seen.previous, seen.attempt), (Some(previous), 1), "{seen:?}");
            previous = seen.id;
            names.push(seen.name);
        }
        assert_eq!(names, all);
        bench.assert_passed(stream).await;
    }
    assert_eq!(bench.done().await.len(), all.len() * STREAMS.len());
}

#[tokio::test]
async fn one_entry_of_a_partition_is_handled_at_a_time() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let worker = bench.work("w", options(), gated(&gate, &started)).await;
    bench.want(&["a", "b", "c"]).await;
    for expected in [vec!["a"], vec!["a", "b"], vec!["a", "b", "c"]] {
        assert_eq!(started.until(expected.len()).await, expected);
        gate.let_through(1);
    }
    bench.finished(vec!["a", "b", "c"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn entries_that_are_ready_together_are_committed_together() {
    let bench = Bench::start().await;
    let all = numbered(0..500);
    bench.want(&strs(&all)).await;
    let worker = bench
        .work("w", WorkerOptions { concurrency: 100, ..options() }, |job| async move { done(&job) })
        .await;
    bench.finished(strs(&all)).await;
    assert_eq!(bench.done().await, all);
    let calls = bench.calls("evalsha").await;
    assert!(calls < 100, "{calls} calls of scripts for 500 entries");
    worker.stop().await;
}

#[tokio::test]
async fn a_failing_entry_holds_up_its_partition_and_only_its_partition() {
    let bench = Bench::start().await;
    let seen = Notes::new();
    let noted = seen.clone();
    let first = bench
        .work_on(&STREAMS[..2], "first", options(), move |job| {
            noted.push(Seen::of(&job));
            async move { if job.message.name() == "fails" { Err(again_after(NEVER)) } else { done(&job) } }
        })
        .await;
    let ids = bench.want(&["a", "fails", "b"]).await;
    bench.want_on(STREAMS[1], &["x", "y", "z"]).await;
    eventually("the others to be done", LIMIT, || async {
        let mut done = bench.done().await;
        done.sort();
        same(&vec!["a", "x", "y", "z"], &done)
    })
    .await;
    eventually("the failure to be recorded", LIMIT, || async {
        same(&true, &bench.run::<bool>(&["HEXISTS", ATTEMPTS, &ids[1]]).await)
    })
    .await;
    assert_eq!((bench.unread().await, bench.pending().await), (2, vec![]));
    first.stop().await;
    assert!(!seen.all().iter().any(|seen| seen.name == "b"));

    // Whoever holds the partition next counts on.
    let seen = Notes::new();
    let second = bench.work("second", options(), watched(&seen)).await;
    bench.finished(vec!["a", "x", "y", "z", "fails", "b"]).await;
    assert_eq!(names_and_attempts(&seen), [("fails".into(), 2), ("b".into(), 1)]);
    assert_eq!(seen.all()[1].previous.unwrap().to_string(), ids[1]);
    assert_eq!(bench.run::<u8>(&["EXISTS", ATTEMPTS]).await, 0);
    second.stop().await;
}

#[tokio::test]
async fn an_attempt_that_fails_is_repeated_after_its_pause_until_it_succeeds() {
    let bench = Bench::start().await;
    let (seen, times) = (Notes::new(), Notes::new());
    let (noted, noted_at) = (seen.clone(), times.clone());
    let pause = Duration::from_millis(200);
    let worker = bench
        .work("w", WorkerOptions { max_attempts: None, ..options() }, move |job| {
            noted.push(Seen::of(&job));
            noted_at.push(Instant::now());
            async move {
                match job.attempt {
                    1..=2 => Err(again_after(pause)),
                    3..=5 => Err(Failure::retry("not yet")),
                    _ => done(&job),
                }
            }
        })
        .await;
    bench.want(&["a"]).await;
    bench.finished(vec!["a"]).await;
    assert_eq!(seen.all().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let times = times.all();
    assert!(times[1] - times[0] >= pause && times[2] - times[1] >= pause, "{times:?}");
    assert_eq!(bench.run::<usize>(&["XLEN", STREAM]).await, 1);
    worker.stop().await;
}

#[tokio::test]
async fn whoever_holds_the_partition_is_told_when_the_entry_was_first_delivered() {
    let bench = Bench::start().await;
    let ids = bench.want(&["a"]).await;
    let seen = Notes::new();
    let failing = |seen: &Notes<(u32, i64)>| {
        let noted = seen.clone();
        move |job: Delivery<Job>| {
            noted.push((job.attempt, job.first_delivered.as_millisecond()));
            async move { Err(again_after(if job.attempt == 1 { Duration::from_millis(100) } else { NEVER })) }
        }
    };
    let first = bench.work("first", options(), failing(&seen)).await;
    seen.until(2).await;
    eventually("the failure to be on record", LIMIT, || async {
        let known: Option<String> = bench.run(&["HGET", ATTEMPTS, &ids[0]]).await;
        if known.as_ref().is_some_and(|known| known.contains("\"failed\":2")) {
            Ok(())
        } else {
            Err(format!("{known:?}"))
        }
    })
    .await;
    first.stop().await;
    let second =
        bench.work("second", WorkerOptions { max_attempts: None, ..options() }, failing(&seen)).await;
    let seen = seen.until(3).await;
    let first_delivered = seen[0].1;
    assert_eq!(seen, [1, 2, 3].map(|attempt| (attempt, first_delivered)));
    second.stop().await;
}

#[tokio::test]
async fn an_entry_that_has_failed_too_often_is_a_dead_letter_and_is_passed() {
    let bench = Bench::start().await;
    let ids = bench.want(&["fails", "a"]).await;
    let seen = Notes::new();
    let noted = seen.clone();
    let worker = bench
        .work("w", options(), move |job| {
            noted.push(Seen::of(&job));
            let reason = format!("no {}", job.attempt);
            async move { if job.message.name() == "fails" { Err(Failure::retry(reason)) } else { done(&job) } }
        })
        .await;
    bench.finished(vec!["a"]).await;
    let letter = bench.dead(1).await.remove(0);
    let told = ["origin", "reason", "attempts"].map(|field| letter[field].as_str());
    assert_eq!(told, [ids[0].as_str(), "no 3", "3"]);
    assert!(["no 1", "no 2", "no 3"].iter().all(|reason| letter["history"].contains(reason)), "{letter:?}");
    assert_eq!(seen.all()[3].previous.unwrap().to_string(), ids[0]);
    bench.assert_passed(STREAM).await;
    assert_eq!(bench.run::<u8>(&["EXISTS", ATTEMPTS]).await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_rejected_entry_is_a_dead_letter_at_once_and_is_passed() {
    let bench = Bench::start().await;
    bench.want(&["rejects", "a", "rejects", "b"]).await;
    let worker = bench
        .work("w", options(), |job| async move {
            if job.message.name() == "rejects" { Err(Failure::reject("never")) } else { done(&job) }
        })
        .await;
    bench.finished(vec!["a", "b"]).await;
    let letters = bench.dead(2).await;
    assert!(
        letters.iter().all(|letter| letter["reason"] == "never" && letter["attempts"] == "1"),
        "{letters:?}"
    );
    worker.stop().await;
}

#[tokio::test]
async fn what_cannot_be_decoded_is_a_dead_letter_and_unknown_types_may_be_skipped() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let id = "018f4e7a-0000-7000-8000-000000000000";
    for (kind, data) in [("job.unheard", "{}"), ("job.wanted", "{")] {
        let fields = ["type", kind, "id", id, "occurred_at", "2026-01-01T00:00:00Z", "data", data];
        bench.run::<String>(&[&["XADD", STREAM, "*"], fields.as_slice()].concat()).await;
    }
    bench.run::<String>(&["XADD", STREAM, "*", "foo", "bar"]).await;
    bench.want(&["b"]).await;
    let options = WorkerOptions { skip_unknown: true, ..options() };
    let worker = bench.work("w", options, |job| async move { done(&job) }).await;
    bench.finished(vec!["a", "b"]).await;
    let reasons: Vec<String> = bench.dead(2).await.iter().map(|letter| letter["reason"].clone()).collect();
    assert!(reasons[0].contains("`data`") && reasons[1].contains("`type`"), "{reasons:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_that_panics_has_failed_an_attempt() {
    let bench = Bench::start().await;
    bench.want(&["a", "b"]).await;
    let worker = bench
        .work("w", options(), |job| async move {
            assert!(job.message.name() != "a" || job.attempt == 3, "on purpose");
            done(&job)
        })
        .await;
    bench.finished(vec!["a", "b"]).await;
    assert_eq!(bench.done().await, ["a", "b"]);
    worker.stop().await;
}

/// A commit that sets a field of what is no hash, until somebody mends that.
fn to_a_text(job: &Delivery<Job>) -> Result<Commit, Failure> {
    Ok(done(job)?.set_fields("text:{t}", [("a", "b".to_owned())]))
}

#[tokio::test]
async fn nothing_overtakes_a_commit_that_cannot_be_applied() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", "text:{t}", "text"]).await;
    // All are read together.
    let ids = bench.want(&["before", "wrong", "fails once", "after"]).await;
    let options = WorkerOptions { max_attempts: None, ..options() };
    let worker = bench
        .work("w", options, |job| async move {
            match (job.message.name(), job.attempt) {
                ("wrong", _) => to_a_text(&job),
                ("fails once", 1) => Err(Failure::retry("not yet")),
                _ => done(&job),
            }
        })
        .await;
    eventually("the commit to have failed several times", LIMIT, || async {
        let known: Option<String> = bench.run(&["HGET", ATTEMPTS, &ids[1]]).await;
        let known = known.unwrap_or_default();
        if known.contains("\"failed\":4") && known.contains("WRONGTYPE") {
            Ok(())
        } else {
            Err(format!("{known:?}"))
        }
    })
    .await;
    assert_eq!(bench.done().await, ["before"]);
    bench.run::<u8>(&["DEL", "text:{t}"]).await;
    bench.finished(vec!["before", "wrong", "fails once", "after"]).await;
    assert_eq!(bench.done().await, ["before", "wrong", "fails once", "after"]);
    assert_eq!(bench.run::<u8>(&["EXISTS", ATTEMPTS]).await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_commit_that_can_never_be_applied_makes_a_dead_letter() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", "text:{t}", "text"]).await;
    bench.want(&["a", "wrong", "b"]).await;
    let worker = bench
        .work("w", options(), |job| async move {
            if job.message.name() == "wrong" { to_a_text(&job) } else { done(&job) }
        })
        .await;
    bench.finished(vec!["a", "b"]).await;
    let letter = bench.dead(1).await.remove(0);
    assert!(letter["reason"].contains("WRONGTYPE") && letter["attempts"] == "3", "{letter:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_key_of_another_slot_fails_the_attempt() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let worker = bench
        .work("w", options(), |_| async {
            Ok(Commit::new().append("out:{u}", &Job::wanted("x"), &TraceContext::root())?)
        })
        .await;
    let letter = bench.dead(1).await.remove(0);
    assert!(letter["reason"].contains("out:{u}"), "{letter:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_letter_that_cannot_be_written_holds_up_its_partition_until_it_can() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", "jobs:{t}:dead:workers", "not a stream"]).await;
    bench.want(&["a", "rejects", "b"]).await;
    let pause = Duration::from_millis(500);
    let options = WorkerOptions { backoff: Backoff { base: pause, limit: pause }, ..options() };
    let worker = bench
        .work("w", options, |job| async move {
            if job.message.name() == "rejects" { Err(Failure::reject("never")) } else { done(&job) }
        })
        .await;
    eventually("the first to be done", LIMIT, || async { same(&vec!["a"], &bench.done().await) }).await;
    bench.assert_no_hot_loop().await;
    assert_eq!(bench.done().await, ["a"]);
    bench.run::<u8>(&["DEL", "jobs:{t}:dead:workers"]).await;
    bench.finished(vec!["a", "b"]).await;
    bench.dead(1).await;
    worker.stop().await;
}

#[tokio::test]
async fn failures_that_cannot_be_read_are_waited_out_and_not_asked_for_in_a_hot_loop() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", ATTEMPTS, "not a hash"]).await;
    bench.want(&["a"]).await;
    let worker = bench.work("w", options(), |job| async move { done(&job) }).await;
    eventually("the failures to be asked for", LIMIT, || async {
        if bench.calls("hgetall").await > 0 { Ok(()) } else { Err("they were not") }
    })
    .await;
    bench.assert_no_hot_loop().await;
    assert_eq!(bench.run::<usize>(&["XLEN", DONE]).await, 0);
    bench.run::<u8>(&["DEL", ATTEMPTS]).await;
    bench.finished(vec!["a"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_whose_handler_takes_long_or_whose_partition_waits_is_not_taken_for_stuck() {
    let bench = Bench::start().await;
    let (gate, attempts) = (Gate::closed(), Notes::new());
    let (waiting, noted) = (gate.clone(), attempts.clone());
    // Long enough not to be late because the machine is busy.
    let options = WorkerOptions { block: Duration::from_millis(200), ..options() };
    let long = options.block * 12;
    let worker = bench
        .work("w", options, move |job| {
            let waiting = waiting.clone();
            noted.push(job.attempt);
            async move {
                waiting.wait().await;
                if job.attempt == 1 { Err(again_after(long)) } else { done(&job) }
            }
        })
        .await;
    bench.want(&["a"]).await;
    attempts.until(1).await;
    let begun = Instant::now();
    while begun.elapsed() < long {
        worker.status.check().unwrap();
        bench.run::<String>(&["PING"]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gate.open();
    while attempts.all().len() < 2 {
        worker.status.check().unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.finished(vec!["a"]).await;
    worker.stop().await;
}
