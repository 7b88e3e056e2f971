//! Rate limits: how often somebody may do something, counted in Redis for all instances of a service together.
//!
//! A [`Policy`] allows so many units in a period ("10 per minute"). A [`Limiter`] takes units of a [`Subject`]'s policies
//! and says by a [`Verdict`] whether there were enough.
//!
//! | to | use | it promises |
//! |---|---|---|
//! | limit a call | [`Limiter::check`] | no more than the limit at once, however many ask on however many instances |
//! | limit it in several ways | [`Policies`] | all of a subject's policies are taken from, or none; a denied call costs nothing |
//! | limit it by several subjects | [`Limiter::check`] | asked at the same time; if one denies, the others get back what they took |
//! | count failures only | [`Limiter::refund`] | what was taken for a call that then succeeded is given back, and never more |
//! | limit what a script does | [`Limiter::check_in_script`] | it is done if and only if it was paid for, and Redis is asked once |
//! | let calls differ | the cost of a check | a call of cost 5 takes five units, or is denied |
//! | try a limit out | [`Policy::shadow`] | it counts and reports, and denies nothing |
//! | do without Redis | [`OnFailure`] | open, closed, or a share of the limit for each instance; nobody waits longer than a time budget |
//! | tell HTTP clients | [`Verdict::limit_field`] and its sisters | `RateLimit-Policy`, `RateLimit` and `Retry-After` as the IETF's draft has them |
//! | limit an HTTP service | `RateLimitLayer` (feature `tower`) | all of this before every request |
//! | let somebody go on | [`Limiter::reset`] | nothing is used up any more |
//!
//! # An example
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let server = local_redis::Server::ephemeral(local_redis::Durability::Volatile).await?;
//! # let redis = redis_kit::Redis::open(&server.url())?;
//! use std::time::Duration;
//! use redis_kit::rate_limit::{Limiter, LimiterOptions, OnFailure, Policies, Policy, Subject};
//!
//! let options = LimiterOptions { on_failure: OnFailure::LocalShare { instances: 3 }, ..LimiterOptions::default() };
//! let limiter = Limiter::new(&redis, options)?;
//! let orders = Policies::new([
//!     Policy::new("minute", 10, Duration::from_mins(1))?,
//!     Policy::new("day", 1000, Duration::from_hours(24))?,
//! ])?;
//!
//! let customer = [Subject::new("customer:42", &orders)];
//! let verdict = limiter.check(&customer, 1).await;
//! assert!(verdict.is_allowed());
//! assert_eq!(verdict.policy_field().unwrap(), r#""minute";q=10;w=60, "day";q=1000;w=86400"#);
//! assert_eq!(verdict.limit_field().unwrap(), r#""minute";r=9;t=6, "day";r=999;t=87"#);
//!
//! // Ten of cost 1 would still be too many.
//! let verdict = limiter.check(&customer, 10).await;
//! assert!(!verdict.is_allowed());
//! assert_eq!(verdict.violated().map(Policy::name).collect::<Vec<_>>(), ["minute"]);
//! assert!(verdict.retry_after_field().is_some());
//!
//! // A login whose password was right is not to count.
//! let verdict = limiter.check(&customer, 1).await;
//! limiter.refund(verdict).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What is kept
//! What was taken stands in the memory of one server, not in its append-only file and not in its replicas: a server that syncs
//! that file before it answers would let every check wait for its disk. So limits begin anew, or as they once were, when Redis
//! is restarted and when a replica takes over.
//!
//! # How much a limit lets through
//! It is the generic cell rate algorithm (GCRA). As many units as the limit may be used at once, and each flows back by
//! itself, one in a limit-th of the period. There is no window at whose edge two bursts meet, and nothing but one number
//! is kept for a policy of a subject.
//!
//! So in any stretch of time no more goes through than the limit and what flows back in that time. For a stretch as long as the
//! period that is nearly twice the limit: who saved up ten uses them at once, and then goes on with ten a minute. Whoever
//! must never let ten go by in any minute takes a limit of five.
//!
//! # Failures only
//! A login that looks first, and counts when the password was wrong, lets ten thousand guesses at once pass the look. So it
//! takes first ([`Limiter::check`]), and gives back on success ([`Limiter::refund`]). An account, an address and the pair of both
//! can be subjects of one check, so that a guesser does not lock out whom he guesses at: the pair has the low limit.
//!
//! # Many at once
//! What is asked at the same moment by one [`Limiter`] and its clones goes to Redis together, up to 256 subjects in a script call;
//! nothing waits for more to come. A subject that was denied is denied again without asking for up to a second
//! ([`LimiterOptions::remember_denials`]), so that a flood of denied calls does not become Redis's.
//!
//! # What happens, and what then
//! | what happens | then |
//! |---|---|
//! | Redis does not answer within the [`budget`](LimiterOptions::budget) | [`OnFailure`] decides; the cost may have been taken, once |
//! | it does not answer several times in a row | it is not asked for a while, so that nobody waits; one check at a time tries again |
//! | it is full | what would take something fails, and so does what is in the same call; refunds and resets go on |
//! | it loses its data, or evicts a key | what had been used is forgotten: up to one more burst |
//! | it fails over to a replica | what the replica had not heard of is forgotten |
//! | a node of a cluster is down | its subjects wait for their budget each time, as long as others' answers keep the breaker closed |
//! | its clock is set back | whoever had used something has used up all, and units flow back at once; never a pause as long as the step |
//! | its clock is set forward | units flow back early: up to one more burst |
//! | a value is damaged, of another type, or never expires | it counts as nothing used, or as all used if it is far ahead, and is replaced |
//! | a limit is changed under its name | the new one holds at once |
//! | one of several subjects denies | the others' cost is back before the verdict; in between it may deny somebody else |
//! | that, or a refund, does not reach Redis in time | it is lost, since repeated it could give back twice; the units flow back by themselves |
//! | a check is dropped before its end | its cost was taken, or not |
//! | somebody is reset, or given something back, by another process | this one may deny for up to a second more |
//! | an instance has no Redis and [`OnFailure::LocalShare`] | it begins with all of its share, whatever was used before, and Redis never hears what is used of it |
//!
//! # What it does not promise
//! That calls wait their turn: it denies, and the caller decides. That limits on different subjects are one step: only those of
//! one subject are. That a limit is exact while Redis is away, or that each gets a fair part of it.
//!
//! # Keys
//! `<prefix>rate:{<subject>}:<policy>`, or, [beside](Subject::beside) other keys,
//! `<prefix>rate:{<tag>}:<subject>:<policy>`. A string: the theoretical arrival time in microseconds of Redis's clock. It expires
//! when it says nothing any more. All of a subject share its hash tag; a subject's id may come from outside (see
//! [`Subject::new`]).
//!
//! # Metrics
//! | name | labels | counts |
//! |---|---|---|
//! | `rate_limit_checks_total` | `outcome`: `allowed`, `denied`, `unavailable` | checks |
//! | `rate_limit_exceeded_total` | `policy`, `shadow` | policies that had no room |
//! | `rate_limit_remembered_denials_total` | | denials for which Redis was not asked |
//! | `rate_limit_degraded_checks_total` | | checks that Redis did not answer |
//! | `rate_limit_refunds_lost_total` | | refunds that Redis did not confirm |
//!
//! # Sources
//! - ITU-T I.371, "Traffic control and congestion control in B-ISDN": the generic cell rate algorithm.
//! - Brandur Leach, "Rate Limiting, Cells, and GCRA", 2015: one number for each limit, in Redis.
//! - draft-ietf-httpapi-ratelimit-headers-11, 2026: the fields, and what they mean.
//! - Michael Nygard, "Release It!", 2007: the circuit breaker.

mod ask;
mod check;
mod denials;
mod fields;
mod gcra;
mod keys;
mod limiter;
mod metrics;
#[cfg(test)]
mod model;
mod options;
mod policy;
mod scripts;
mod shares;
mod subject;
mod tats;
#[cfg(feature = "tower")]
mod tower;
mod verdict;

pub use check::{Check, GCRA_LUA};
pub use fields::{RATE_LIMIT, RATE_LIMIT_POLICY};
pub use limiter::Limiter;
pub use options::{LimiterOptions, OnFailure};
pub use policy::{InvalidLimit, Policies, Policy};
pub use subject::Subject;
#[cfg(feature = "tower")]
pub use tower::{RateLimit, RateLimitLayer};
pub use verdict::{Outcome, Standing, Verdict};
