//! The Redis patterns that every backend needs, built to hold where the ten-line versions break: under crashes,
//! races, load and lost replies. Knows no domain.
//!
//! | to | use | it promises |
//! |---|---|---|
//! | connect | [`Redis`], [`Connection`] | to a server or a cluster alike: connections that recover by themselves and send nothing twice |
//! | wait for Redis, or give up | [`Error::is_transient`], [`patiently`], [`Backoff`] | errors know whether waiting helps |
//! | do several things in one step | [`Lua`] | a script that the server has forgotten is sent again, and run once |
//! | do for many callers at once what each asks for | [`desk::Desk`] | what is ready together goes in one call, and nobody waits for others to come |
//! | process a stream by a consumer group | [`stream::Worker`] | effects inside Redis happen once; work is never skipped; in order, if that is wanted |
//! | append to a stream | [`stream::Producer`] | nothing is sent twice behind the caller's back |
//! | append at a given time | [`stream::delayed`] | once, and never early |
//! | look at what was given up, replay or drop it | [`stream::dead_letters`] | nothing is dropped unseen, and a replay happens once |
//! | bound a stream's memory | [`stream::retention`] | nothing goes that a group still needs, and it is told how far it went |
//! | watch streams and groups | [`stream::inspect`] | lag, pending, age and dead letters of one moment, once or as gauges |
//! | broadcast to whoever listens | [`pubsub::Subscription`] | at most once, and the listener is told when it may have missed something |
//! | broadcast to whoever must hear it | [`pubsub::ReplaySubscription`] | everything in order, read from the stream where it was missed, or an explicit reset |
//! | let one at a time do something | [`lock::Lock`] | held, busy and failed told apart, a loss noticed in time, and a fencing token for what no lock can do |
//! | keep users logged in | [`session::Sessions`] | a login that every instance knows, that ends in time, and that is gone everywhere once it is revoked |
//! | limit how often somebody does something | [`rate_limit::Limiter`] | one limit for all instances, no more than it says at once, denied calls cost nothing, and a declared answer when Redis is away |
//! | rank who has the most | [`leaderboard::Leaderboard`], [`leaderboard::Trending`] | each event counts once; ties as they are wanted, windows that end by themselves, a page in one round trip |
//! | keep copies of what is slow to get | [`cache::Cache`] | one loads it for all, no invalidation is undone, and no read fails because of Redis |
//! | follow one piece of work through services | [`trace`] | W3C trace context |
//!
//! Six examples run by themselves, on a private server unless `REDIS_URL` names one:
//!
//! | `cargo run -p redis-kit --example` | shows |
//! |---|---|
//! | `worker` | a job queue: retries, dead letters and their replay, a worker that dies and one that takes over, a graceful stop |
//! | `ordered` | two instances that share partitions; the order stays when one leaves |
//! | `cache` | one load for all, stale while it is loaded anew, an invalidation that no slow load undoes |
//! | `pubsub_vs_streams` | what plain pub/sub, a consumer group and pub/sub with replay hear of what happened while they were away |
//! | `leaderboard` | a game: the best of each player, ties, the day and all time, and what is trending |
//! | `sessions` | two instances of a web shop that share logins: changes at once both count, and a logout holds everywhere |
//!
//! Works on Redis 7.0 and newer and on Valkey 8 and 9. Every atomic step is a Lua script whose keys carry one hash
//! tag, so that it runs on a single server and on a cluster alike.

mod backoff;
mod beside;
mod breaker;
pub mod cache;
mod connection;
pub mod desk;
mod error;
mod last_seen;
pub mod leaderboard;
pub mod lock;
mod lua;
mod owners;
mod plain_name;
pub mod pubsub;
pub mod rate_limit;
pub mod session;
pub mod stream;
pub mod trace;

pub use backoff::{Backoff, patiently};
pub use connection::{Connection, Redis, check_version};
pub use error::Error;
pub use last_seen::LastSeen;
pub use lua::{Lua, error_told};
// The client library itself, for commands that are no pattern, so that its version is chosen in one place.
pub use redis::{FromRedisValue, ParsingError, RedisError, RedisResult, ToRedisArgs, Value, cmd, pipe};
