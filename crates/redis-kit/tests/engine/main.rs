//! The engine on real servers. Each test has one of its own, so all can run at once.
//!
//! These files are two test targets: `engine` runs them on a single server, and `engine_on_cluster`, a link to this folder,
//! on a Redis Cluster of three masters (see `topology`).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod ahead;
mod cache;
mod connection;
mod examples;
mod gauges;
mod handlers;
mod harness;
mod leaderboard;
mod lock;
mod pubsub;
mod pubsub_replay;
mod rate_limit;
mod scripts;
mod session;
mod stream;
mod topology;
