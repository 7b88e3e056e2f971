//! Tests of the whole system, in real processes, on a real Redis.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod asking;
mod books;
mod chaos_actions;
mod clients;
mod counts;
mod crashes;
mod dlq;
mod doctor;
mod groups;
mod lifecycle;
mod load;
mod order;
mod payments;
mod ports;
mod power_loss;
mod redis_fails;
mod tail;
mod told;
mod verify;
mod verify_many;
mod workspace;
mod wrapper;

use test_support::{Options, System};

/// The program under test.
const ORDERLY: &str = env!("CARGO_BIN_EXE_orderly");

fn options() -> Options {
    Options::new(ORDERLY)
}

async fn system() -> System {
    System::start(&options()).await
}
