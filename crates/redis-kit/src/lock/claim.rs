//! One owner's claim to a lock: what it asks the servers for, and how it gives back what it may have.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tracing::debug;
use uuid::Uuid;

use super::{
    keys::LockKeys,
    options::LockOptions,
    quorum::{Tally, too_late},
    scripts::Answer,
};
use crate::{Backoff, Connection, Error};

/// Which lock: on which servers, under which name, and for how long.
pub(super) struct Subject {
    /// One connection to each server.
    pub(super) servers: Arc<[Connection]>,
    pub(super) keys: LockKeys,
    pub(super) options: LockOptions,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subject").field(&self.keys.lock).finish()
    }
}

impl Subject {
    /// Asks all servers at once. Each of several is waited for until its answer would be of no use.
    async fn ask<T, Asking>(&self, question: impl Fn(Connection) -> Asking) -> Vec<Result<T, Error>>
    where
        Asking: Future<Output = Result<T, Error>>,
    {
        // Without a timer of its own, since the connection has one, and an answer that came too late is told by its time.
        if let [server] = &*self.servers {
            return vec![question(server.clone()).await];
        }
        let limit = self.options.answer_limit.min(self.options.ttl);
        let asked = self.servers.iter().map(async |server| {
            let answer = timeout(limit, question(server.clone())).await;
            answer.unwrap_or_else(|_late| Err(too_late("no answer came in time to be of use")))
        });
        join_all(asked).await
    }
}

/// A claim under an id that no other claim has, ever: whatever is done to the lock under it is done to no other's.
///
/// Dropped, it gives back in the background whatever it has or may have, unless it was [settled](Claim::settle).
#[derive(Debug)]
pub(super) struct Claim {
    subject: Arc<Subject>,
    owner: String,
    settled: AtomicBool,
}

impl Claim {
    pub(super) fn new(subject: &Arc<Subject>) -> Self {
        let owner = Uuid::new_v4().simple().to_string();
        Self { subject: Arc::clone(subject), owner, settled: AtomicBool::new(false) }
    }

    pub(super) fn key(&self) -> &str {
        &self.subject.keys.lock
    }

    pub(super) fn options(&self) -> LockOptions {
        self.subject.options
    }

    /// Asks each server for the lock.
    pub(super) async fn acquire(&self, waits: bool) -> Vec<Result<Answer, Error>> {
        let Subject { keys, options, .. } = &*self.subject;
        self.subject.ask(|redis| keys.acquire(redis, &self.owner, options.ttl, waits)).await
    }

    pub(super) async fn raise(&self, token: u64) -> Tally {
        let keys = &self.subject.keys;
        Tally::of(self.subject.ask(|redis| keys.raise(redis, &self.owner, token)).await)
    }

    pub(super) async fn renew(&self, ttl: Duration) -> Tally {
        let keys = &self.subject.keys;
        Tally::of(self.subject.ask(|redis| keys.renew(redis, &self.owner, ttl)).await)
    }

    pub(super) async fn release(&self) -> Tally {
        let keys = &self.subject.keys;
        Tally::of(self.subject.ask(|redis| keys.release(redis, &self.owner)).await)
    }

    /// There is nothing to give back (any more).
    pub(super) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Gives back what it has, on every server. What a server does not answer to is tried again until the lock has
    /// expired there.
    async fn give_back(self) {
        let expired = Instant::now() + self.options().ttl;
        let mut failures = 0;
        while !self.release().await.is_complete() && Instant::now() < expired {
            failures += 1;
            debug!(key = self.key(), "a lock is not given back yet");
            Backoff::wait_to_reconnect(failures).await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.settled.swap(true, Ordering::Relaxed) {
            return;
        }
        // Outside of a runtime, or in one that ends, the lock is left to expire.
        if let Ok(runtime) = Handle::try_current() {
            let (subject, owner) = (Arc::clone(&self.subject), std::mem::take(&mut self.owner));
            let rest = Self { subject, owner, settled: AtomicBool::new(true) };
            runtime.spawn(rest.give_back());
        }
    }
}
