//! What it costs to know who is logged in, beside a `GET` written by hand with the client library alone, whose JSON is decoded,
//! and beside a call by hand of the same script. `cargo bench -p redis-kit --bench session`. All run in turn, round after round, on
//! one server without persistence, by 32 tasks on one thread and one connection, each with a session of its own; the table
//! shows medians and the share of a `GET`.
//!
//! `BENCH_ROUNDS` (7) and `BENCH_CYCLES` (100000 loads) choose how much.
//!
//! # Where the time goes
//! Ours does 0.17 of the loads of a `GET`, and 0.96 of those by hand with the same script. So it is Redis's time: the script asks
//! for the clock, the index and the hash, because a session's end must hold everywhere at once.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

#[path = "../rig/get.rs"]
mod get;
#[path = "../rig/mod.rs"]
mod rig;

use get::{User, get_by_hand};
use redis_kit::session::{SessionOptions, Sessions, Token, UserKeys};
use rig::{Rig, rate};
use test_support::Table;

/// How many tasks there are.
const TASKS: usize = 32;
const CYCLES: (&str, usize) = ("BENCH_CYCLES", 100_000);

const LOADS: &str = "a session each, loads/s";

/// The script that ours calls.
const LOAD: &str = concat!(
    include_str!("../../src/session/lua/allow_oom.lua"),
    "\n",
    include_str!("../../src/session/lua/read.lua"),
    "\n",
    include_str!("../../src/session/lua/touch.lua"),
    "\n",
    include_str!("../../src/session/lua/load.lua"),
);

fn main() {
    rig::run(measure());
}

async fn measure() -> Table {
    let rig = Rig::start().await;
    let sessions = Sessions::new(&rig.redis, SessionOptions::default()).expect("a connection");
    let mut tokens = Vec::new();
    for task in 0..TASKS {
        let begun = sessions.begin(&format!("user-{task}"), User::sample(), None).await;
        tokens.push(begun.expect("a session").0);
    }
    let mut table = Table::against("by hand, GET");
    if rig.wants(LOADS) {
        for round in 1..=rig.rounds {
            eprintln!("round {round} of {}", rig.rounds);
            // A session that is a key: without an index, a note of its use, or an end.
            table.add(LOADS, "by hand, GET", get_by_hand(&rig, |task| format!("user-{task}")).await);
            table.add(LOADS, "by hand, our script", by_hand_with_our_script(&rig, &tokens).await);
            table.add(LOADS, "ours", ours(&rig, &sessions, &tokens).await);
        }
    }
    table
}

/// What of our cost is Redis's.
async fn by_hand_with_our_script(rig: &Rig, tokens: &[Token]) -> f64 {
    let mut connection = rig.bare().await;
    let load = redis::cmd("SCRIPT").arg("LOAD").arg(LOAD).query_async(&mut connection).await;
    let hash: String = load.expect("a script");
    rate(rig.cycles, |task, loads| {
        let (token, hash, mut connection) = (tokens[task].clone(), hash.clone(), connection.clone());
        async move {
            let keys = UserKeys::new("", token.tag()).expect("a tag");
            let session = keys.session(token.id());
            for _ in 0..loads {
                let mut load = redis::cmd("EVALSHA");
                load.arg(&hash).arg(2).arg(&keys.index).arg(&session);
                load.arg(token.id().as_str()).arg(1_800_000).arg(180_000);
                let (json, ..): (Vec<u8>, String, i64, i64, i64) =
                    load.query_async(&mut connection).await.expect("a session");
                let user: User = serde_json::from_slice(&json).expect("a user");
                assert_eq!(user.id, 42);
            }
        }
    })
    .await
}

async fn ours(rig: &Rig, sessions: &Sessions<User>, tokens: &[Token]) -> f64 {
    rate(rig.cycles, |task, loads| {
        let (token, sessions) = (tokens[task].clone(), sessions.clone());
        async move {
            for _ in 0..loads {
                let session = sessions.load(&token).await.expect("an answer").expect("a session");
                assert_eq!(session.data.id, 42);
            }
        }
    })
    .await
}
