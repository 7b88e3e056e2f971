//! The whole system under fire: services are killed, frozen past their locks' time and cut from Redis, Redis itself is killed and
//! frozen, and the payment provider answers late, twice, with errors or not at all, while orders keep coming. At the end
//! every order that a client was promised must have come to a final state, and the provider must have charged each once.
//!
//! | role | file |
//! |---|---|
//! | one run, from the first order to the verdict | `run.rs` |
//! | the system, in real processes | `shop.rs`, each of them in a `slot.rs` |
//! | who orders, and keeps account of what was promised | `client.rs` |
//! | what befalls services, Redis and the provider | `fault.rs`, `slot.rs`, `outage.rs`, `provider.rs` |
//! | what the journal tells | `journal.rs` |
//! | whether the leaderboards count each paid order once | `boards.rs` |
//! | what is wrong in the end, as `orderly verify` says | `verdict.rs` |
//! | figures, added up over runs | `report.rs` |
//!
//! Everything random is drawn from `CHAOS_SEED`, which is printed; what happens is then the same, though not to the
//! millisecond. For long runs, in chunks that each have a system of their own:
//!
//! ```sh
//! CHAOS_CHUNKS=24 CHAOS_AT_ONCE=4 CHAOS_ORDERS=2500 CHAOS_RATE=100 cargo test --release -p orderly --test chaos
//! ```
//!
//! | variable | says |
//! |---|---|
//! | `CHAOS_ORDERS` | how many orders one run places (300) |
//! | `CHAOS_RATE` | how many of them a second (15) |
//! | `CHAOS_CHUNKS` | how many runs there are (1) |
//! | `CHAOS_AT_ONCE` | how many of them at the same time (1) |
//! | `CHAOS_SEED` | what everything is drawn from |
//! | `CHAOS_KEEP` | a folder in which to keep the logs and the data of a run that failed |

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod boards;
mod client;
mod fault;
mod journal;
mod outage;
mod provider;
mod report;
mod run;
mod shop;
mod slot;
mod verdict;

use std::{env, process::ExitCode, str::FromStr};

use futures_util::{StreamExt, stream};
use libtest_mimic::{Arguments, Trial};

use crate::{report::Report, run::Run};

fn main() -> ExitCode {
    let trial =
        Trial::test("every_promised_order_is_settled_and_charged_once", || chaos().map_err(Into::into));
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn chaos() -> Result<(), String> {
    let seed = setting("CHAOS_SEED", fastrand::u64(..));
    let orders = setting("CHAOS_ORDERS", 300);
    let rate = setting("CHAOS_RATE", 15);
    let again = format!(
        "CHAOS_SEED={seed} CHAOS_ORDERS={orders} CHAOS_RATE={rate} cargo test -p orderly --test chaos"
    );
    println!("run it again with {again}");
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let runs =
        (0..setting("CHAOS_CHUNKS", 1)).map(|chunk| Run { seed: seed.wrapping_add(chunk), orders, rate });
    let runs = stream::iter(runs.map(Run::execute)).buffer_unordered(setting("CHAOS_AT_ONCE", 1));
    let (report, outcome) = runtime.block_on(runs.fold((Report::default(), Ok(())), add));
    println!("{report}");
    outcome.map_err(|wrong| format!("{wrong}\nrun it again with {again}"))
}

/// Adds what one more run has shown. The first of those that failed is told.
async fn add(
    (mut sum, outcome): (Report, Result<(), String>),
    (report, another): (Report, Result<(), String>),
) -> (Report, Result<(), String>) {
    sum.add(report);
    println!("after {} orders: {}", sum.orders, if another.is_ok() { "well" } else { "a run has failed" });
    (sum, outcome.and(another))
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    match env::var(name) {
        Ok(text) => text.parse().ok().unwrap_or_else(|| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}
