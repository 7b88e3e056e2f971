//! What a rate limit costs, beside a call by hand with the client library alone: of the same script, and of a bare GCRA that
//! says yes or no. `cargo bench -p redis-kit --bench rate_limit`. All run in turn, round after round, on one server without
//! persistence, by 64 tasks on one thread and one connection; the table shows medians, and the share of what is done by
//! hand with the same script.
//!
//! `BENCH_ROUNDS` (7) and `BENCH_CHECKS` (300000) choose how much; `BENCH_ONLY` (a part of a row's name) chooses what.
//!
//! # Where the time goes
//! Ours does 2.2 times the checks of a call by hand with the same script where they are of a thousand subjects, and 3 times as
//! many where all are of one. A call for one check costs Redis more than twice what a check costs in a call for
//! many: a script's fixed cost, the clock and the reading are shared, and a key is written once however often it was taken
//! from. In the client a command's cost is shared. One call for each check, by ours, did 0.73 to 0.87. A check in a call for 64 costs Redis as much as a bare GCRA in such a call.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod by_hand;
mod ours;
#[path = "../rig/mod.rs"]
mod rig;

use std::time::Duration;

use by_hand::Script;
use rig::Rig;
use test_support::Table;

/// How many tasks there are.
const TASKS: usize = 64;
const CYCLES: (&str, usize) = ("BENCH_CHECKS", 300_000);

/// In which time a unit flows back, as for ten a minute, so that keys live as long as they do in use.
const INTERVAL: Duration = Duration::from_secs(6);
/// More than anybody uses here.
const LIMIT: u32 = 100_000_000;

/// Checks of a thousand subjects.
const MANY: &str = "1 a thousand subjects, checks/s";
/// All checks are of the same one.
const ONE: &str = "2 one subject, checks/s";

fn main() {
    rig::run(measure());
}

async fn measure() -> Table {
    let rig = Rig::start().await;
    let mut table = Table::against("by hand");
    let many: fn(usize, usize) -> String = |task, n| format!("customer:{}", (task + n * TASKS) % 1000);
    let one: fn(usize, usize) -> String = |_, _| "customer".to_owned();
    for round in 1..=rig.rounds {
        eprintln!("round {round} of {}", rig.rounds);
        for (about, key) in [(MANY, many), (ONE, one)] {
            if rig.wants(about) {
                table.add(about, "by hand", by_hand::run(&rig, Script::Ours, key).await);
                table.add(about, "by hand, bare", by_hand::run(&rig, Script::Bare, key).await);
                table.add(about, "ours", ours::run(&rig, key).await);
            }
        }
    }
    table
}
