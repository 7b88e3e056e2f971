use metrics::{Counter, counter};

/// What is counted of one subscription with replay.
pub(super) struct ReplayMetrics {
    /// Live messages that showed that others were missing.
    pub(super) gaps: Counter,
    /// Entries that were passed on from the journal.
    pub(super) replayed: Counter,
    /// Places where the journal itself had nothing to go on from.
    pub(super) resets: Counter,
}

impl ReplayMetrics {
    pub(super) fn of(channel: &str) -> Self {
        let labels = [("channel", channel.to_owned())];
        Self {
            gaps: counter!("pubsub_gaps_total", &labels),
            replayed: counter!("pubsub_entries_replayed_total", &labels),
            resets: counter!("pubsub_resets_total", &labels),
        }
    }
}
