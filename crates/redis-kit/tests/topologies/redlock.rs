//! A lock over a majority of several servers that know nothing of each other, some of which die.

use std::time::Duration;

use futures_util::future::join_all;
use local_redis::{Durability, Server};
use redis_kit::{
    Redis,
    lock::{Attempt, Guard, Lock, LockOptions, Locks},
};
use test_support::eventually;
use tokio::time::sleep;

use crate::support::{LIMIT, ask, connect};

const KEY: &str = "lock";
const TTL: Duration = Duration::from_secs(2);

struct Servers(Vec<Server>);

impl Servers {
    async fn five() -> Self {
        let servers = join_all((0..5).map(|_| Server::ephemeral(Durability::Volatile))).await;
        Self(servers.into_iter().map(Result::unwrap).collect())
    }

    /// The lock as one process has it, which shares nothing with another.
    fn lock(&self, ttl: Duration) -> Lock {
        let servers: Vec<Redis> = self.0.iter().map(|server| Redis::open(&server.url()).unwrap()).collect();
        // A busy machine is no reason to give a server up.
        let options = LockOptions { ttl, answer_limit: ttl / 2, ..LockOptions::default() };
        Locks::over(&servers).unwrap().lock(KEY, options)
    }

    async fn kill(&mut self, servers: std::ops::Range<usize>) {
        for server in &mut self.0[servers] {
            server.kill().await.unwrap();
        }
    }

    /// How many of those that live have this key.
    async fn have(&self, key: &str) -> usize {
        let exist =
            self.0.iter().map(async |server| ask::<usize>(&connect(&server.url()), &["EXISTS", key]).await);
        join_all(exist).await.into_iter().flatten().sum()
    }

    async fn until(&self, key: &str, count: usize) {
        eventually("the servers to have the key, or not", LIMIT, || async {
            let found = self.have(key).await;
            if found == count { Ok(()) } else { Err(format!("{found} have {key} and not {count}")) }
        })
        .await;
    }
}

async fn take(lock: &Lock) -> Guard {
    lock.try_acquire().await.unwrap().held().expect("a lock that is free")
}

async fn is_busy(lock: &Lock) -> bool {
    matches!(lock.try_acquire().await, Ok(Attempt::Busy { .. }))
}

#[tokio::test]
async fn it_is_held_by_one_and_given_back_on_all() {
    let servers = Servers::five().await;
    let (mine, other) = (servers.lock(LIMIT), servers.lock(LIMIT));
    let guard = take(&mine).await;
    assert_eq!(servers.have(KEY).await, 5);
    assert!(is_busy(&other).await);
    assert!(guard.release().await.unwrap());
    assert_eq!(servers.have(KEY).await, 0);
    drop(take(&other).await);
    servers.until(KEY, 0).await;
}

#[tokio::test]
async fn two_of_five_may_die_while_it_is_held() {
    let mut servers = Servers::five().await;
    let (mine, other) = (servers.lock(TTL), servers.lock(TTL));
    let guard = take(&mine).await;
    servers.kill(0..2).await;
    assert!(is_busy(&other).await);
    guard.run(sleep(2 * TTL)).await.expect("three renew it");
    assert!(is_busy(&other).await);
    assert!(guard.release().await.unwrap());
    let heir = take(&other).await;
    assert!(is_busy(&mine).await);
    assert!(heir.release().await.unwrap());
}

#[tokio::test]
async fn two_of_five_may_die_while_it_is_waited_for() {
    let mut servers = Servers::five().await;
    let guard = take(&servers.lock(LIMIT)).await;
    let token = guard.token();
    let other = servers.lock(LIMIT);
    let waiter = tokio::spawn(async move { other.acquire(LIMIT).await.map(Attempt::held) });
    servers.until(&format!("{{{KEY}}}:waiters"), 5).await;
    servers.kill(3..5).await;
    guard.release().await.unwrap();
    let heir = waiter.await.unwrap().unwrap().expect("the lock in time");
    assert!(heir.token() > token);
    assert!(is_busy(&servers.lock(LIMIT)).await);
    assert!(heir.release().await.unwrap());
}

#[tokio::test]
async fn with_three_of_five_dead_redis_has_failed_and_the_lock_is_not_busy() {
    let mut servers = Servers::five().await;
    let guard = take(&servers.lock(TTL)).await;
    servers.kill(1..4).await;
    let error = servers.lock(TTL).try_acquire().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    // Nor can it be renewed, and its holder must know in time.
    guard.run(std::future::pending::<()>()).await.unwrap_err();
    assert!(tokio::time::Instant::now() >= guard.deadline());
}

#[tokio::test]
async fn what_was_taken_without_a_majority_is_given_back() {
    let servers = Servers::five().await;
    for server in &servers.0[..3] {
        ask::<()>(&connect(&server.url()), &["SET", KEY, "other", "PX", "3600000"]).await.unwrap();
    }
    match servers.lock(LIMIT).try_acquire().await.unwrap() {
        Attempt::Busy { free_within } => assert!(free_within > Duration::from_mins(59), "{free_within:?}"),
        Attempt::Held(guard) => panic!("three of five are another's: {guard:?}"),
    }
    servers.until(KEY, 3).await;
}

/// The servers' clocks differ: what one gave must be known to the next majority.
#[tokio::test]
async fn tokens_grow_from_majority_to_majority() {
    let mut servers = Servers::five().await;
    let ahead = 9_000_000_000_000_000_u64;
    ask::<()>(&connect(&servers.0[0].url()), &["SET", "{lock}:fence", &ahead.to_string()]).await.unwrap();
    let guard = take(&servers.lock(LIMIT)).await;
    assert_eq!(guard.token(), ahead + 1);
    guard.release().await.unwrap();
    // The one that gave it is gone, and another that heard of it.
    servers.kill(0..2).await;
    assert_eq!(take(&servers.lock(LIMIT)).await.token(), ahead + 2);
}

/// Whoever asks at the same time may split the servers between them, and must not do so for ever.
#[tokio::test]
async fn ten_processes_take_turns() {
    let servers = Servers::five().await;
    let inside = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let tasks = (0..10).map(|_| {
        let (lock, inside) = (servers.lock(LIMIT), inside.clone());
        tokio::spawn(async move {
            for _ in 0..3 {
                let guard = lock.acquire(LIMIT).await.unwrap().held().expect("the lock in time");
                assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                assert!(guard.release().await.unwrap());
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
}
