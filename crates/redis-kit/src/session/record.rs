//! A session as a request sees it.

use std::time::Duration;

use jiff::Timestamp;

use super::token::SessionId;

/// A session as it was when it was read. To change it, change `data` and [save](super::Sessions::save) it.
#[derive(Debug)]
pub struct Session<D> {
    /// What the application keeps in it.
    pub data: D,
    pub(super) tag: String,
    pub(super) id: SessionId,
    /// Drawn anew at each save.
    pub(super) version: String,
    pub(super) times: Times,
}

/// The times of a session, all by Redis's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) created: Timestamp,
    pub(super) seen: Timestamp,
    pub(super) ends: Timestamp,
}

impl<D> Session<D> {
    /// The user whose session it is.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Its public id. It changes when the session is [rotated](super::Sessions::rotate).
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// When it was begun.
    pub fn created(&self) -> Timestamp {
        self.times.created
    }

    /// When it was last noted as used: up to a tenth of the [idle time](super::SessionOptions::idle) before its last
    /// use.
    pub fn last_seen(&self) -> Timestamp {
        self.times.seen
    }

    /// When it ends, however much it is used.
    pub fn ends(&self) -> Timestamp {
        self.times.ends
    }

    /// How long it could last from [`last_seen`](Self::last_seen) on, by Redis's clock alone.
    pub(super) fn rest(&self) -> Duration {
        self.times.ends.duration_since(self.times.seen).try_into().unwrap_or_default()
    }
}

/// What became of a save that Redis answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a session that was changed by somebody else is not saved"]
pub enum Saving {
    /// The data is saved.
    Saved,
    /// It is not: somebody else saved first. Load the session and decide again.
    Changed,
    /// It is not: the session was revoked or rotated, or it has expired.
    Gone,
}
