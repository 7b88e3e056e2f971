//! Ordered mode: one instance at a time holds a stream and passes its entries one after the other.

mod holding;
mod order;
mod pace;
mod pause;
mod prepare;
mod redis_failure;

use std::collections::HashMap;

use redis_kit::stream::{Commit, Delivery, Failure, Mode, StreamId, WorkerOptions};
use test_support::eventually;

use crate::{
    handlers::{Notes, done},
    harness::{self, Bench, GROUP, Job, LIMIT},
};

/// All with the tag of [`harness::DONE`], so that what was done on all of them can be told on one.
const STREAMS: [&str; 6] = ["jobs:{t}", "jobs:{t}:1", "jobs:{t}:2", "jobs:{t}:3", "jobs:{t}:4", "jobs:{t}:5"];

const ATTEMPTS: &str = "jobs:{t}:attempts:workers";

fn options() -> WorkerOptions {
    WorkerOptions { mode: Mode::Ordered, ..harness::options() }
}

fn options_with_takeover() -> WorkerOptions {
    WorkerOptions { mode: Mode::Ordered, ..harness::options_with_takeover() }
}

/// What a handler was given.
#[derive(Clone, Debug)]
struct Seen {
    partition: usize,
    name: String,
    id: StreamId,
    previous: Option<StreamId>,
    attempt: u32,
}

impl Seen {
    fn of(job: &Delivery<Job>) -> Self {
        Self {
            partition: job.partition,
            name: job.message.name().into(),
            id: job.stream_id,
            previous: job.previous,
            attempt: job.attempt,
        }
    }
}

/// A handler that notes what it is given, and is done.
fn watched(
    seen: &Notes<Seen>,
) -> impl Fn(Delivery<Job>) -> std::future::Ready<Result<Commit, Failure>> + Clone + Send + Sync + use<> {
    let seen = seen.clone();
    move |job| {
        seen.push(Seen::of(&job));
        std::future::ready(done(&job))
    }
}

fn names_and_attempts(seen: &Notes<Seen>) -> Vec<(String, u32)> {
    seen.all().into_iter().map(|seen| (seen.name, seen.attempt)).collect()
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// The lease hash of a stream.
fn lease(stream: &str) -> String {
    format!("{stream}:lease:{GROUP}")
}

impl Bench {
    /// How many of [`STREAMS`] each instance holds, by its whole name.
    async fn shares(&self) -> HashMap<String, usize> {
        let mut shares = HashMap::new();
        for stream in STREAMS {
            let holder: Option<String> = self.run(&["HGET", &lease(stream), "holder"]).await;
            *shares.entry(holder.unwrap_or_default()).or_default() += 1;
        }
        shares
    }

    /// Waits until cursors have been moved, or kept where they were, so often.
    async fn until_moved(&self, times: u64) {
        eventually("the cursor to be moved", LIMIT, || async {
            let moved = self.calls("xgroup|setid").await;
            if moved >= times { Ok(()) } else { Err(format!("it was {moved} times")) }
        })
        .await;
    }

    /// Fails unless nothing is pending in the group of a stream, and its lag is known to be none.
    async fn assert_passed(&self, stream: &str) {
        let groups: Vec<HashMap<String, redis::Value>> = self.run(&["XINFO", "GROUPS", stream]).await;
        let told = |field: &str| redis::from_redis_value_ref::<Option<u64>>(&groups[0][field]).unwrap();
        assert_eq!(
            (told("pending"), told("consumers"), told("lag")),
            (Some(0), Some(0), Some(0)),
            "{stream}"
        );
    }
}
