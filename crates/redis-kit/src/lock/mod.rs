//! Distributed locks: one holder at a time among processes that share a Redis, with a fencing token for what a lock
//! cannot do.
//!
//! A [`Lock`] is taken for a time (its TTL), renewed as long as its [`Guard`] lives, and given back when the guard is
//! released or dropped. Whoever dies holding it keeps it for the rest of that time only.
//!
//! | to | use | it promises |
//! |---|---|---|
//! | take a lock now, or not | [`Lock::try_acquire`] | held, busy, and Redis failed are three outcomes |
//! | wait for it | [`Lock::acquire`] | woken by the release, or when the holder's time runs out; nothing is polled |
//! | work under it | [`Guard::run`] | the work is dropped when the lock is lost, even if Redis cannot be reached to say so |
//! | write under it | [`Guard::token`] | a number that only grows, by which a late write can be refused |
//! | give it back | [`Guard::release`], or drop the guard | nobody else's lock is ever released; a lost answer leaves nothing locked |
//! | have locks of many names | [`Locks`] | one connection for all, and one more for all who wait |
//! | do without any single server | [`Lock::over`], [`Locks::over`] | a majority holds it; two servers of five may die |
//!
//! # An example
//! ```no_run
//! use std::{sync::LazyLock, time::Duration};
//! use redis_kit::{
//!     Lua, Redis,
//!     lock::{Attempt, Lock, LockOptions},
//! };
//!
//! /// The guarded write: refused once a later holder has written. Sent twice it says the same thing twice.
//! static SET_BALANCE: LazyLock<Lua> = LazyLock::new(|| Lua::new(r"
//!     if tonumber(redis.call('HGET', KEYS[1], 'fence') or 0) > tonumber(ARGV[1]) then return 0 end
//!     redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'balance', ARGV[2])
//!     return 1"));
//!
//! # async fn balance() -> i64 { 0 }
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::open("redis://127.0.0.1:6379")?;
//! let lock = Lock::new(&redis, "lock:account:{17}", LockOptions::default())?;
//! match lock.acquire(Duration::from_secs(3)).await? {
//!     Attempt::Held(guard) => {
//!         let balance = guard.run(balance()).await?;
//!         let mut write = SET_BALANCE.call(["account:{17}"]);
//!         write.arg(guard.token()).arg(balance);
//!         let written: bool = SET_BALANCE.run(&mut redis.commands()?, &write).await?;
//!         guard.release().await?;
//!         assert!(written, "a later holder was faster");
//!     }
//!     Attempt::Busy { free_within } => println!("somebody is at it; ask again in {free_within:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What a lock cannot promise
//! That nobody else works at the same time. It is a lease: it ends by a clock, and its holder may not know yet.
//!
//! - **A pause.** A process looks, still holds the lock, is paused for longer than the TTL (swapped, suspended,
//!   stopped), and writes. [`Guard::run`] begins nothing after such a pause, but what was on its way to a database
//!   arrives. The monotonic clock by which it notices may stand still while a machine sleeps.
//! - **A clock that jumps.** Redis expires keys by its wall clock. Set forward by the TTL, it ends every lock at once.
//! - **A failover.** Replication is asynchronous, so a replica that takes over may never have heard of the lock, and
//!   gives it to somebody else while its holder works on.
//!
//! So a lock saves work, and does not by itself make anything happen once. What does is the **fence**: each
//! acquisition has a [token](Guard::token) higher than those before; the write carries it, and what is written to
//! refuses a token lower than one that it has seen. It must also be idempotent, because whoever got no answer sends
//! it again. Where the written-to cannot check a token (a payment provider), an idempotency key of its own has to do
//! it. In streams a [`Commit`](crate::stream::Commit) is fenced already, without any lock.
//!
//! The token is a hybrid logical clock: Redis's time in microseconds, or the last token and one where that is more.
//! So it keeps growing also where the counter, an old copy of it or all of the server's data is what a failover left,
//! unless the new server's clock is behind by longer than the lock's last acquisition is ago. And the counter can
//! expire, so that locks on the names of a million orders leave nothing behind. It costs Redis half a microsecond more
//! than a plain counter, which goes back at a failover: just when it is needed.
//!
//! # One server, or several
//! One server or cluster ([`Lock::new`]) is the ordinary form. It asks one question for each step, and a failover may
//! make two holders for up to a TTL, which the fence closes.
//!
//! Redlock ([`Lock::over`]) wants three, five or more masters that know nothing of each other, without replicas. No
//! single crash then frees a lock that is held or keeps one from being taken, as long as a server that lost its data
//! stays away for a TTL before it comes back. It costs a question to each of them and a second round for the token,
//! and it depends on clocks just as much; so it does not make the fence superfluous. It is for locks that must be to
//! be had while any one Redis is down, and nothing else.
//!
//! # Many at once
//! What is asked of a server at the same moment by one [`Locks`] goes there together, up to 256 locks in a script call,
//! because most of a call's cost is the same for one and for many. Nothing waits for more to come, or for an answer
//! to an earlier call. A lock whose keys are refused fails alone. On a cluster a call is for the keys of one slot, so
//! only locks that share a hash tag go together.
//!
//! # Waiting
//! Whoever waits leaves a mark beside the lock. The release finds it and publishes the lock's key; without it nothing
//! is published, because on a cluster a message goes to every node. In each process the first in the queue listens
//! and asks; the others wait behind it without a word to Redis, so that a release wakes one of each process. It asks
//! when it hears of the release; when it has subscribed anew, because it may have missed one; and when the holder's
//! time would run out. If several servers are split among several who asked at once, each gives back what it got and
//! asks again after a random pause.
//!
//! # What happens, and what becomes of the lock
//! | what happens | then |
//! |---|---|
//! | the holder dies | the lock is free after the TTL, and who waits asks just then |
//! | the work takes longer than the TTL | it is renewed three times in a TTL, up to [`max_hold`](LockOptions::max_hold); then it is lost |
//! | Redis cannot be reached | renewal is tried again; [`lost`](Guard::lost) is told when the time is over by this machine's clock, before Redis expires the lock |
//! | somebody deletes the lock, or Redis loses it | told at the next renewal, a third of a TTL later at most |
//! | the answer to an acquisition or a release is lost, or its future dropped | the lock is given back in the background, by its owner's id, also if it is taken only then |
//! | the runtime ends with a guard in it | the lock expires |
//! | a key of the lock is something else | the lock is busy for as long as that key stands; with something else in place of its fence, taking it fails and leaves it free |
//! | Redis is full | nothing new is taken; what is held is renewed and released |
//!
//! # Keys
//! Each lock has three ([`LockKeys`]), in one slot: itself, its fence, and the mark of those who wait. Released locks
//! are told on the channel `redis-kit:lock:released`. Who may not publish there releases all the same, and others
//! wait for the TTL.
//!
//! # Sources
//! - "Distributed Locks with Redis", redis.io: the owner's id, the release by script, and the Redlock algorithm with
//!   its drift.
//! - Martin Kleppmann, "How to do distributed locking", 2016: why a lock needs a fence.
//! - Salvatore Sanfilippo, "Is Redlock safe?", 2016: the answer to it.
//! - Kulkarni, Demirbas, Madappa, Avva, Leone, "Logical Physical Clocks and Consistent Snapshots in Globally
//!   Distributed Databases", 2014: hybrid logical clocks.
//! - node-redlock#309: a loss is noticed by one's own clock, not by an answer that may never come.

mod attempt;
mod claim;
mod ears;
mod guard;
mod keeper;
mod keepers;
mod keys;
mod locks;
#[cfg(test)]
mod model;
mod options;
mod quorum;
mod scripts;
mod servers;
mod waiting;

pub use guard::{Guard, Lost};
pub use keys::LockKeys;
pub use locks::{Attempt, Lock, Locks};
pub use options::LockOptions;
