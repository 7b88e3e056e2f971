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
//! Into the fence. Where each task has a key of its own, ours does 0.4 to 0.55 of the cycles of a lock by hand, and a
//! lock by hand that counts its holders by a script 0.65 to 0.8, the less the busier the machine. With 32 commands in
//! a batch, client and server work in turn, and a cycle of 6.7 µs by hand (3.2 µs of Redis, 2.9 µs of the client) is
//! one of 13.7 µs (7.6 and 4.7). A script instead of a plain `SET` takes Redis 1.4 µs more, `INCR` in it 1.3 µs, and
//! `TIME`, `GET` and `SET` with an expiry, which is what a token that survives a failover needs, 3 µs. With a plain
//! counter in their place ours did 0.50 instead of 0.43.
//!
//! A task that keeps each guard costs nothing that can be measured: without it, 0.44 to 0.47 instead of 0.44 to 0.45.
//! So there is no shared one.
//!
//! Where all want one key, ours is the faster: whoever waits is woken, or behind another task of its process, and by
//! hand it polls.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod by_hand;
mod ours;
mod rig;
mod table;

use by_hand::Fence;
use rig::Rig;
use table::Table;

/// Each task has a lock of its own.
const UNCONTENDED: &str = "1 a key each, cycles/s";
/// All tasks want the same one.
const CONTENDED: &str = "2 one key for all, cycles/s";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("\n{}", runtime.block_on(measure()));
}

async fn measure() -> Table {
    let rig = Rig::start().await;
    let mut table = Table::default();
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
