use common::{
    health::Health,
    messages::{Announcement, OrderEvent},
};
use redis_kit::{
    pubsub::{Event, Subscription},
    trace::TraceContext,
};
use tracing::{info, warn};

/// Tells each announcement to whom it concerns; for now, to the log.
pub(crate) struct Notifier {
    subscription: Subscription,
    heard_before: bool,
}

impl Notifier {
    /// The service is not ready before it hears the channel.
    pub(crate) fn new(subscription: Subscription, health: &Health) -> Self {
        let status = subscription.status();
        health.add("subscription", move || status.check());
        Self { subscription, heard_before: false }
    }

    /// Waits for one event and deals with it.
    pub(crate) async fn next(&mut self) {
        match self.subscription.next().await {
            Event::Subscribed if std::mem::replace(&mut self.heard_before, true) => {
                warn!("listening again; what was announced meanwhile was not heard");
            }
            Event::Subscribed => info!("listening"),
            Event::Message { payload, .. } => match serde_json::from_slice::<Announcement>(&payload) {
                Ok(announcement) => notify(&announcement),
                // Anybody can publish; a listener may skip what it does not know.
                Err(error) => warn!(%error, "skipping a message that is no announcement"),
            },
        }
    }
}

fn notify(announcement: &Announcement) {
    let order_id = announcement.event.order_id();
    let trace_id = announcement.traceparent.parse().map(|trace: TraceContext| trace.trace_id());
    let trace_id = trace_id.unwrap_or_default();
    let stream_id = announcement.id;
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
    }
}
