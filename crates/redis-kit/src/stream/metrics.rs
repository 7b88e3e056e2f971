use metrics::{Counter, Histogram, counter, histogram};

/// What is counted of one group on one stream.
#[derive(Clone)]
pub(super) struct DeliveryMetrics {
    pub(super) committed: Counter,
    pub(super) retried: Counter,
    pub(super) rejected: Counter,
    pub(super) fenced: Counter,
    pub(super) lost: Counter,
    pub(super) handler_seconds: Histogram,
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
            handler_seconds: histogram!("stream_handler_seconds", &labels),
        }
    }
}
