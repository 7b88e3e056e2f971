//! The stream engine under fire: worker processes are killed, frozen past their lease and cut from Redis, and Redis itself is
//! killed, while numbered entries keep coming. At the end every entry must have had its effect once, and in ordered
//! mode in order.
//!
//! | role | file |
//! |---|---|
//! | what is run, one after the other | `scenario.rs` |
//! | the entries, and what is to become of each | `entry.rs`, `fate.rs` |
//! | who appends them | `producer.rs` |
//! | a worker, in a process of its own | `worker.rs`, started by `process.rs` |
//! | what befalls workers and Redis | `fault.rs`, `slot.rs`, `outage.rs` |
//! | how soon others take over | `takeover.rs` |
//! | who handled what, told outside Redis | `witness.rs` |
//! | what Redis holds, and under which keys | `view.rs`, `keys.rs` |
//! | that all comes to rest | `settled.rs` |
//! | what was lost, doubled or reordered | `verdict.rs`, printed by `figures.rs` |
//!
//! `CRASH_SECONDS` says how long faults last in each scenario, by default some seconds. Everything random is drawn from
//! `CRASH_SEED`, which is printed; what happens is then the same, though not to the millisecond. `RUST_LOG` shows the faults and the
//! workers' logs:
//!
//! ```sh
//! CRASH_SECONDS=300 cargo test --release -p redis-kit --test crash -- ordered
//! ```

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod entry;
mod fate;
mod fault;
mod figures;
mod keys;
mod outage;
mod process;
mod producer;
mod scenario;
mod seed;
mod settled;
mod slot;
mod takeover;
mod verdict;
mod view;
mod witness;
mod worker;

use std::{env, io::stderr, process::ExitCode, time::Duration};

use libtest_mimic::{Arguments, Trial};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{scenario::Scenario, seed::Seed};

/// Long enough for a dozen faults.
const SECONDS: u64 = 10;

fn main() -> ExitCode {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::OFF.into()).from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).init();
    let arguments: Vec<String> = env::args().collect();
    if let [_, "worker", settings] = *arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        worker::main(&serde_json::from_str(settings).unwrap());
        return ExitCode::SUCCESS;
    }
    let trials = Scenario::ALL.map(|scenario| {
        Trial::test(scenario.name, move || {
            run(&scenario);
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn run(scenario: &Scenario) {
    let seed = Seed::from_env(scenario.name);
    let seconds = env::var("CRASH_SECONDS").map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(scenario.run(seed.value, Duration::from_secs(seconds)));
}
