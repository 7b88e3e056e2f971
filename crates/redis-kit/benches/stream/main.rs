//! How fast the stream engine is, beside hand-written loops that do the least that could be done: `cargo bench -p redis-kit
//! --bench stream`. All contenders run in turn, round after round, on one server, first without persistence, then with every
//! write synced; the table shows medians and each engine's share of its limit.
//!
//! `BENCH_ROUNDS` (5), `BENCH_ENTRIES` (200000) and `BENCH_ONLY` (a part of a row's name, such as `empty` or
//! `output, entries/s, limit`) choose how much.
//!
//! Every contender reads entries of the same five fields, with JSON of about 120 bytes, and acknowledges each; the clock
//! stops when none is pending any more.
//!
//! # Where the time goes
//! With an empty handler the engine's one thread is the busy one; Redis has a quarter of its core to spare. Of that thread's time
//! about 42 % goes into the client library's reading of replies and 15 % into the memory for what it reads; 8 % copies,
//! 6 % turns replies into entries, 11 % decodes these (JSON, ids, time, trace), 3 % looks at the clock for the metrics. What
//! is left for the engine itself (leases, handing entries out, gathering outcomes) is 7 %. It is the number of fields that
//! costs: the same JSON in an entry of one field is read by hand at almost twice the rate. With an output for each entry,
//! Redis is the busy one, with the script.
//!
//! With every write synced, Redis waits for its disk. For a thousand entries it does so twice, after the read and after the
//! acknowledgements; once by hand, where both come in one go. Asking for more before an answer is there was tried: it made
//! 311,000 entries a second of 279,000, but 308,000 of 385,000 without syncing, by what lies about unread in the meantime.
//!
//! A second thread for the worker gains nothing on two cores (362,000 entries a second instead of 373,000): it takes from Redis
//! what it gives to the client. So services have one each (`--threads`).

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod latency;
mod produce;
mod rig;
mod work;

use local_redis::Durability;
use rig::Rig;
use test_support::Table;

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
    let mut table = Table::against("limit");
    for round in 1..=rig.rounds {
        eprintln!("round {round} of {}", rig.rounds);
        produce::run(&rig, &mut table).await;
        work::run(&rig, &mut table).await;
        latency::run(&rig, &mut table).await;
    }
    table
}
