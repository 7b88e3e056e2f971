//! What handlers in tests do: note that they were called, wait until they may go on, and be done.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};

use futures_util::future::BoxFuture;
use redis_kit::stream::{Commit, Delivery, Failure};
use test_support::eventually;
use tokio::sync::Semaphore;

use crate::harness::{DONE, Job, LIMIT};

/// A commit that says on [`DONE`] which job was done.
pub(crate) fn done(delivery: &Delivery<Job>) -> Result<Commit, Failure> {
    let job = Job::Done { name: delivery.message.name().into() };
    Ok(Commit::new().append(DONE, &job, &delivery.trace.child())?)
}

/// A handler that notes which job it was called for, waits at the gate, and is done.
pub(crate) fn gated(
    gate: &Gate,
    started: &Notes<String>,
) -> impl Fn(Delivery<Job>) -> BoxFuture<'static, Result<Commit, Failure>> + Send + Sync + use<> {
    let (gate, started) = (gate.clone(), started.clone());
    move |job| {
        let (gate, started) = (gate.clone(), started.clone());
        Box::pin(async move {
            started.push(job.message.name().to_owned());
            gate.wait().await;
            done(&job)
        })
    }
}

/// Notes when it is dropped: a handler's way of saying that it was cancelled.
struct OnDrop(Notes<()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.push(());
    }
}

/// A handler that notes the attempt it was called for, waits at the gate, and is done; and that notes if it was cancelled.
pub(crate) fn cancellable(
    gate: &Gate,
    attempts: &Notes<u32>,
    cancelled: &Notes<()>,
) -> impl Fn(Delivery<Job>) -> BoxFuture<'static, Result<Commit, Failure>> + Clone + Send + Sync + use<> {
    let (gate, attempts, cancelled) = (gate.clone(), attempts.clone(), cancelled.clone());
    move |job| {
        let (gate, on_drop) = (gate.clone(), OnDrop(cancelled.clone()));
        attempts.push(job.attempt);
        Box::pin(async move {
            gate.wait().await;
            // It is past where it could have been cancelled.
            std::mem::forget(on_drop);
            done(&job)
        })
    }
}

/// What handlers wait for; opened once for each of them.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn opened() -> Self {
        let gate = Self::closed();
        gate.open();
        gate
    }

    pub(crate) fn let_through(&self, handlers: usize) {
        self.0.add_permits(handlers);
    }

    pub(crate) fn open(&self) {
        self.0.close();
    }

    pub(crate) async fn wait(&self) {
        // An error says that it is open for good.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// What handlers noted, for the test to look at.
pub(crate) struct Notes<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Notes<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + Debug> Notes<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn push(&self, note: T) {
        self.0.lock().unwrap().push(note);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until there are that many, and returns them.
    pub(crate) async fn until(&self, count: usize) -> Vec<T> {
        eventually("a handler to be called", LIMIT, || async {
            let notes = self.all();
            if notes.len() >= count { Ok(notes) } else { Err(format!("there are only {notes:?}")) }
        })
        .await
    }
}
