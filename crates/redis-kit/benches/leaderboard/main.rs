//! What a leaderboard of a million members costs, beside the bare commands written by hand with the client library alone.
//! `cargo bench -p redis-kit --bench leaderboard`. All run in turn, round after round, on one server without persistence, by 64
//! tasks on one thread and one connection; the table shows medians, and the share of what is done by hand.
//!
//! `BENCH_ROUNDS` (7) and `BENCH_UPDATES` (200000) choose how much, `BENCH_MEMBERS` (1000000) how many members there are;
//! `BENCH_ONLY` (a part of a row's name) chooses what.
//!
//! "By hand" is one `ZADD GT` or `ZINCRBY` for each update, and for a look the commands that answer the same, pipelined where one need
//! not know the other's answer; ranks by hand are places, where ours are shared by those who are equal.
//!
//! # Where the time goes
//! Redis is busy all the time, mostly with the sorted set itself, whose million members are in no cache. Ours did 0.83 of the
//! best scores, 0.69 of the sums, 0.88 of the sums that come as a stream's entries, 0.87 of the ranks, 0.66 of the looks at neighbours, and five times as
//! many looks at the top ten, which are read once for all who look at the same moment. What it costs more is to hand members and
//! points over to Lua, a microsecond each, and a command's fixed cost within a script. So best scores of all who come together are one command, which for
//! sums there is not; to read, add and write all sums at once took longer (0.5).

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod by_hand;
mod ours;
#[path = "../rig/mod.rs"]
mod rig;

use std::sync::atomic::{AtomicI64, Ordering};

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

/// What a member is brought. A best score is better than all before, or there would be nothing to write.
fn points(is_best: bool, n: usize) -> i64 {
    static BEST: AtomicI64 = AtomicI64::new(1_000_000_000);
    if is_best {
        BEST.fetch_add(1, Ordering::Relaxed)
    } else {
        i64::try_from(1 + n % 7).expect("a small number")
    }
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
            table.add(TOP, "by hand, one command", by_hand::one_command(&rig, None).await);
            table.add(TOP, "ours", ours::top(&rig, "best", &best).await);
        }
        if rig.wants(RANK) {
            table.add(RANK, "by hand", by_hand::rank(&rig, members).await);
            table.add(RANK, "by hand, one command", by_hand::one_command(&rig, Some(members)).await);
            table.add(RANK, "ours", ours::around(&rig, "best", &best, members, 0).await);
        }
        if rig.wants(AROUND) {
            table.add(AROUND, "by hand", by_hand::around(&rig, members).await);
            table.add(AROUND, "ours", ours::around(&rig, "best", &best, members, 5).await);
        }
    }
    table
}
