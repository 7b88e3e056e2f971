use common::{
    health::Health,
    messages::{Announcement, OrderEvent},
};
use metrics::{counter, describe_counter};
use redis_kit::{
    pubsub::{ReplayEvent, ReplaySubscription},
    stream::StreamId,
    trace::TraceContext,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Tells each announcement to whom it concerns; for now, to the log.
pub(crate) struct Notifier {
    subscription: ReplaySubscription<Announcement>,
}

impl Notifier {
    /// The service is not ready before it hears the channel.
    pub(crate) fn new(subscription: ReplaySubscription<Announcement>, health: &Health) -> Self {
        describe_counter!("notifications_total", "Customers' notifications about their orders.");
        let status = subscription.status();
        health.add("subscription", move || status.check());
        Self { subscription }
    }

    /// Notifies until `shutdown`, then saves how far it got.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        while let Some(event) = shutdown.run_until_cancelled(self.subscription.next()).await {
            match &event {
                ReplayEvent::Entry { announcement, position } => notify(announcement, position.id),
                ReplayEvent::Reset { partition, from, to } => {
                    error!(partition, %from, %to, "notifications may be missing: the journal was trimmed or lost");
                }
            }
            // Only now: what a crash keeps from being told is told after it.
            self.subscription.done(&event);
        }
        self.subscription.stop().await;
    }
}

fn notify(announcement: &Announcement, stream_id: StreamId) {
    let order_id = announcement.event.order_id();
    let trace_id = announcement.traceparent.parse().map(|trace: TraceContext| trace.trace_id());
    let trace_id = trace_id.unwrap_or_default();
    match &announcement.event {
        OrderEvent::Placed { customer_id, total, .. } => {
            info!(%order_id, customer_id, trace_id, %stream_id, %total, "notify: we have received your order");
        }
        OrderEvent::Paid { customer_id, amount, .. } => {
            info!(%order_id, customer_id, trace_id, %stream_id, %amount, "notify: your order is paid");
        }
        OrderEvent::PaymentDeclined { customer_id, reason, .. } => {
            info!(%order_id, customer_id, trace_id, %stream_id, reason, "notify: your payment was declined");
        }
        OrderEvent::PaymentParked { customer_id, reason, .. } => {
            info!(%order_id, customer_id, trace_id, %stream_id, reason, "notify: we are looking into your payment");
        }
        // The shop's own affairs: the payment is tried again, or a person is on it already.
        OrderEvent::PaymentAttemptFailed { .. } | OrderEvent::PaymentResolutionRefused { .. } => return,
    }
    counter!("notifications_total").increment(1);
}
