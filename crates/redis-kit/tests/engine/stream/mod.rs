//! Workers, seen from outside: what they are given, what they write, and what is left in Redis.

mod commit;
mod dead_letters;
mod delayed;
mod delivery;
mod exclusive;
mod failures;
mod inspect;
mod lease;
mod ordered;
mod pause;
mod read;
mod redis_failure;
mod refusal;
mod retention;
mod shutdown;
mod takeover;
mod unknown_lease;
