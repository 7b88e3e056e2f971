//! How many payments a second two payment-worker processes settle: `cargo bench -p orderly --bench payments`. Everything runs on
//! this machine: Redis with every write synced, the sandbox as the provider, and the workers, which find a full stream.
//!
//! First a provider that answers at once, where the processors are the limit. Then one that takes 50 ms, where Little's law
//! is: as many payments a second as calls are under way, divided by 0.05 s, until the processors are the limit again.
//!
//! `BENCH_ROUNDS` (3) and `BENCH_PAYMENTS` (60000) choose how much.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod rig;

use rig::{Load, Rig};
use test_support::median;

/// As a provider that is reached over the internet.
const SLOW_MS: u32 = 50;

const WORKERS: u32 = 2;
const PARTITIONS: u16 = 4;

fn main() {
    let rounds: usize = rig::number("BENCH_ROUNDS", 3);
    let payments: u32 = rig::number("BENCH_PAYMENTS", 60_000);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let rates =
        (0..rounds).map(|_| runtime.block_on(rate(Load { payments, latency_ms: 0, concurrency: 16 })));
    println!("a provider that answers at once: {:.0} payments/s", median(rates.collect()));

    println!("\na provider that takes {SLOW_MS} ms\n");
    println!("| calls at a time | payments/s | by Little's law | share |");
    println!("|---|---|---|---|");
    for concurrency in [1, 4, 16, 64] {
        let calls = WORKERS * u32::from(PARTITIONS) * u32::from(concurrency);
        let law = f64::from(calls) * 1000.0 / f64::from(SLOW_MS);
        // Some five seconds' worth.
        let payments = (calls * 100).min(payments);
        let load = Load { payments, latency_ms: SLOW_MS, concurrency };
        let rates = (0..rounds).map(|_| runtime.block_on(rate(load)));
        let rate = median(rates.collect());
        println!("| {calls} | {rate:.0} | {law:.0} | {:.2} |", rate / law);
    }
}

async fn rate(load: Load) -> f64 {
    let mut rig = Rig::start(load).await;
    rig.fill().await;
    rig.settle().await
}
