//! Locks, seen from outside: who has one, who waits, what is left in Redis.

mod acquiring;
mod fence;
mod giving_back;
mod losing;
mod together;
mod waiting;

use std::time::Duration;

use redis_kit::{
    Redis,
    lock::{Attempt, Guard, Lock, LockOptions, Locks},
};
use test_support::eventually;

use crate::harness::{Bench, LIMIT, NEVER, same};

const KEY: &str = "lock:{t}";
const FENCE: &str = "lock:{t}:fence";
/// There while somebody waits.
const WAITERS: &str = "lock:{t}:waiters";

/// A lock that does not expire while a test runs, so that whatever happens to it happens for another reason.
fn lasting() -> LockOptions {
    expiring(NEVER)
}

fn expiring(ttl: Duration) -> LockOptions {
    LockOptions { ttl, max_hold: NEVER, ..LockOptions::default() }
}

fn lock(redis: &Redis, options: LockOptions) -> Lock {
    Lock::new(redis, KEY, options).unwrap()
}

/// The lock as somebody in another process has it, who shares nothing with the others.
fn elsewhere(bench: &Bench, options: LockOptions) -> Lock {
    Locks::on(&bench.redis()).unwrap().lock(KEY, options)
}

async fn take(lock: &Lock) -> Guard {
    lock.try_acquire().await.unwrap().held().expect("a lock that is free")
}

/// In how long the lock is free at the latest; it must be another's.
async fn busy(lock: &Lock) -> Duration {
    match lock.try_acquire().await.unwrap() {
        Attempt::Busy { free_within } => free_within,
        Attempt::Held(guard) => panic!("it was free: {guard:?}"),
    }
}

impl Bench {
    async fn is_locked(&self) -> bool {
        self.run::<u8>(&["EXISTS", KEY]).await == 1
    }

    async fn until_locked(&self, expected: bool) {
        eventually("the lock to be taken or given back", LIMIT, || async {
            same(&expected, &self.is_locked().await)
        })
        .await;
    }

    /// Waits until somebody waits for the lock.
    async fn until_waited_for(&self) {
        eventually("somebody to wait", LIMIT, || async {
            same(&1, &self.run::<u8>(&["EXISTS", WAITERS]).await)
        })
        .await;
    }
}
