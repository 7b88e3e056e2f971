//! The sandbox as its clients see it: over HTTP, on a port of its own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod books;
mod charges;
mod directory;
mod faults;
mod harness;
mod problems;
