//! How commits are told to the scripts that apply them: see `lua/writes.lua`.

use redis::Cmd;

use super::Commit;

/// Adds the keys that the commits take, in their order.
pub(super) fn add_keys<'a>(keys: &mut Vec<&'a str>, commits: impl Iterator<Item = &'a Commit>) {
    keys.extend(commits.flat_map(Commit::keys));
}

/// Adds the writes of one commit.
pub(super) fn add_writes(call: &mut Cmd, commit: &Commit) {
    call.arg(commit.writes().len());
    for write in commit.writes() {
        call.arg(write.kind).arg(write.args.len()).arg(&write.args);
    }
}
