//! A payment worker on a Redis of its own, with the sandbox as its provider.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, and says why")]

mod charging;
mod dead;
mod parked;
mod till;
mod tried;
mod unknown;
