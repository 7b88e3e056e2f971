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
        let all = rig.cycles;
        if rig.wants(UNCONTENDED) {
            table.add(UNCONTENDED, "by hand", by_hand::run(&rig, all, |task| format!("lock:{task}")).await);
            table.add(UNCONTENDED, "ours", ours::run(&rig, all, |task| format!("lock:{task}")).await);
        }
        // By hand it polls, so that a cycle takes as long as a hundred of the others.
        let few = rig.cycles / 50;
        if rig.wants(CONTENDED) {
            table.add(CONTENDED, "by hand", by_hand::run(&rig, few, |_| "lock".to_owned()).await);
            table.add(CONTENDED, "ours", ours::run(&rig, few, |_| "lock".to_owned()).await);
        }
    }
    table
}
