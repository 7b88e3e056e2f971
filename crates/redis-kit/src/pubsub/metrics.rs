use metrics::{Counter, counter, describe_counter};

/// What is counted of one subscription with replay.
pub(super) struct ReplayMetrics {
    /// Entries that were heard live, and passed on as they were.
    pub(super) heard: Counter,
    /// Live messages that showed that others were missing.
    pub(super) gaps: Counter,
    /// Entries that were passed on from the journal.
    pub(super) replayed: Counter,
    /// Places where the journal itself had nothing to go on from.
    pub(super) resets: Counter,
}

impl ReplayMetrics {
    pub(super) fn of(channel: &str) -> Self {
        describe_counter!(
            "pubsub_entries_heard_total",
            "Entries of the journal that were heard on the channel, with none missing before them."
        );
        let labels = [("channel", channel.to_owned())];
        Self {
            heard: counter!("pubsub_entries_heard_total", &labels),
            gaps: counter!("pubsub_gaps_total", &labels),
            replayed: counter!("pubsub_entries_replayed_total", &labels),
            resets: counter!("pubsub_resets_total", &labels),
        }
    }
}
