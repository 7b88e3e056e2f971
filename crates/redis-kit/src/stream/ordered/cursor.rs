//! How far a group has come in a partition, and whether that is on disk.

use std::time::Duration;

use tokio::time::Instant;

use crate::stream::{
    StreamId,
    attempt::{Outcome, RawEntry},
};

/// After how long a cursor that moves in memory alone is written to disk with its next move, or when nothing comes.
const KEEP_INTERVAL: Duration = Duration::from_millis(100);

/// A group's cursor, as its holder knows it.
pub(super) struct Cursor {
    /// The last entry that the group has passed.
    pub(super) at: StreamId,
    /// Since when it may stand further in Redis's memory than on its disk.
    unkept_since: Option<Instant>,
}

/// Whether a cursor that moves has to outlive the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Kept,
    InMemory,
}

impl Cursor {
    /// Where a holder finds it, who does not know whether the one before has kept it.
    pub(super) fn found(at: StreamId) -> Self {
        Self { at, unkept_since: Some(Instant::now()) }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.unkept_since.is_none()
    }

    /// How it is to move behind these entries. What is only published is over when Redis is, so nobody need wait for the disk
    /// each time. What was published after the cursor was last kept is published again when Redis comes back.
    pub(super) fn how_to_move(&self, entries: &[(RawEntry, Outcome)]) -> Move {
        let only_publish = !entries.is_empty() && entries.iter().all(only_publishes);
        let is_due = self.unkept_since.is_some_and(|since| since.elapsed() >= KEEP_INTERVAL);
        if only_publish && !is_due { Move::InMemory } else { Move::Kept }
    }

    /// It stands there, after a call that was made at `asked`.
    pub(super) fn moved(&mut self, to: StreamId, is_kept: bool, asked: Instant) {
        self.at = to;
        self.unkept_since = if is_kept { None } else { self.unkept_since.or(Some(asked)) };
    }
}

/// An empty commit may stand for what was done elsewhere, and does not count.
fn only_publishes((entry, outcome): &(RawEntry, Outcome)) -> bool {
    entry.failed == 0 && matches!(outcome, Outcome::Commit(commit) if commit.only_publishes())
}
