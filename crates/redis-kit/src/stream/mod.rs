//! Streams and consumer groups: work that is never skipped, and whose effects inside Redis happen once.
//!
//! A [`Worker`] reads streams as one member of a consumer group and gives each entry, typed, to a [`Handler`].
//! The handler changes nothing itself: it returns a [`Commit`], and one Lua script checks that the delivery is still
//! this consumer's, applies the writes, appends the outputs, publishes the messages and acknowledges, all or nothing.
//! A consumer that stalled and whose entry was taken over meanwhile is refused, so nothing is done twice.
//!
//! | what happens | what the worker does |
//! |---|---|
//! | the handler fails for now ([`Failure::Retry`]), or panics | the entry stays pending and is delivered again after a backoff |
//! | the handler refuses the entry ([`Failure::Reject`]), or it cannot be decoded | it goes to the group's dead letters with the reason |
//! | attempts reach [`WorkerOptions::max_attempts`] | the same |
//! | a consumer dies or stalls | after [`WorkerOptions::claim_idle`] another one takes its entries over |
//! | a reply is lost | the entry is pending here and not in hand: taken up again after `claim_idle` |
//! | Redis is away, or full | the worker waits with backoff and resumes; a finished handler's commit is sent again |
//! | the group is gone with Redis's data | it is created anew at the start of the stream, with a warning |
//!
//! # Keys
//! One worker reads one or more streams, the partitions of one flow. Beside `<stream>` stand the group's own keys,
//! `<stream>:retry:<group>` (entries waiting for their next attempt, by due time), `<stream>:attempts:<group>` (failed
//! attempts by entry) and `<stream>:dead:<group>` (dead letters). They must share a slot on a cluster, so give the stream
//! a hash tag: `jobs:{0}`.

mod commit;
mod handler;
mod id;
mod lane;
mod message;
mod metrics;
mod options;
mod read;
mod scripts;
mod settler;
mod worker;

pub use commit::Commit;
pub use handler::{Delivery, Failure, Handler};
pub use id::{InvalidStreamId, StreamId};
pub use message::{Fields, Message, Undecodable, encode};
pub use options::WorkerOptions;
pub use read::entry_before;
pub use worker::{Worker, WorkerStatus};
