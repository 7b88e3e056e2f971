//! Competing delivery: any consumer of the group takes any entry, many at a time, in no order.
//!
//! | role | file |
//! |---|---|
//! | a consumer's life, from joining to leaving | `lane.rs` |
//! | what to take, and when | `fetcher.rs` |
//! | how much is taken | `in_hand.rs` |
//! | outcomes to Redis | `committer.rs` |
//! | proof of life | `lease.rs` |
//! | one delivery, as its handler has it | `claim.rs`, `begin.rs` |
//! | each script as a function | `scripts.rs`, over `lua/` |
//!
//! # Why nothing is lost or done twice
//! What is pending belongs either to a consumer with a lease, or to the pseudo consumer `waiting`. A lease is revoked before
//! what is pending on its consumer moves to `waiting`, and a consumer's name is never used again. So an entry that
//! is pending on a consumer whose lease stands is that consumer's alone; what a consumer sends later, however late it arrives, is refused.
//!
//! # How old a delivery is
//! Redis notes of each pending entry when it was last delivered. Leases leave that without a use, so the scripts that move an
//! entry from one consumer to another keep the time of its first delivery there (`XCLAIM … IDLE`), which nothing else would
//! remember; `XPENDING` then shows as idle time for how long an entry has been tried.

mod begin;
mod claim;
mod committer;
mod fetcher;
mod in_hand;
mod lane;
mod lease;
#[cfg(test)]
mod model;
mod scripts;

pub(super) use claim::Claim;
pub(super) use lane::CompetingLane;
