//! The engine on real servers. Each test has one of its own, so all can run at once.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod connection;
mod handlers;
mod harness;
mod pubsub;
mod scripts;
mod stream;
