//! Workers, seen from outside: what they are given, what they write, and what is left in Redis.

mod commit;
mod delivery;
mod failures;
mod redis_failure;
mod shutdown;
mod takeover;
