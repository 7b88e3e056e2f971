//! The pages in a real browser, on a whole system.
//!
//! They need `chromium` and `chromedriver` (Debian: the packages `chromium` and `chromium-driver`). Without them these tests say so and
//! pass; with `BROWSER=required`, as `.ci/run` has it, they fail. Pictures of what was seen are put into the folder that
//! `BROWSER_PICTURES` names, if it names one.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod browser;
mod driver;
mod guest;
mod operator;
mod pictures;

use std::time::Duration;

use test_support::{Options, System};

/// Only a test that fails waits so long.
const SOON: Duration = Duration::from_secs(40);

async fn system() -> System {
    System::start(&Options::new(env!("CARGO_BIN_EXE_orderly"))).await
}
