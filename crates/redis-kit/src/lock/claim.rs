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
use redis::RedisResult;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tracing::debug;

use super::{
    keys::LockKeys,
    options::LockOptions,
    quorum::{Tally, too_late},
    scripts::{Answer, Wanted},
    servers::{Acquire, Release, Server},
};
use crate::{Backoff, owners::Owners};

/// Which lock: on which servers, under which name, and for how long.
pub(super) struct Subject {
    pub(super) servers: Arc<[Server]>,
    pub(super) owners: Arc<Owners>,
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
    async fn ask<'a, T, Asking>(&'a self, question: impl Fn(&'a Server) -> Asking) -> Vec<RedisResult<T>>
    where
        Asking: Future<Output = RedisResult<T>>,
    {
        // Without a timer of its own, since the connection has one, and an answer that came too late is told by its time.
        if let [server] = &*self.servers {
            return vec![question(server).await];
        }
        let limit = self.options.answer_limit.min(self.options.ttl);
        let asked = self.servers.iter().map(async |server| {
            let answer = timeout(limit, question(server)).await;
            answer.unwrap_or_else(|_late| Err(too_late("no answer came in time to be of use")))
        });
        join_all(asked).await
    }
}

/// A request for a lock under an id that no other has, ever: whatever is done to the lock under it is done to no other's.
/// Shared by the claim and by those of its requests that are under way.
pub(super) struct Ticket {
    subject: Arc<Subject>,
    owner: String,
    /// Whatever was or will be taken is to be given back.
    over: AtomicBool,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.key()).field(&self.owner).finish()
    }
}

impl Ticket {
    pub(super) fn key(&self) -> &str {
        &self.subject.keys.lock
    }

    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted { keys: &self.subject.keys, owner: &self.owner, ttl: self.subject.options.ttl }
    }

    pub(super) fn keys_and_owner(&self) -> (&LockKeys, &str) {
        (&self.subject.keys, &self.owner)
    }

    /// A server has answered. If the claim was given up meanwhile, its release may have been there before the
    /// acquisition, and so there is another.
    pub(super) fn answered(self: &Arc<Self>, answer: &RedisResult<Answer>) {
        if self.over.load(Ordering::SeqCst) && !took_nothing(answer) {
            tokio::spawn(Arc::clone(self).give_back());
        }
    }

    async fn release(self: &Arc<Self>) -> Tally {
        self.over.store(true, Ordering::SeqCst);
        let release = async |server: &Server| server.releases.ask(Release { ticket: Arc::clone(self) }).await;
        Tally::of(self.subject.ask(release).await)
    }

    /// Gives back what it has, on every server. What a server does not answer to is tried again until the lock has
    /// expired there.
    async fn give_back(self: Arc<Self>) {
        let expired = Instant::now() + self.subject.options.ttl;
        let mut failures = 0;
        while !self.release().await.is_complete() && Instant::now() < expired {
            failures += 1;
            debug!(key = self.key(), "a lock is not given back yet");
            Backoff::wait_to_reconnect(failures).await;
        }
    }
}

/// Whether the server certainly has not taken the lock: it says so, it refused, or it was never reached.
pub(super) fn took_nothing(answer: &RedisResult<Answer>) -> bool {
    match answer {
        Ok(Answer::Taken { .. }) => false,
        Err(error) if error.is_io_error() => error.is_connection_refusal(),
        // The script gives back what it takes before it fails.
        Ok(Answer::Busy { .. }) | Err(_) => true,
    }
}

/// One owner's claim.
///
/// Dropped, it gives back in the background whatever it has or may have, unless it was [settled](Claim::settle).
#[derive(Debug)]
pub(super) struct Claim {
    ticket: Arc<Ticket>,
    /// Where it gives back, since it may be dropped anywhere.
    runtime: Handle,
    settled: AtomicBool,
}

impl Claim {
    pub(super) fn new(subject: &Arc<Subject>) -> Self {
        let (subject, owner) = (Arc::clone(subject), subject.owners.next());
        let ticket = Arc::new(Ticket { subject, owner, over: AtomicBool::new(false) });
        Self { ticket, runtime: Handle::current(), settled: AtomicBool::new(false) }
    }

    pub(super) fn key(&self) -> &str {
        self.ticket.key()
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn options(&self) -> LockOptions {
        self.ticket.subject.options
    }

    /// Asks each server for the lock.
    pub(super) async fn acquire(&self, waits: bool) -> Vec<RedisResult<Answer>> {
        let acquire = async |server: &Server| {
            let desk = if waits { &server.waiting_acquisitions } else { &server.acquisitions };
            desk.ask(Acquire { ticket: Arc::clone(&self.ticket), waits }).await
        };
        self.ticket.subject.ask(acquire).await
    }

    pub(super) async fn raise(&self, token: u64) -> Tally {
        let (keys, owner) = self.ticket.keys_and_owner();
        Tally::of(self.ticket.subject.ask(|server| keys.raise(server.redis.clone(), owner, token)).await)
    }

    pub(super) async fn renew(&self, ttl: Duration) -> Tally {
        let (keys, owner) = self.ticket.keys_and_owner();
        Tally::of(self.ticket.subject.ask(|server| keys.renew(server.redis.clone(), owner, ttl)).await)
    }

    pub(super) async fn release(&self) -> Tally {
        self.ticket.release().await
    }

    /// There is nothing to give back (any more).
    pub(super) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.settled.load(Ordering::Relaxed) {
            return;
        }
        self.ticket.over.store(true, Ordering::SeqCst);
        // In a runtime that has ended nothing comes of it, and the lock is left to expire.
        self.runtime.spawn(Arc::clone(&self.ticket).give_back());
    }
}
