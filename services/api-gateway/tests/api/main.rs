//! The gateway over HTTP, each test with one of its own on a real Redis of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics, and says why")]

mod bad_requests;
mod durability;
mod harness;
mod idempotency;
mod idempotency_keys;
mod orders;
mod probes;
mod raw;
mod redis_away;
mod redis_full;
mod routes;
mod tracing_headers;
mod view;
