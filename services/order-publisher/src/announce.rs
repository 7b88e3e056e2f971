use common::{
    crash::{self, Point},
    messages::{Announcement, OrderEvent},
    names::Names,
    service::Service,
};
use redis_kit::{
    pubsub::{Announcement as _, Position, live},
    stream::{Commit, Delivery, Failure, Handler, Message, StreamId},
};
use tracing::info;

/// Turns an event into its announcement.
pub(crate) struct Announcer {
    names: Names,
}

impl Announcer {
    pub(crate) fn new(service: &Service) -> Self {
        Self { names: service.names.clone() }
    }
}

impl Handler for Announcer {
    type Message = OrderEvent;

    async fn handle(&self, delivery: Delivery<OrderEvent>) -> Result<Commit, Failure> {
        let (order_id, event_type) = (delivery.message.order_id(), delivery.message.message_type());
        let trace_id = delivery.trace.trace_id();
        // By which a listener knows whether it has missed something: the ordered mode passes one entry after the other.
        let prev = delivery.previous.unwrap_or(StreamId::ZERO);
        let position = Position { partition: delivery.partition, prev, id: delivery.stream_id };
        let Some(announcement) = Announcement::of(delivery.into()) else { return Ok(Commit::new()) };
        info!(%order_id, event_type, trace_id, stream_id = %position.id, "announcing the event");
        crash::point(Point::BeforeAnnounce);
        Ok(Commit::new().publish(self.names.orders_channel(), live(&announcement, position)?))
    }
}
