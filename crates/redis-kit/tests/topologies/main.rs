//! What differs between a single server and a cluster, each on real servers: every error that one can be made to give,
//! slots on the move, and nodes that die; and locks over several servers that have nothing to do with each other.
//!
//! What must be the same on both is in `engine`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod migration;
mod nodes;
mod redlock;
mod routing;
mod single_server;
mod support;
