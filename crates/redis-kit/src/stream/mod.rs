//! Streams and consumer groups: work that is never skipped, and whose effects inside Redis happen once.
//!
//! A [`Worker`] reads streams as one member of a consumer group and gives each entry, typed, to a [`Handler`].
//! The handler changes nothing in Redis itself: it returns a [`Commit`], and one Lua script checks that the entry is still
//! this worker's, applies the writes, appends the outputs, publishes the messages and acknowledges, all or nothing.
//! A worker that stalled and whose entry is another's by now is refused, so nothing is done twice.
//!
//! | to | use | it promises |
//! |---|---|---|
//! | say what entries are | [`Message`] | typed JSON in entries that read well in `redis-cli XRANGE` |
//! | append | [`Producer`], [`Commit::append`] | the first sends nothing twice by itself; the second happens once, with what caused it |
//! | append at a given time | [`delayed`] | once, never early, cancellable until then |
//! | work on entries | [`Worker`] over a [`Handler`] | at least one attempt at each; what it commits is applied once |
//! | do outside what must be done once | [`Delivery::begin`], [`Exclusive`] | one attempt at a time; the outcome of the latest counts, and once |
//! | … any, many at a time | [`Mode::Competing`], in `competing` | a failing entry holds up no other |
//! | … in their order | [`Mode::Ordered`], in `ordered` | one instance at a time, one entry after the other |
//! | stop working for a while, and stay a member | [`Pause`] | nothing is taken; what is in hand is finished, and nobody takes it over |
//! | see to what was given up | [`dead_letters`] | each letter with its entry, its reason and its attempts; a replay happens once |
//! | keep a stream from growing | [`retention`] | nothing goes that any group still needs |
//! | know how it is doing | [`inspect`] | figures of one moment; what Redis does not know is unknown, and not 0 |
//! | read without working | [`read_after`] | entries in their order, or where something is missing |
//! | look back | [`read_before`], [`read_at`] | the newest first, and no more than is asked for |
//!
//! # An example
//! ```no_run
//! use redis_kit::{
//!     Redis,
//!     stream::{Commit, Delivery, Failure, Handler, Message, Producer, Worker, WorkerOptions},
//!     trace::TraceContext,
//! };
//! use serde::{Deserialize, Serialize};
//! use tokio_util::sync::CancellationToken;
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(tag = "type")]
//! enum Job {
//!     #[serde(rename = "job.wanted")]
//!     Wanted { name: String },
//! }
//!
//! impl Message for Job {
//!     const TYPES: &'static [&'static str] = &["job.wanted"];
//!
//!     fn message_type(&self) -> &'static str {
//!         "job.wanted"
//!     }
//! }
//!
//! struct Work;
//!
//! impl Handler for Work {
//!     type Message = Job;
//!
//!     async fn handle(&self, delivery: Delivery<Job>) -> Result<Commit, Failure> {
//!         let Job::Wanted { name } = delivery.message;
//!         if name.is_empty() {
//!             return Err(Failure::reject("a job needs a name"));
//!         }
//!         Ok(Commit::new().set_fields(format!("job:{{0}}:{name}"), [("state", "done".to_owned())]))
//!     }
//! }
//!
//! # async fn run(shutdown: CancellationToken) -> Result<(), redis_kit::Error> {
//! let redis = Redis::open("redis://127.0.0.1:6379")?;
//! let streams = ["jobs:{0}".to_owned()];
//! let worker = Worker::start(&redis, &streams, "workers", "worker-1", Work, WorkerOptions::default()).await?;
//! let jobs = Producer::new(redis.commands()?, "jobs:{0}");
//! jobs.append(&Job::Wanted { name: "paint".into() }, &TraceContext::root()).await?;
//! worker.run(shutdown).await;
//! # Ok(())
//! # }
//! ```
//!
//! Two that run: `cargo run -p redis-kit --example worker`, a job queue with retries, dead letters and a death, and
//! `--example ordered`, in which instances come and go and the order stays.
//!
//! # What happens, and what the worker does
//! Times are those of the default [`WorkerOptions`]; `lease`, `claim_interval`, `block` and `grace` are fields of it.
//!
//! | what happens | competing | ordered |
//! |---|---|---|
//! | the handler fails for now ([`Failure::Retry`]), or panics | the entry stays pending and waits for its next attempt; others go on | it is tried again after the pause; its partition waits |
//! | the handler refuses the entry ([`Failure::Reject`]), it cannot be decoded, or its attempts reach [`max_attempts`](WorkerOptions::max_attempts) | it goes to the dead letters with the reason | the same, and the group passes it |
//! | its commit cannot be applied (a key of another type, a permission that lacks) | that is a failed attempt, with nothing written | the same |
//! | a worker dies | another one takes over within `lease` · 1.1 + `claim_interval` + `block`: 17.5 s | another one holds the partition within `lease` + `claim_interval`: 15.5 s |
//! | a worker stalls, or is cut off from Redis, for a `lease` | it cancels its handlers and becomes a new consumer; whatever it still sends is refused | the same: it must take the partition anew |
//! | a worker is asked to stop | it reads no more, lets handlers finish for `grace` (8 s), hands the rest back for others to take at once, and leaves | it finishes the entry in hand, and gives the partition away |
//! | a reply is lost with entries in it | they are found and handled as soon as Redis answers again | they are read again: reading changes nothing |
//! | the reply to a commit is lost | it is sent again, and finds that it was applied | the same |
//! | Redis is away, or full | the worker waits with backoff and resumes; what handlers returned is not thrown away | the same |
//! | Redis crashes, restarts or fails over | what it had on disk goes on | the same; entries of the last half second for which commits only published may be handled, and published, again |
//! | the group is gone, with Redis's data | it is created anew at the start of the stream | the same |
//! | an entry is deleted from the stream while it waits | an error in the log, and `stream_entries_lost_total` | it was never there |
//!
//! A competing worker takes nobody for dead within a `lease` of its start, or of an error of Redis: whoever was cut off with it
//! gets the time to come back. Takeovers and lost replies are no failed attempts.
//!
//! # What to choose
//! - **Competing or ordered?** Competing, unless the order matters: it is the faster, grows with the number of workers, and one bad
//!   entry harms nobody. Ordered for projections and announcements, where a later event must not come before an earlier one. It
//!   grows with the number of partitions only, and an entry that fails holds up its partition until it succeeds or is rejected.
//! - **A worker or pub/sub?** A group's entry is handled by one of its members, however many there are; a message is heard by
//!   every subscriber. Of those a plain [`Subscription`](crate::pubsub::Subscription) is enough where a missed
//!   message does no harm because the next one says it all, and a [`ReplaySubscription`](crate::pubsub::ReplaySubscription)
//!   where every one must be heard.
//! - **A [`Producer`] or a commit?** Whoever appends because of an entry returns it in the commit: then it is appended once. A
//!   producer that got no answer cannot know.
//! - **A retry or a delayed message?** An attempt that failed is retried: its entry never enters a stream again. What is to happen
//!   later for its own reasons is [`delayed`].
//!
//! | this option | guarantees, or costs |
//! |---|---|
//! | [`mode`](WorkerOptions::mode) | the order of the entries, or that none waits for another |
//! | [`concurrency`](WorkerOptions::concurrency) | how much a death leaves to be taken over, and how much is cancelled by a lost lease |
//! | [`lease`](WorkerOptions::lease) | how soon others take over; how long Redis may be unreachable before handlers are cancelled |
//! | [`max_attempts`](WorkerOptions::max_attempts) | `None`: work is never given up for failing. `Some`: no entry is tried for ever |
//! | [`skip_unknown`](WorkerOptions::skip_unknown) | false: a message that only a newer program knows is not lost |
//! | [`tips`](WorkerOptions::tips) | subscribers with replay notice within a second or so that they have missed the last message |
//! | [`grace`](WorkerOptions::grace) | handlers hold a stop up no longer than this |
//!
//! # Keys
//! One worker reads one or more streams, the partitions of one flow. Beside `<stream>` stand keys of each group ([`GroupKeys`])
//! and of the stream itself ([`StreamKeys`]):
//!
//! | key | holds |
//! |---|---|
//! | `<stream>:lease:<group>` | who is alive, and in ordered mode who holds the partition |
//! | `<stream>:retry:<group>` | entries that wait, by the time from which on they may be taken (competing only) |
//! | `<stream>:attempts:<group>` | the failed attempts at an entry |
//! | `<stream>:dead:<group>` | dead letters |
//! | `<stream>:delayed`, `…:delayed:fields`, `…:delayed:past` | messages to be appended at their time |
//! | `<stream>:trimmed` | how far retention has gone |
//!
//! On a cluster they must share a slot, and so must whatever a commit writes: give the stream a hash tag, as in `jobs:{0}`.
//! What waits in competing mode is pending on the pseudo consumer `waiting`, under whose name nobody runs.

mod attempt;
mod clock;
mod commit;
mod competing;
pub mod dead_letters;
pub mod delayed;
mod exclusive;
mod failures;
mod handler;
mod id;
pub mod inspect;
mod keys;
mod message;
mod metrics;
mod options;
mod ordered;
mod pause;
mod producer;
mod read;
pub mod retention;
mod worker;
mod writes;

pub use clock::clock;
pub use commit::Commit;
pub use exclusive::{Attempt, Begun, Exclusive, Fence};
pub use handler::{Delivery, Failure, Handler, Prepared};
pub use id::{InvalidStreamId, StreamId};
pub use keys::{GroupKeys, StreamKeys};
pub use message::{Fields, Message, Undecodable, encode, encode_at, now};
pub use options::{Mode, WorkerOptions};
pub use pause::Pause;
pub use producer::Producer;
pub use read::{Entry, Page, RawEntry, Slot, end, range, read_after, read_at, read_before};
pub use retention::trimmed_before;
pub use worker::{Worker, WorkerStatus};
