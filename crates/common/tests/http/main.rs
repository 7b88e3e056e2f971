//! The HTTP server against clients that are slow, broken, hostile or many, over real sockets.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics, and says why")]

mod client;
mod crowds;
mod harness;
mod heads;
mod requests;
mod shutdown;
mod slow_clients;
mod slow_handlers;
