//! Attempts that fail, and entries that nobody can handle.

use std::{future::Ready, time::Duration};

use jiff::Timestamp;
use redis_kit::{
    Backoff,
    stream::{Commit, Delivery, Failure, WorkerOptions, encode},
    trace::TraceContext,
};
use test_support::eventually;
use tokio::time::Instant;

use crate::{
    handlers::{Gate, Notes, done},
    harness::{Bench, Job, LIMIT, NEVER, STREAM, options, options_with_takeover, same},
};

/// Fails for now, and says when to come again.
fn again_after(after: Duration) -> Failure {
    Failure::retry_after("not yet", after)
}

#[tokio::test]
async fn an_attempt_that_fails_is_repeated_until_it_succeeds_once() {
    let bench = Bench::start().await;
    let ids = bench.want(&["a"]).await;
    let (attempts, gate) = (Notes::new(), Gate::closed());
    let (noted, waiting) = (attempts.clone(), gate.clone());
    let options = WorkerOptions { max_attempts: None, ..options() };
    let worker = bench
        .work("w", options, move |job| {
            let (noted, waiting) = (noted.clone(), waiting.clone());
            async move {
                noted.push(job.attempt);
                waiting.wait().await;
                if job.attempt <= 5 { Err(Failure::retry("not yet")) } else { done(&job) }
            }
        })
        .await;
    for attempt in 1..=6 {
        attempts.until(attempt).await;
        let pending = bench.pending().await;
        assert_eq!((pending.len(), &pending[0].id), (1, &ids[0]), "it stays pending between attempts");
        gate.let_through(1);
    }
    bench.finished(vec!["a"]).await;
    assert_eq!(attempts.all(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(bench.run::<usize>(&["XLEN", STREAM]).await, 1, "a retry never re-enters the stream");
    assert_eq!(bench.run::<usize>(&["EXISTS", "jobs:{t}:attempts:workers"]).await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn an_entry_that_waits_for_its_retry_does_not_hold_up_others() {
    let bench = Bench::start().await;
    bench.want(&["fails", "a", "b"]).await;
    let options = WorkerOptions { concurrency: 1, ..options() };
    let worker = bench
        .work("w", options, |job| async move {
            if job.message.name() == "fails" { Err(again_after(NEVER)) } else { done(&job) }
        })
        .await;
    eventually("the others to be done", LIMIT, || async { same(&vec!["a", "b"], &bench.done().await) }).await;
    assert_eq!(bench.pending().await.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn entries_that_fail_again_and_again_do_not_keep_new_ones_waiting() {
    let bench = Bench::start().await;
    // So many that one is always due.
    bench.want(&["fails"; 50]).await;
    let attempts = Notes::new();
    let noted = attempts.clone();
    let options = WorkerOptions { concurrency: 1, max_attempts: None, ..options() };
    let worker = bench
        .work("w", options, move |job| {
            noted.push(job.attempt);
            let fails = job.message.name() == "fails";
            async move { if fails { Err(again_after(Duration::ZERO)) } else { done(&job) } }
        })
        .await;
    attempts.until(60).await;
    bench.want(&["a", "b", "c"]).await;
    let expected = vec!["a", "b", "c"];
    eventually("the new ones to be done", LIMIT, || async { same(&expected, &bench.done().await) }).await;
    let attempts_then = attempts.all().len();
    attempts.until(attempts_then + 10).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_may_say_when_to_come_again() {
    let bench = Bench::start().await;
    let (pause, times) = (Duration::from_millis(300), Notes::new());
    let noted = times.clone();
    // A much shorter backoff, which must not bring the entry back earlier.
    let options = options();
    let handle = move |job: Delivery<Job>| {
        noted.push(Instant::now());
        async move { if job.attempt < 3 { Err(again_after(pause)) } else { done(&job) } }
    };
    let one = bench.work("one", options.clone(), handle.clone()).await;
    let other = bench.work("other", options, handle).await;
    bench.want(&["a"]).await;
    bench.finished(vec!["a"]).await;
    for pair in times.all().windows(2) {
        // Redis counts in whole milliseconds.
        assert!((pair[1] - pair[0]).as_millis() + 2 >= pause.as_millis(), "{:?}", pair[1] - pair[0]);
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn the_usual_pause_is_drawn_from_the_backoff() {
    let bench = Bench::start().await;
    bench.want(&["a"; 20]).await;
    let backoff = Backoff { base: NEVER, limit: NEVER };
    let worker = bench
        .work("w", WorkerOptions { backoff, ..options() }, |_| async { Err(Failure::retry("not yet")) })
        .await;
    let due: Vec<(String, f64)> = eventually("retries to be planned", LIMIT, || async {
        let retry = ["ZRANGE", "jobs:{t}:retry:workers", "0", "-1", "WITHSCORES"];
        let due: Vec<(String, f64)> = bench.run(&retry).await;
        if due.len() < 20 { Err(format!("{} are", due.len())) } else { Ok(due) }
    })
    .await;
    let (now, _): (f64, u64) = bench.run(&["TIME"]).await;
    let last = due[19].1 / 1000.0;
    assert!(last < now + NEVER.as_secs_f64() + 1.0, "{due:?}");
    // Drawn evenly, twenty pauses are all in the first twelfth about once in 10^21 times.
    assert!(last > now + NEVER.as_secs_f64() / 12.0, "{due:?}");
    worker.stop().await;
}

#[tokio::test]
async fn attempts_are_counted_on_after_the_death_of_the_worker_that_failed() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let attempts = Notes::new();
    let noted = attempts.clone();
    let first = bench
        .work("first", options(), move |job| {
            noted.push(job.attempt);
            async { Err(again_after(Duration::from_millis(100))) }
        })
        .await;
    attempts.until(1).await;
    let planned = ["ZCARD", "jobs:{t}:retry:workers"];
    eventually("the retry", LIMIT, || async { same(&1, &bench.run::<u64>(&planned).await) }).await;
    first.die().await;

    let noted = attempts.clone();
    let second = bench
        .work("second", options(), move |job| {
            noted.push(job.attempt);
            async move { done(&job) }
        })
        .await;
    bench.finished(vec!["a"]).await;
    let attempts = attempts.all();
    assert_eq!(attempts, (1..).take(attempts.len()).collect::<Vec<_>>());
    assert!(attempts.len() >= 2);
    second.stop().await;
}

#[tokio::test]
async fn every_attempt_is_told_when_the_entry_was_first_delivered() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let seen = Notes::new();
    let noted = seen.clone();
    let worker = bench
        .work("w", options(), move |job| {
            noted.push((job.first_delivered, Timestamp::now()));
            async move { if job.attempt == 1 { Err(again_after(Duration::from_secs(1))) } else { done(&job) } }
        })
        .await;
    bench.finished(vec!["a"]).await;
    let begun = seen.all()[0].1;
    for (first_delivered, at) in seen.all() {
        let off = first_delivered.duration_since(begun).unsigned_abs();
        // By two clocks, and with room for a machine that is busy with other things.
        assert!(off < Duration::from_millis(500), "told at {at} of {first_delivered}, which was {begun}");
    }
    assert_eq!(seen.all().len(), 2);
    worker.stop().await;
}

#[tokio::test]
async fn the_last_attempt_makes_a_dead_letter_that_tells_everything() {
    let bench = Bench::start().await;
    let ids = bench.want(&["a"]).await;
    let failing = |job: Delivery<Job>| async move { Err(Failure::retry(format!("no {}", job.attempt))) };
    let worker = bench.work("w", options(), failing).await;
    let letter = bench.dead(1).await.remove(0);
    bench.settled().await;
    let entry: Vec<(String, Vec<(String, String)>)> = bench.run(&["XRANGE", STREAM, "-", "+"]).await;
    for (field, value) in &entry[0].1 {
        assert_eq!(letter[field], *value, "{field}");
    }
    let told = ["origin", "reason", "attempts"].map(|field| letter[field].as_str());
    assert_eq!(told, [ids[0].as_str(), "no 3", "3"]);
    assert_eq!(bench.run::<usize>(&["EXISTS", "jobs:{t}:attempts:workers"]).await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_rejected_entry_is_a_dead_letter_at_once() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let worker = bench.work("w", options(), |_| async { Err(Failure::reject("never")) }).await;
    let letter = bench.dead(1).await.remove(0);
    assert_eq!([letter["reason"].as_str(), letter["attempts"].as_str()], ["never", "1"]);
    bench.settled().await;
    worker.stop().await;
}

/// Appends a job of which one field is replaced, or left out.
async fn want_broken(bench: &Bench, field: &str, value: Option<&[u8]>) {
    let mut append = redis_kit::cmd("XADD");
    append.arg(STREAM).arg("*");
    for (name, good) in encode(&Job::wanted("broken"), &TraceContext::root()).unwrap() {
        match (name == field, value) {
            (true, None) => &mut append,
            (true, Some(value)) => append.arg(name).arg(value),
            (false, _) => append.arg(name).arg(good),
        };
    }
    append.exec_async(&mut bench.commands()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_decoded_is_a_dead_letter_and_the_worker_goes_on() {
    let bench = Bench::start().await;
    let mut reasons = Vec::new();
    for field in ["type", "id", "occurred_at", "data"] {
        want_broken(&bench, field, None).await;
        want_broken(&bench, field, Some(&[0xff, 0x00, 0xfe])).await;
        reasons.extend([format!("`{field}`"), format!("`{field}`")]);
    }
    for data in ["", "{", "[]", r#"{"type":"job.wanted"}"#, r#"{"type":"job.wanted","name":7}"#] {
        want_broken(&bench, "data", Some(data.as_bytes())).await;
        reasons.push("`data` does not fit the type job.wanted".into());
    }
    want_broken(&bench, "type", Some(b"job.unheard")).await;
    reasons.push(r#"the type "job.unheard" is unknown"#.into());
    bench.run::<String>(&["XADD", STREAM, "*", "foo", "bar"]).await;
    reasons.push("`type`".into());
    bench.want(&["a"]).await;

    // One at a time, so that the letters come in the order of the entries.
    let options = WorkerOptions { concurrency: 1, ..options() };
    let worker = bench.work("w", options, |job| async move { done(&job) }).await;
    bench.finished(vec!["a"]).await;
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), reasons.len());
    for (letter, reason) in letters.iter().zip(&reasons) {
        assert!(letter["reason"].contains(reason), "{letter:?} does not say {reason}");
    }
    assert_eq!(letters.last().unwrap()["foo"], "bar");
    worker.stop().await;
}

#[tokio::test]
async fn an_entry_of_ten_thousand_fields_is_a_dead_letter_too() {
    let bench = Bench::start().await;
    let mut append = redis_kit::cmd("XADD");
    append.arg(STREAM).arg("*");
    for n in 0..10_000 {
        append.arg(n).arg("x");
    }
    append.exec_async(&mut bench.commands()).await.unwrap();
    bench.want(&["a"]).await;
    let worker = bench.work("w", options(), |job| async move { done(&job) }).await;
    bench.finished(vec!["a"]).await;
    let fields: Vec<String> = serde_json::from_str(&bench.dead(1).await[0]["fields"]).unwrap();
    assert_eq!((fields.len(), &fields[19_998..]), (20_000, ["9999".to_owned(), "x".to_owned()].as_slice()));
    worker.stop().await;
}

#[tokio::test]
async fn skipping_unknown_types_skips_nothing_else() {
    let bench = Bench::start().await;
    want_broken(&bench, "type", Some(b"job.unheard")).await;
    want_broken(&bench, "data", Some(b"{")).await;
    bench.want(&["a"]).await;
    let options = WorkerOptions { skip_unknown: true, ..options() };
    let worker = bench.work("w", options, |job| async move { done(&job) }).await;
    bench.finished(vec!["a"]).await;
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0]["reason"].contains("`data`"), "{letters:?}");
    worker.stop().await;
}

/// spring-data-redis#2919: one exception ends the subscription.
#[tokio::test]
async fn a_handler_that_panics_has_failed_an_attempt() {
    let bench = Bench::start().await;
    bench.want(&["a", "b"]).await;
    let options = WorkerOptions { concurrency: 1, ..options() };
    let worker = bench
        .work("w", options, |job| async move {
            assert!(job.message.name() != "a" || job.attempt == 3, "on purpose");
            done(&job)
        })
        .await;
    bench.finished(vec!["a", "b"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_that_panics_before_it_awaits_anything_has_failed_an_attempt_too() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let handle = |job: Delivery<Job>| -> Ready<Result<Commit, Failure>> {
        panic!("on purpose, attempt {}", job.attempt);
    };
    let worker = bench.work("w", options_with_takeover(), handle).await;
    let letter = bench.dead(1).await.remove(0);
    assert_eq!([letter["reason"].as_str(), letter["attempts"].as_str()], ["the handler panicked", "3"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_letter_that_cannot_be_written_keeps_its_entry_and_holds_up_nothing() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", "jobs:{t}:dead:workers", "not a stream"]).await;
    bench.want(&["refused", "a"]).await;
    let options = WorkerOptions { concurrency: 1, ..options_with_takeover() };
    let worker = bench
        .work("w", options, |job| async move {
            if job.message.name() == "refused" { Err(Failure::reject("never")) } else { done(&job) }
        })
        .await;
    eventually("the other to be done", LIMIT, || async { same(&vec!["a"], &bench.done().await) }).await;
    assert_eq!(bench.pending().await.len(), 1);
    // Once an operator has mended that, the entry is taken up again by itself.
    bench.run::<()>(&["DEL", "jobs:{t}:dead:workers"]).await;
    bench.dead(1).await;
    bench.settled().await;
    worker.stop().await;
}
