use common::{
    messages::{Announcement, OrderEvent},
    names::Names,
    service::Service,
};
use redis_kit::{
    Connection, Error,
    stream::{Commit, Delivery, Failure, Handler, Message, StreamId, entry_before},
};
use tracing::info;

/// Turns an event into its announcement.
pub(crate) struct Announcer {
    names: Names,
    redis: Connection,
    streams: Vec<String>,
}

impl Announcer {
    pub(crate) fn new(service: &Service) -> Self {
        Self {
            names: service.names.clone(),
            redis: service.commands.clone(),
            streams: service.names.orders_streams(service.partitions),
        }
    }
}

impl Handler for Announcer {
    type Message = OrderEvent;

    async fn handle(&self, delivery: Delivery<OrderEvent>) -> Result<Commit, Failure> {
        let stream = &self.streams[delivery.partition];
        let prev = entry_before(&mut self.redis.clone(), stream, delivery.stream_id).await?;
        let (order_id, event_type) = (delivery.message.order_id(), delivery.message.message_type());
        let trace_id = delivery.trace.trace_id();
        let announcement = announcement(delivery, prev.unwrap_or(StreamId::ZERO));
        let payload = serde_json::to_string(&announcement).map_err(Error::from)?;
        info!(%order_id, event_type, trace_id, stream_id = %announcement.id, "announcing the event");
        Ok(Commit::new().publish(self.names.orders_channel(), payload))
    }
}

fn announcement(delivery: Delivery<OrderEvent>, prev: StreamId) -> Announcement {
    Announcement {
        event: delivery.message,
        partition: delivery.partition,
        prev,
        id: delivery.stream_id,
        event_id: delivery.message_id,
        occurred_at: delivery.occurred_at,
        traceparent: delivery.trace.child().to_string(),
    }
}
