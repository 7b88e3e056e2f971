//! The gateway over HTTP, each test with one of its own on a real Redis of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics, and says why")]

mod accounts;
mod archive;
mod bad_requests;
mod boards;
mod catalogue;
mod crowd;
mod description;
mod durability;
mod events;
mod harness;
mod hostile;
mod idempotency;
mod idempotency_keys;
mod limits;
mod login_guard;
mod logs;
mod operator;
mod orders;
mod page;
mod people;
mod probes;
mod program;
mod raw;
mod redis_away;
mod redis_full;
mod round_trips;
mod routes;
mod sessions;
mod tracing_headers;
mod users;
mod view;
