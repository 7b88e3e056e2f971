//! What a leaderboard of a million members costs, beside the bare commands written by hand with the client library alone.
//! `cargo bench -p redis-kit --bench leaderboard`. All run in turn, round after round, on one server without persistence, by 64
//! tasks on one thread and one connection; the table shows medians, and the share of what is done by hand.
//!
//! `BENCH_ROUNDS` (7) and `BENCH_UPDATES` (200000) choose how much, `BENCH_MEMBERS` (1000000) how many members there are;
//! `BENCH_ONLY` (a part of a row's name) chooses what.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod by_hand;
mod ours;
#[path = "../rig/mod.rs"]
mod rig;

use redis_kit::leaderboard::{BoardOptions, Operator, Ties};
use rig::Rig;
use test_support::Table;

/// How many tasks there are.
const TASKS: usize = 64;
const CYCLES: (&str, usize) = ("BENCH_UPDATES", 200_000);

const BEST: &str = "1 best score, updates/s";
const SUM: &str = "2 sum, updates/s";
const FIRST: &str = "3 sum, first to reach, updates/s";
const DENSE: &str = "4 sum, dense ranks, updates/s";
const ENTRIES: &str = "5 sum of a stream's entries, 50 together, entries/s";
const TOP: &str = "6 top 10, looks/s";
const RANK: &str = "7 rank, looks/s";
const AROUND: &str = "8 five on either side, looks/s";

/// A member by its number.
fn member(number: usize) -> String {
    format!("player:{number:07}")
}

/// Which member is next: all of them, in no order that a cache would like.
fn any(task: usize, n: usize, members: usize) -> usize {
    ((n * TASKS + task) * 7_919) % members
}

fn main() {
    rig::run(measure());
}

async fn measure() -> Table {
    let rig = Rig::start().await;
    let members = std::env::var("BENCH_MEMBERS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let best = BoardOptions::default();
    let sum = BoardOptions { operator: Operator::Sum, ..BoardOptions::default() };
    let resolution = std::time::Duration::from_hours(1);
    let first =
        BoardOptions { ties: Ties::FirstToReach { resolution }, scores: 0..=1_000_000_000, ..sum.clone() };
    let dense = BoardOptions { ties: Ties::Dense, ..sum.clone() };
    by_hand::fill(&rig, members).await;
    for (name, options) in [("best", &best), ("sum", &sum), ("first", &first), ("dense", &dense)] {
        ours::fill(&rig, name, options, members).await;
    }
    let mut table = Table::against("by hand");
    for round in 1..=rig.rounds {
        eprintln!("round {round} of {}", rig.rounds);
        if rig.wants(BEST) {
            table.add(BEST, "by hand", by_hand::update(&rig, "ZADD", members).await);
            table.add(BEST, "ours", ours::update(&rig, "best", &best, members).await);
        }
        for (about, name, options) in [(SUM, "sum", &sum), (FIRST, "first", &first), (DENSE, "dense", &dense)]
        {
            if rig.wants(about) {
                table.add(about, "by hand", by_hand::update(&rig, "ZINCRBY", members).await);
                table.add(about, "ours", ours::update(&rig, name, options, members).await);
            }
        }
        if rig.wants(ENTRIES) {
            table.add(ENTRIES, "by hand", by_hand::update(&rig, "ZINCRBY", members).await);
            table.add(ENTRIES, "ours", ours::entries(&rig, "sum", &sum, members).await);
        }
        if rig.wants(TOP) {
            table.add(TOP, "by hand", by_hand::top(&rig).await);
            table.add(TOP, "ours", ours::top(&rig, "best", &best).await);
        }
        if rig.wants(RANK) {
            table.add(RANK, "by hand", by_hand::rank(&rig, members).await);
            table.add(RANK, "ours", ours::around(&rig, "best", &best, members, 0).await);
        }
        if rig.wants(AROUND) {
            table.add(AROUND, "by hand", by_hand::around(&rig, members).await);
            table.add(AROUND, "ours", ours::around(&rig, "best", &best, members, 5).await);
        }
    }
    table
}
