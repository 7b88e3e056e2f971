//! How fast the stream engine is, beside hand-written loops that do the least that could be done: `cargo bench -p redis-kit
//! --bench stream`. All contenders run in turn, round after round, on one server, first without persistence, then with every
//! write synced; the table shows medians and each engine's share of its limit.
//!
//! `BENCH_ROUNDS` (5), `BENCH_ENTRIES` (200000) and `BENCH_ONLY` (a part of a row's name, such as `empty` or
//! `output, entries/s, limit`) choose how much.
//!
//! Every contender reads entries of the same five fields, with JSON of about 120 bytes, and acknowledges each; the clock
//! stops when none is pending any more.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod latency;
mod produce;
mod rig;
mod table;
mod work;

use local_redis::Durability;
use rig::Rig;
use table::Table;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for durability in [Durability::Volatile, Durability::Always] {
        let table = runtime.block_on(measure(durability));
        println!(
            "\nappendfsync {}\n\n{table}",
            if durability == Durability::Always { "always" } else { "off" }
        );
    }
}

async fn measure(durability: Durability) -> Table {
    let rig = Rig::start(durability).await;
    let mut table = Table::default();
    for round in 1..=rig.rounds {
        eprintln!("round {round} of {}", rig.rounds);
        produce::run(&rig, &mut table).await;
        work::run(&rig, &mut table).await;
        latency::run(&rig, &mut table).await;
    }
    table
}
