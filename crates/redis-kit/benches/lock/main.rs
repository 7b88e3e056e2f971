//! What a lock costs, beside one written by hand with the client library alone: `SET key owner NX PX`, and a script
//! that deletes the key if it is still the owner's; and beside the same with a counter for a fence, which makes a
//! script of the first step too. `cargo bench -p redis-kit --bench lock`. All run in turn, round after round, on one
//! server without persistence, by 32 tasks on one thread and one connection; the table shows medians and the share of
//! what is done by hand without a fence.
//!
//! `BENCH_ROUNDS` (7) and `BENCH_CYCLES` (100000, each one acquisition and its release) choose how much; `BENCH_ONLY`
//! (a part of a row's name) chooses what.
//!
//! # Where the time goes
//! Where each task has a key of its own, ours does 0.89 to 0.97 of the cycles of a lock by hand that has no fence, and 1.1 to
//! 1.3 times those of one that has a plain counter for a fence. All commands of the 32 tasks come at once, so client and server
//! work in turn, and what both need counts. Ours needs five eighths in Redis and three in the client, most of these for
//! writing, reading and waiting; what belongs to a single lock there is an eighth.
//!
//! One call for each lock did 0.45 to 0.53: a script costs Redis 1.7 µs before it does anything, and a command the client
//! 1.4. One call for all that is asked at once did 0.85, with a task and a timer for each guard. One timer for all guards,
//! and no system call between the requests and their sending, made the rest.
//!
//! Of 2.5 µs that its scripts take Redis for a cycle, a token by the clock takes 0.6 more than a counter. Errors caught by
//! Lua's `pcall` in a closure for each lock, rather than by Redis's, took 0.2.
//!
//! Where all want one key, ours is the faster: whoever waits is woken, or behind another task of its process, and by
//! hand it polls.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod by_hand;
mod ours;
#[path = "../rig/mod.rs"]
mod rig;

use by_hand::Fence;
use rig::Rig;
use test_support::Table;

/// How many tasks there are.
const TASKS: usize = 32;
const CYCLES: (&str, usize) = ("BENCH_CYCLES", 100_000);

/// Each task has a lock of its own.
const UNCONTENDED: &str = "1 a key each, cycles/s";
/// All tasks want the same one.
const CONTENDED: &str = "2 one key for all, cycles/s";

fn main() {
    rig::run(measure());
}

async fn measure() -> Table {
    let rig = Rig::start().await;
    let mut table = Table::against("by hand");
    for round in 1..=rig.rounds {
        eprintln!("round {round} of {}", rig.rounds);
        // By hand it polls, so that a contended cycle takes as long as many of the others.
        let (all, few) = (rig.cycles, rig.cycles / 50);
        if rig.wants(UNCONTENDED) {
            let key = |task| format!("lock:{task}");
            table.add(UNCONTENDED, "by hand", by_hand::run(&rig, all, Fence::None, key).await);
            table.add(UNCONTENDED, "by hand, counted", by_hand::run(&rig, all, Fence::Counter, key).await);
            table.add(UNCONTENDED, "ours", ours::run(&rig, all, key).await);
        }
        if rig.wants(CONTENDED) {
            let key = |_| "lock".to_owned();
            table.add(CONTENDED, "by hand", by_hand::run(&rig, few, Fence::None, key).await);
            table.add(CONTENDED, "by hand, counted", by_hand::run(&rig, few, Fence::Counter, key).await);
            table.add(CONTENDED, "ours", ours::run(&rig, few, key).await);
        }
    }
    table
}
