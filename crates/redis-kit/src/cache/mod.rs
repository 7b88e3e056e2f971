//! Cache-aside: values that are slow to get, kept in Redis for all instances and in each process for a moment.
//!
//! A [`Cache`] is asked for a key and given a loader. It answers from its near copy, or from Redis, or has the loader get
//! the value from its origin, once for all who want it.
//!
//! | to | use | it promises |
//! |---|---|---|
//! | read a value | [`Cache::get_or_load`] | no question near, one on a hit, two and a load on a miss; no read fails because of Redis |
//! | say that it has changed | [`Cache::invalidate`] | no load that began before brings the old value back; or an error |
//! | say how fresh it has to be | [`Policy`] | one for each kind of values: fresh, stale, near, absent, early |
//! | tell the client | [`Cached`], [`Cached::cache_status`] | where it is from, how old it is, and for how long it is fresh |
//!
//! # An example
//! ```no_run
//! use std::time::Duration;
//! use redis_kit::{
//!     Redis,
//!     cache::{Cache, CacheOptions, Policy},
//! };
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct User { name: String }
//!
//! # async fn ask_the_directory(id: u32) -> Result<Option<User>, std::io::Error> { Ok(None) }
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::open("redis://127.0.0.1:6379")?;
//! let cache = Cache::start(&redis, CacheOptions::default())?;
//! let users = Policy { ttl: Duration::from_secs(60), ..Policy::default() };
//!
//! let user = cache.get_or_load("user:17", &users, || ask_the_directory(17)).await?;
//! match &user.value {
//!     Some(user) => println!("{}", user.name),
//!     None => println!("there is no such user"),
//! }
//! println!("Age: {}", user.age.as_secs());
//! println!("Cache-Status: {}", user.cache_status("users"));
//!
//! // After the directory was told of a change:
//! cache.invalidate("user:17").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # One load for all
//! In a process all who want a key at once share a **flight**: one question, and the load that may follow. It is a task of
//! its own, so that a client that hangs up neither breaks the load off for others nor wastes it. Among instances the answer
//! that there is no entry comes with a **lease** for exactly one of them. The others wait until they hear that it has ended,
//! well or not; nothing is polled. If its holder died, the lease ends by itself, and one of those who waited gets it.
//!
//! What one instance asks for at the same moment goes to Redis together, up to 256 entries in a script call; nothing waits for
//! more to come.
//!
//! Whoever finds a stale entry is given that at once, while one of all instances loads it anew. If that fails, nobody tries
//! again for a second. So that there need not be a stale one, readers near the end of an entry's freshness load it early
//! by chance, the more probably the longer a load takes ([`Policy::beta`]); and TTLs are shortened at random, so that not
//! all end together ([`Policy::jitter`]).
//!
//! # Invalidation
//! A reader who fetched the old value just before it changed, and stores it just after the invalidation, undoes that. Here
//! an invalidation removes the lease with the entry, and what was loaded is stored only while its lease stands, in the same
//! step. Near copies follow the same rule: an instance that hears of an invalidation takes the flight for that key off its
//! list, and a flight that is not on the list keeps nothing; whoever asks then begins a new one.
//!
//! Invalidations are heard by pub/sub, which forgets what it could not deliver. So near copies count only while a
//! subscription stands, and all of them go when it was lost.
//!
//! # What a cache cannot promise
//! - **That what is served is current.** Between a change and the invalidation after it, and then until the other
//!   instances have heard of it (mostly a millisecond), the old value is served. Whoever must not act on an old value reads the
//!   origin.
//! - **That an origin without transactions is read well.** The invalidation must follow the change; a loader that reads a
//!   replica of the origin may read what was before it.
//! - **A half-open connection** is noticed after some seconds (up to seven). For so long an instance may serve near copies
//!   that others have invalidated, but not longer than [`Policy::near_ttl`].
//! - **A failover.** A replica that takes over may not have heard of an invalidation, and has the old entry until it expires.
//! - **One load for all, while Redis does not answer.** Then each instance loads by itself, no more than
//!   [`CacheOptions::direct_loads`] at once. The same goes for whoever has waited for twice the time of a lease.
//! - **That an invalidation reaches an instance that reads a list of values** under another key: each key is invalidated by
//!   its own name.
//!
//! # What happens, and what becomes of a read
//! | what happens | then |
//! |---|---|
//! | the loader fails, panics or takes too long | all who waited for it here get the error, or a near copy whose time is over; elsewhere one of those who wait loads |
//! | the process dies while it loads | the others wait until its lease ends ([`Policy::load_limit`] and a little more) |
//! | the caller is gone | the load goes on, and is stored |
//! | it is invalidated while it is loaded | those who asked before get it; it is stored nowhere; whoever asks afterwards has it loaded anew |
//! | Redis is down or slow | after [`CacheOptions::answer_limit`] the origin is asked; after three failures in a row (those at the same moment are one) Redis is asked once a second |
//! | and too many do so | they wait for [`CacheOptions::direct_wait`], then [`CacheError::Overloaded`] |
//! | and there is a near copy whose time is over | it is served, and loaded anew in the background |
//! | Redis is full | what is there is found; what is not is loaded, and not kept |
//! | an entry cannot be decoded, or never expires | it is loaded anew, and replaced |
//! | something else than a string stands at the key | it stays there, and each read loads |
//! | who invalidates may not publish | the entry is gone, and he gets an error, because near copies may stand |
//! | who reads may not subscribe | there are no near copies, and waiting for another's load takes until its lease ends |
//!
//! # Keys
//! An entry stands at the caller's own key, as JSON with how long it is fresh and how long its load took, and the lease
//! beside it in the same slot ([`CacheKeys`]). Redis's clock alone says how old it is: by how much of its time to live is
//! over. Invalidations are told on the channel `redis-kit:cache:invalidated`, the ends of loads for which somebody waits on
//! `redis-kit:cache:settled`.
//!
//! # Metrics
//! | name | labels | counts |
//! |---|---|---|
//! | `cache_reads_total` | `source`: `near`, `redis`, `loaded`, `stale`, `none` | reads, by where they were answered from |
//! | `cache_loads_total` | `outcome`: `found`, `nothing`, `failed` | loads |
//! | `cache_load_seconds` | | how long they took |
//! | `cache_invalidations_total` | | invalidations by this process |
//! | `cache_puts_refused_total` | | loads that were not stored, because of an invalidation or the end of their lease |
//! | `cache_undecodable_total` | | entries that could not be read, or written, as JSON |
//! | `cache_redis_errors_total` | `kind`: `unanswered`, `refused` | questions that Redis did not answer, or with an error |
//!
//! # Sources
//! - Nishtala and others, "Scaling Memcache at Facebook", NSDI 2013: leases, against stale sets and stampedes.
//! - Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015: `XFetch`.
//! - RFC 5861: serving stale while revalidating, and on errors. RFC 9211: the header `Cache-Status`.
//! - Michael Nygard, "Release It!", 2007: the circuit breaker.
//! - FusionCache#535: a load from before an invalidation must not be stored after it.

mod cached;
mod ears;
mod entry;
mod error;
mod flight;
mod handle;
mod keys;
mod landing;
mod memory;
mod metrics;
mod near;
mod origin;
mod policy;
mod scripts;

pub use cached::{Cached, Source, Stale};
pub use error::CacheError;
pub use handle::Cache;
pub use keys::CacheKeys;
pub use policy::{CacheOptions, Policy};
