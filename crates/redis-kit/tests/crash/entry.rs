use redis_kit::stream::Message;
use serde::{Deserialize, Serialize};

/// An entry of the streams that are worked on, and of those that tell what was done.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "entry.numbered")]
pub(crate) struct Entry {
    /// Counts all entries of a run, over all partitions.
    pub(crate) number: u64,
}

impl Message for Entry {
    const TYPES: &'static [&'static str] = &["entry.numbered"];

    fn message_type(&self) -> &'static str {
        Self::TYPES[0]
    }
}
