//! A handler sees what was read together before it handles it one by one.

use std::sync::atomic::{AtomicU32, Ordering};

use redis_kit::stream::{Commit, Delivery, Failure, Handler, Prepared, Worker};
use test_support::eventually;
use tokio_util::sync::CancellationToken;

use super::{ATTEMPTS, numbered, options, strs};
use crate::{
    handlers::{Notes, done},
    harness::{Bench, GROUP, Job, LIMIT, STREAM},
};

/// Notes what it is given, and how.
struct Preparing {
    seen: Notes<String>,
    /// How many calls of `prepare` fail before one does not.
    fail: AtomicU32,
    panics: bool,
    leaves: Prepared,
}

impl Preparing {
    fn new(seen: &Notes<String>, fail: u32) -> Self {
        Self { seen: seen.clone(), fail: AtomicU32::new(fail), panics: false, leaves: Prepared::ToBeHandled }
    }
}

impl Handler for Preparing {
    type Message = Job;

    async fn prepare(&self, deliveries: &[&Delivery<Job>]) -> Result<Prepared, String> {
        let names: Vec<&str> = deliveries.iter().map(|delivery| delivery.message.name()).collect();
        let attempt = deliveries[0].attempt;
        self.seen.push(format!("prepare {} at attempt {attempt}", names.join(" ")));
        let fails = self.fail.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        assert!(fails.is_err() || !self.panics, "as told");
        if fails.is_ok() { Err("the database is away".into()) } else { Ok(self.leaves) }
    }

    async fn handle(&self, delivery: Delivery<Job>) -> Result<Commit, Failure> {
        self.seen.push(format!("handle {}", delivery.message.name()));
        done(&delivery)
    }
}

/// What such a handler saw until four jobs were passed.
async fn seen_of_four(fail: u32, change: impl Fn(Preparing) -> Preparing) -> Vec<String> {
    let bench = Bench::start().await;
    bench.want(&strs(&numbered(0..4))).await;
    let seen = Notes::new();
    let handler = change(Preparing::new(&seen, fail));
    let worker =
        Worker::start(&bench.redis(), &[STREAM.to_owned()], GROUP, "w", handler, options()).await.unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run(stop.clone()));
    bench.settled().await;
    eventually("no failure to be on record", LIMIT, async || {
        match bench.run::<u64>(&["EXISTS", ATTEMPTS]).await {
            0 => Ok(()),
            _ => Err("there is one"),
        }
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    bench.assert_passed(STREAM).await;
    seen.all()
}

const IN_ORDER: [&str; 4] = ["handle 0", "handle 1", "handle 2", "handle 3"];

#[tokio::test]
async fn all_that_was_read_is_prepared_together_and_then_handled_in_order() {
    let seen = seen_of_four(0, |handler| handler).await;
    assert_eq!(seen[0], "prepare 0 1 2 3 at attempt 1");
    assert_eq!(seen[1..], IN_ORDER);
}

#[tokio::test]
async fn what_cannot_be_prepared_is_a_failed_attempt_at_the_first_and_nothing_is_handled_before() {
    for panics in [false, true] {
        let seen = seen_of_four(2, |handler| Preparing { panics, ..handler }).await;
        let attempts = [1, 2, 3].map(|attempt| format!("prepare 0 1 2 3 at attempt {attempt}"));
        assert_eq!(seen[..3], attempts);
        assert_eq!(seen[3..], IN_ORDER);
    }
}

#[tokio::test]
async fn what_needs_nothing_more_once_it_was_prepared_is_passed_without_being_handled() {
    let seen = seen_of_four(1, |handler| Preparing { leaves: Prepared::Done, ..handler }).await;
    assert_eq!(seen, [1, 2].map(|attempt| format!("prepare 0 1 2 3 at attempt {attempt}")));
}
