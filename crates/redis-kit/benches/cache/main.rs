//! What reading through the cache costs, beside a `GET` written by hand with the client library alone, whose JSON is decoded.
//! `cargo bench -p redis-kit --bench cache`. All run in turn, round after round, on one server without persistence, by 32
//! tasks on one thread and one connection; the table shows medians and the share of what is done by hand.
//!
//! `BENCH_ROUNDS` (7) and `BENCH_CYCLES` (100000 reads) choose how much; `BENCH_ONLY` (a part of a row's name) chooses what.
//!
//! # Where the time goes
//! Where each task has a key of its own, reads from Redis are 0.3 of a `GET` by hand. A call by hand of the same script is 0.35:
//! it asks for the time to live too, and would give the lease, so that a miss costs one question less. What is asked at the same
//! moment goes together, which makes 1.3 to 1.4 times as many reads as one call for each did: a command and a script's
//! fixed cost are shared. The rest is the client's: a task for each flight, its place on the list, and the timer for the answer.
//! Where all want one key they share a flight, and there are 1.5 times as many reads as by hand. A near copy asks nobody.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

#[path = "../rig/get.rs"]
mod get;
#[path = "../rig/mod.rs"]
mod rig;

use std::{convert::Infallible, time::Duration};

use get::{User, get_by_hand};
use redis_kit::cache::{Cache, CacheOptions, Policy, Source};
use rig::{Rig, rate};
use test_support::Table;

/// How many tasks there are.
const TASKS: usize = 32;
const CYCLES: (&str, usize) = ("BENCH_CYCLES", 100_000);

/// Each task reads a key of its own.
const OWN: &str = "1 a key each, reads/s";
/// All tasks read the same one.
const SHARED: &str = "2 one key for all, reads/s";

fn main() {
    rig::run(measure());
}

async fn measure() -> Table {
    let rig = Rig::start().await;
    let cache = Cache::start(&rig.redis, CacheOptions::default()).expect("a cache");
    while !cache.hears_invalidations() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let far = Duration::from_hours(1);
    let near = Policy { ttl: far, near_ttl: Some(far), ..Policy::default() };
    let from_redis = Policy { near_ttl: None, ..near };
    let mut table = Table::against("by hand");
    for round in 1..=rig.rounds {
        eprintln!("round {round} of {}", rig.rounds);
        let own = |task| format!("user:{task}");
        let shared = |_| "user".to_owned();
        if rig.wants(OWN) {
            table.add(OWN, "by hand", get_by_hand(&rig, own).await);
            table.add(OWN, "by hand, our script", by_hand_with_our_script(&rig, own).await);
            table.add(OWN, "ours, from Redis", ours(&rig, &cache, from_redis, Source::Redis, own).await);
            table.add(OWN, "ours, near", ours(&rig, &cache, near, Source::Near, own).await);
        }
        if rig.wants(SHARED) {
            table.add(SHARED, "by hand", get_by_hand(&rig, shared).await);
            table.add(
                SHARED,
                "ours, from Redis",
                ours(&rig, &cache, from_redis, Source::Redis, shared).await,
            );
            table.add(SHARED, "ours, near", ours(&rig, &cache, near, Source::Near, shared).await);
        }
    }
    table
}

/// A read by hand by the script that gives a lease where there is nothing, on a bare connection: what of our cost is Redis's.
async fn by_hand_with_our_script(rig: &Rig, key: impl Fn(usize) -> String) -> f64 {
    let mut connection = rig.bare().await;
    let json = serde_json::to_vec(&User::sample()).expect("JSON");
    let mut load = redis::cmd("SCRIPT");
    load.arg("LOAD").arg(include_str!("../../src/cache/lua/read.lua"));
    let hash: String = load.query_async(&mut connection).await.expect("a script");
    rate(rig.cycles, |task, cycles| {
        let (key, hash) = (format!("by-script:{}", key(task)), hash.clone());
        let (mut connection, json) = (connection.clone(), json.clone());
        async move {
            let mut set = redis::cmd("SET");
            set.arg(&key)
                .arg(json)
                .arg("PX")
                .arg(3_600_000)
                .exec_async(&mut connection)
                .await
                .expect("an answer");
            let lease = format!("{key}:lease");
            for _ in 0..cycles {
                let mut read = redis::cmd("EVALSHA");
                read.arg(&hash).arg(2).arg(&key).arg(&lease).arg("token").arg(10_000).arg(0).arg(0);
                let ((json, _left),): ((Vec<u8>, u64),) =
                    read.query_async(&mut connection).await.expect("an answer");
                let user: User = serde_json::from_slice(&json).expect("a user");
                assert_eq!(user.id, 42);
            }
        }
    })
    .await
}

/// All but the first reads are to be answered from there.
async fn ours(
    rig: &Rig,
    cache: &Cache,
    policy: Policy,
    source: Source,
    key: impl Fn(usize) -> String,
) -> f64 {
    rate(rig.cycles, |task, cycles| {
        let (key, cache) = (key(task), cache.clone());
        async move {
            let mut elsewhere = 0;
            for _ in 0..cycles {
                let load = async || Ok::<_, Infallible>(Some(User::sample()));
                let cached = cache.get_or_load(&key, &policy, load).await.expect("an answer");
                assert_eq!(cached.value.expect("a user").id, 42);
                elsewhere += u32::from(cached.source != source);
            }
            assert!(elsewhere <= 2, "{elsewhere} of {cycles} reads were not from {source:?}");
        }
    })
    .await
}
