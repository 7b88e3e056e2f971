//! How many files this process may have open at a time: every connection is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::info;

/// What macOS allows however high its hard limit is told to be (`OPEN_MAX`).
const OPEN_MAX: u64 = 10_240;

/// What is left to connections to Redis and others, to refusals, to files.
const RESERVE: u64 = 256;

/// How many connections there may be: `wanted`, or what is possible after the limit was raised as far as it goes.
pub(super) fn allowed_connections(wanted: u32) -> usize {
    let possible = raise_limit().saturating_sub(RESERVE).max(1);
    let wanted = u64::from(wanted);
    if possible < wanted {
        info!(wanted, possible, "the limit on open files (ulimit -Hn) allows fewer connections");
    }
    usize::try_from(wanted.min(possible)).unwrap_or(usize::MAX)
}

/// Systems start processes with a low soft limit for the sake of programs that use `select`. We do not, and raise it to
/// the hard one. Tells the limit.
fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return OPEN_MAX };
    let raise = |to| setrlimit(Resource::RLIMIT_NOFILE, to, hard).is_ok().then_some(to);
    raise(hard).or_else(|| raise(hard.min(OPEN_MAX).max(soft))).unwrap_or(soft)
}
