use metrics::{Counter, Histogram, counter, histogram};

/// What is counted of one group on one stream.
#[derive(Clone)]
pub(super) struct DeliveryMetrics {
    /// Outcomes that are in Redis.
    pub(super) committed: Counter,
    pub(super) retried: Counter,
    pub(super) rejected: Counter,
    /// Outcomes that were refused, because the delivery was another consumer's by then.
    pub(super) fenced: Counter,
    /// Entries that were deleted from the stream before anybody had acknowledged them.
    pub(super) lost: Counter,
    /// Entries whose consumer was gone and that wait for another.
    pub(super) released: Counter,
    /// Leases that this worker lost while it was running.
    pub(super) leases_lost: Counter,
    /// How long handlers take.
    pub(super) handler_seconds: Histogram,
    /// How long it takes from a handler's end until its outcome is in Redis.
    pub(super) commit_seconds: Histogram,
}

impl DeliveryMetrics {
    pub(super) fn of(stream: &str, group: &str) -> Self {
        let labels = [("stream", stream.to_owned()), ("group", group.to_owned())];
        let deliveries = |outcome: &'static str| {
            let [stream, group] = labels.clone();
            counter!("stream_deliveries_total", &[stream, group, ("outcome", outcome.to_owned())])
        };
        Self {
            committed: deliveries("committed"),
            retried: deliveries("retried"),
            rejected: deliveries("rejected"),
            fenced: deliveries("fenced"),
            lost: counter!("stream_entries_lost_total", &labels),
            released: counter!("stream_entries_released_total", &labels),
            leases_lost: counter!("stream_leases_lost_total", &labels),
            handler_seconds: histogram!("stream_handler_seconds", &labels),
            commit_seconds: histogram!("stream_commit_seconds", &labels),
        }
    }
}
