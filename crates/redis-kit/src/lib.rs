//! The Redis patterns that every backend needs, built to hold where the ten-line versions break: under crashes,
//! races, load and lost replies. Knows no domain.
//!
//! | to | use | it promises |
//! |---|---|---|
//! | connect | [`Redis`] | connections that recover by themselves, and errors that know whether waiting helps |
//! | process a stream by a consumer group | [`stream`] | effects inside Redis happen once; work is never skipped |
//! | broadcast to whoever listens now | [`pubsub`] | at most once, and the listener is told when it may have missed something |
//! | follow one piece of work through services | [`trace`] | W3C trace context |
//!
//! Works on Redis 7.0 and newer and on Valkey 8 and 9. Every atomic step is a Lua script whose keys carry one hash
//! tag, so that it runs on a single server and on a cluster alike.

mod backoff;
mod connection;
mod error;
mod last_seen;
pub mod pubsub;
pub mod stream;
pub mod trace;

pub use backoff::{Backoff, patiently};
pub use connection::{Connection, Redis, check_version};
pub use error::Error;
pub use last_seen::LastSeen;
// The client library itself, for commands that are no pattern, so that its version is chosen in one place.
pub use redis::{FromRedisValue, Script, ToRedisArgs, cmd, pipe};
