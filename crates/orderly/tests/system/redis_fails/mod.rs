//! Redis at its worst: full, without a disk, forgetful, damaged. Real processes and clients that write down
//! what they were promised; at the end all books must agree.

mod disk_full;
mod file_torn;
mod memory_full;
mod scripts_flushed;

use std::time::Duration;

use test_support::{Options, System, eventually};

use crate::{
    clients::{Clients, Setback},
    told::tell,
};

/// For anything that a healthy system does at once.
const SOON: Duration = Duration::from_mins(1);

/// A provider that is slow, declines now and then, and often fails, before and after it has charged: so there
/// are always payments under way, waiting for another attempt, and charged without anybody knowing.
const TROUBLED_PROVIDER: &str = r#"{"seed":7,"latency":{"kind":"uniform","min_ms":20,"max_ms":200},
    "decline_rate":0.1,"error_rate":0.1,"error_after_charge_rate":0.1,"reset_after_charge_rate":0.1}"#;

/// A system with such a provider. One payment in some ten thousand fails ten times in a row, and would then wait for minutes.
fn troubled(options: Options) -> Options {
    options.env("SANDBOX_FAULTS", TROUBLED_PROVIDER).env("PAYMENT_RETRY_LIMIT_MS", "2000")
}

/// Waits until so many orders were promised in all.
async fn until_promised(clients: &Clients, count: usize) {
    eventually("more orders to be accepted", SOON, || async {
        let promised = clients.promises().len();
        if promised >= count {
            return Ok(());
        }
        let setbacks = clients.setbacks();
        Err(format!("{promised} of {count} are, and the last setback was {:?}", setbacks.last()))
    })
    .await;
}

/// Of all that was not a 201, everything said "try later".
fn all_were_told_to_try_later(clients: &Clients) {
    let others: Vec<Setback> =
        clients.setbacks().into_iter().filter(|setback| !setback.is_try_later()).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// What the Redis of a system said to its log.
fn redis_said(system: &System) -> String {
    let log = std::fs::read(system.data().join("redis/server.log")).expect("Redis writes a log");
    String::from_utf8_lossy(&log).into_owned()
}

fn report(what: &str, clients: &Clients, tally: &crate::books::Tally) {
    tell(&format!("{what}: {tally}; {} requests were answered with 503 meanwhile", clients.setbacks().len()));
}
