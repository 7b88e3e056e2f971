use jiff::Timestamp;
use serde::Deserialize;

/// What is on record of an entry's failed attempts: see `lua/failures.lua`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Failures {
    /// How many there were.
    pub(super) failed: u32,
    /// When the entry was first given to a handler. Only in ordered mode; in competing mode Redis's pending list tells it.
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub(super) first_delivered: Option<Timestamp>,
}

impl Failures {
    /// Reads the record. None, or one that somebody has spoilt, is that of an entry that has not failed.
    pub(super) fn parse(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }
}
