//! Work outside Redis that is begun before it is done, so that one attempt at a time does it and the latest one's outcome counts.

use std::time::Duration;

use redis_kit::{
    Error,
    stream::{Attempt, Begun, Commit, Delivery, Exclusive, Failure, Mode, WorkerOptions},
};

use crate::{
    handlers::{Gate, Notes},
    harness::{Bench, DONE, Job, NEVER, STREAM, options},
};

const RECORD: &str = "work:{t}";
const LOCK: &str = "lock:work:{t}";

/// One piece of work, whatever the job's name; more than one is never wanted.
fn work(lock_time: Duration) -> Exclusive<'static> {
    Exclusive {
        record: RECORD.into(),
        lock: LOCK.into(),
        lock_time,
        states: &["", "begun"],
        fields: vec![("state", "begun".into())],
    }
}

/// Says on [`DONE`] that it was done, and by which job.
fn done_by(attempt: &Attempt, job: &Delivery<Job>) -> Result<Commit, Failure> {
    let did = Job::Done { name: job.message.name().into() };
    let commit = Commit::of_attempt(attempt).set_fields(RECORD, [("state", "done".to_owned())]);
    Ok(commit.append(DONE, &did, &job.trace)?)
}

/// Does the work if it can begin, once the gate is open; else tries again, unless it is done.
async fn do_once(
    job: Delivery<Job>,
    lock_time: Duration,
    gate: Gate,
    begun: Notes<String>,
) -> Result<Commit, Failure> {
    match job.begin(&work(lock_time)).await? {
        Begun::Attempt(attempt) => {
            begun.push(job.message.name().to_owned());
            gate.wait().await;
            done_by(&attempt, &job)
        }
        Begun::Busy { free_in } => Err(Failure::retry_after("busy", free_in.min(Duration::from_millis(20)))),
        Begun::OtherState(_) => Ok(Commit::new()),
        Begun::Lost => Err(Failure::retry("it is another's")),
    }
}

fn patient() -> WorkerOptions {
    WorkerOptions { max_attempts: None, ..options() }
}

#[tokio::test]
async fn work_that_is_asked_for_twice_is_done_once() {
    let bench = Bench::start().await;
    bench.want(&["a", "b", "c"]).await;
    let (gate, begun) = (Gate::closed(), Notes::new());
    let (opening, noted) = (gate.clone(), begun.clone());
    let worker =
        bench.work("w", patient(), move |job| do_once(job, NEVER, gate.clone(), noted.clone())).await;
    begun.until(1).await;
    opening.open();
    bench.settled().await;
    assert_eq!((begun.all().len(), bench.done().await.len()), (1, 1));
    worker.stop().await;
}

#[tokio::test]
async fn an_overtaken_attempts_outcome_is_refused_and_its_entry_is_tried_again() {
    let bench = Bench::start().await;
    bench.want(&["slow"]).await;
    let (gate, begun) = (Gate::closed(), Notes::new());
    let (opening, noted) = (gate.clone(), begun.clone());
    let lock_time = Duration::from_millis(1);
    let worker = bench
        .work("w", patient(), move |job| {
            let gate = if job.message.name() == "slow" { gate.clone() } else { Gate::opened() };
            do_once(job, lock_time, gate, noted.clone())
        })
        .await;
    begun.until(1).await;
    bench.want(&["quick"]).await;
    begun.until(2).await;
    bench.finished_by("quick").await;
    opening.open();
    bench.settled().await;
    assert_eq!(bench.done().await, ["quick"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_failed_attempt_writes_what_its_handler_returned() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let worker = bench
        .work("w", patient(), move |job| async move {
            let Begun::Attempt(attempt) = job.begin(&work(NEVER)).await? else {
                return Err(Failure::retry("the lock was not freed"));
            };
            if job.attempt < 3 {
                let told = Job::Done { name: format!("failed {}", job.attempt) };
                let commit = Commit::of_attempt(&attempt).append(DONE, &told, &job.trace)?;
                return Err(Failure::retry("no answer").writing(commit));
            }
            done_by(&attempt, &job)
        })
        .await;
    bench.settled().await;
    assert_eq!(bench.done().await, ["failed 1", "failed 2", "a"]);
    assert_eq!(bench.run::<String>(&["HGET", RECORD, "attempts"]).await, "3");
    worker.stop().await;
}

#[tokio::test]
async fn a_failed_attempt_writes_in_ordered_mode_too_and_once() {
    let bench = Bench::start().await;
    bench.want(&["a", "b"]).await;
    let options = WorkerOptions { mode: Mode::Ordered, ..patient() };
    let worker = bench
        .work("w", options, move |job| async move {
            let told = Job::Done { name: format!("{} {}", job.message.name(), job.attempt) };
            let commit = Commit::new().append(DONE, &told, &job.trace)?;
            if job.attempt < 2 { Err(Failure::retry("not yet").writing(commit)) } else { Ok(commit) }
        })
        .await;
    bench.settled().await;
    assert_eq!(bench.done().await, ["a 1", "a 2", "b 1", "b 2"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_key_of_another_slot_is_refused_before_it_is_sent() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let refused = Notes::new();
    let noted = refused.clone();
    let worker = bench
        .work("w", options(), move |job| {
            let noted = noted.clone();
            async move {
                let foreign = Exclusive { record: "work:{elsewhere}".into(), ..work(NEVER) };
                if let Err(Error::ForeignKey { key, .. }) = job.begin(&foreign).await {
                    noted.push(key);
                }
                Ok(Commit::new())
            }
        })
        .await;
    assert_eq!(refused.until(1).await, ["work:{elsewhere}"]);
    bench.settled().await;
    worker.stop().await;
}

#[tokio::test]
async fn without_a_worker_nothing_begins() {
    let detached = Delivery::detached(Job::wanted("a"));
    assert_eq!(detached.begin(&work(NEVER)).await.unwrap(), Begun::Lost);
    let bench = Bench::start().await;
    assert_eq!(bench.run::<usize>(&["EXISTS", STREAM, RECORD]).await, 0);
}

impl Bench {
    /// Waits until a job of this name has done the work.
    async fn finished_by(&self, name: &str) {
        test_support::eventually("the work to be done", crate::harness::LIMIT, async || {
            crate::harness::same(&vec![name], &self.done().await)
        })
        .await;
    }
}
