//! What a lock costs, beside one written by hand with the client library alone: `SET key owner NX PX`, and a script that deletes the
//! key if it is still the owner's. `cargo bench -p redis-kit --bench lock`. Both run in turn, round after round, on one server
//! without persistence, by 32 tasks on one thread and one connection; the table shows medians and the share of what is done by hand.
//!
//! `BENCH_ROUNDS` (7) and `BENCH_CYCLES` (100000, each one acquisition and its release) choose how much; `BENCH_ONLY` (a part of a
//! row's name) chooses what.

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
