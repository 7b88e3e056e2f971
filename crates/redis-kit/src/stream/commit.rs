use std::time::Duration;

use super::{Attempt, Fence, Message, StreamId, encode};
use crate::{Error, lua::millis, trace::TraceContext};

/// What a handled entry is to change: applied by one script together with the acknowledgement (in ordered mode, with the
/// group's step forward), all or nothing, and only while the entry is still this worker's. Empty means "acknowledge,
/// nothing to write".
///
/// Every key must carry the hash tag of the entry's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    writes: Vec<Write>,
    /// Decides in place of the delivery.
    fence: Option<Fence>,
}

/// One step of what a commit does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    /// The name by which `lua/writes.lua` knows the step.
    pub(super) kind: &'static str,
    /// The key it touches, if it touches one.
    pub(super) key: Option<String>,
    pub(super) args: Vec<String>,
}

impl Commit {
    /// Acknowledges and writes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What an attempt at [`Exclusive`](super::Exclusive) work came to: applied, and the entry acknowledged, if and only if no
    /// later attempt has begun, whoever the entry belongs to by then. Frees the lock.
    pub fn of_attempt(attempt: &Attempt) -> Self {
        Self { writes: Vec::new(), fence: Some(attempt.fence.clone()) }
    }

    /// Appends a message to a stream.
    ///
    /// # Errors
    /// [`Error::Encode`] if it cannot be written as JSON.
    pub fn append<M: Message>(
        self,
        stream: impl Into<String>,
        message: &M,
        trace: &TraceContext,
    ) -> Result<Self, Error> {
        let fields = encode(message, trace)?;
        let args = fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        Ok(self.write("append", Some(stream.into()), args))
    }

    /// Sets fields of a hash.
    #[must_use]
    pub fn set_fields<'a>(
        self,
        key: impl Into<String>,
        fields: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        self.write("set", Some(key.into()), flat(fields))
    }

    /// Removes fields of a hash.
    #[must_use]
    pub fn remove_fields<'a>(
        self,
        key: impl Into<String>,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.write("remove", Some(key.into()), fields.into_iter().map(str::to_owned))
    }

    /// Sets fields of a hash that exists and has not seen this event or a later one: its field `version` is before
    /// `version`, which it then becomes. So a view only moves forward, and one that has expired is not revived.
    /// One whose `version` is missing or no stream id is not touched either.
    #[must_use]
    pub fn advance_fields<'a>(
        self,
        key: impl Into<String>,
        version: StreamId,
        fields: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        let version = ["version".to_owned(), version.to_string()];
        self.write("advance", Some(key.into()), version.into_iter().chain(flat(fields)))
    }

    /// Lets a key go after so long. One that is not there is left alone.
    #[must_use]
    pub fn expire(self, key: impl Into<String>, after: Duration) -> Self {
        self.write("expire", Some(key.into()), [millis(after).to_string()])
    }

    /// Publishes a message to whoever listens to the channel now. In ordered mode an entry of whose commit this is all may be
    /// handled again after Redis itself has crashed, restarted or failed over.
    #[must_use]
    pub fn publish(self, channel: impl Into<String>, payload: impl Into<String>) -> Self {
        self.write("publish", None, [channel.into(), payload.into()])
    }

    /// Whether there is nothing to write, and nothing to free.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.fence.is_none()
    }

    /// Whether all it does is tell who listens now, which leaves nothing behind in Redis.
    pub(super) fn only_publishes(&self) -> bool {
        self.fence.is_none()
            && !self.writes.is_empty()
            && self.writes.iter().all(|write| write.kind == "publish")
    }

    pub(super) fn writes(&self) -> &[Write] {
        &self.writes
    }

    pub(super) fn fence(&self) -> Option<&Fence> {
        self.fence.as_ref()
    }

    /// The keys that a script needs for it, in the order in which it takes them.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let guard = self.fence.iter().flat_map(|fence| [&*fence.record, &*fence.lock]);
        guard.chain(self.writes.iter().filter_map(|write| write.key.as_deref()))
    }

    /// Fails if a write touches a key that no script could touch together with `stream` on a cluster.
    pub(super) fn check_keys(&self, stream: &str) -> Result<(), Error> {
        self.keys().try_for_each(|key| check_key(key, stream))
    }

    fn write(
        mut self,
        kind: &'static str,
        key: Option<String>,
        args: impl IntoIterator<Item = String>,
    ) -> Self {
        self.writes.push(Write { kind, key, args: args.into_iter().collect() });
        self
    }
}

/// Fails if no script could touch `key` together with `stream` on a cluster.
pub(super) fn check_key(key: &str, stream: &str) -> Result<(), Error> {
    if hash_tag(key) == hash_tag(stream) {
        return Ok(());
    }
    Err(Error::ForeignKey { key: key.into(), stream: stream.into() })
}

fn flat<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> impl Iterator<Item = String> {
    fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value])
}

/// The part of a key that decides its slot: what is between the first `{` and the next `}`, if that is anything, else
/// the whole key (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags>).
fn hash_tag(key: &str) -> &str {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    tag.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tag_is_what_redis_takes_it_for() {
        for (key, tag) in [
            ("jobs:{3}:x", "3"),
            ("{a}{b}", "a"),
            ("plain", "plain"),
            ("empty{}tag", "empty{}tag"),
            ("open{tag", "open{tag"),
            ("nested{{a}}", "{a"),
        ] {
            assert_eq!(hash_tag(key), tag, "{key}");
        }
    }

    #[test]
    fn a_key_of_another_slot_is_refused_by_name() {
        let commit = Commit::new().set_fields("job:{1}:x", [("state", "done".into())]);
        assert!(commit.check_keys("jobs:{1}").is_ok());
        let error = commit.check_keys("jobs:{2}").unwrap_err().to_string();
        assert!(error.contains("job:{1}:x"), "{error}");
    }
}
