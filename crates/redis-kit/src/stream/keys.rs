//! The names of the keys that stand beside a stream, spelled here and nowhere else.
//!
//! Each begins with the stream's own name. A stream whose name carries a hash tag (`jobs:{0}`) therefore has all of them in
//! one slot, where one script can touch them together.

/// The keys of one consumer group beside one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupKeys {
    /// `<stream>:retry:<group>`, a sorted set: the id of each entry that waits for its next attempt, or that a consumer
    /// left behind → from when on it may be taken, in Unix milliseconds. Not used in ordered mode.
    pub retry: String,
    /// `<stream>:attempts:<group>`, a hash: entry id → its failed attempts as JSON.
    pub attempts: String,
    /// `<stream>:lease:<group>`, a hash. In competing mode: consumer → until when it is known to live, in Unix milliseconds. In
    /// ordered mode: `member:<instance>` → the same; `holder`, the instance that holds the partition; and `fence`, a number that
    /// each new holder raises.
    pub lease: String,
    /// `<stream>:dead:<group>`, a stream: the group's dead letters.
    pub dead: String,
}

impl GroupKeys {
    /// The keys of `group` beside `stream`.
    pub fn new(stream: &str, group: &str) -> Self {
        let key = |kind: &str| format!("{stream}:{kind}:{group}");
        Self { retry: key("retry"), attempts: key("attempts"), lease: key("lease"), dead: key("dead") }
    }
}

/// The keys that stand beside a stream whatever its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamKeys {
    /// `<stream>:delayed`, a sorted set: message id → when it is to be appended, in Unix milliseconds.
    pub delayed: String,
    /// `<stream>:delayed:fields`, a hash: message id → the entry's fields as JSON.
    pub delayed_fields: String,
    /// `<stream>:delayed:past`, a sorted set: message id → when it was appended or cancelled, in Unix milliseconds. Kept for
    /// a while only.
    pub delayed_past: String,
    /// `<stream>:trimmed`, a string: the stream id below which retention has removed everything.
    pub trimmed: String,
}

impl StreamKeys {
    /// The keys beside `stream`.
    pub fn new(stream: &str) -> Self {
        let key = |kind: &str| format!("{stream}:{kind}");
        Self {
            delayed: key("delayed"),
            delayed_fields: key("delayed:fields"),
            delayed_past: key("delayed:past"),
            trimmed: key("trimmed"),
        }
    }
}
