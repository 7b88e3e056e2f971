use common::{
    crash::{self, Point},
    messages::{OrderEvent, PaymentId, PaymentTask, Taken},
};
use redis_kit::stream::{Commit, Delivery, Failure, Handler, Message};
use tracing::info;

/// Asks for the payment of an order that was placed.
pub(crate) struct PaymentRequester {
    /// Who this is.
    pub(crate) instance: String,
    /// The payment streams by partition.
    pub(crate) payments: Vec<String>,
}

impl Handler for PaymentRequester {
    type Message = OrderEvent;

    /// What became of a payment asks for no other. What this version does not know may ask for one.
    fn concerns(&self, message_type: &str) -> bool {
        message_type == "order.placed" || !OrderEvent::TYPES.contains(&message_type)
    }

    async fn handle(&self, delivery: Delivery<OrderEvent>) -> Result<Commit, Failure> {
        let OrderEvent::Placed { order_id, customer_id, total, .. } = delivery.message else {
            return Ok(Commit::new());
        };
        let payment_id = PaymentId::of(order_id);
        let trace_id = delivery.trace.trace_id();
        info!(%order_id, %payment_id, trace_id, amount = %total, "requesting the payment");
        let taken = Some(Taken { by: self.instance.clone(), given_at: delivery.first_delivered });
        let task = PaymentTask::Requested { payment_id, order_id, customer_id, amount: total, taken };
        // An order's payment stays in its partition, so that one script can touch both.
        let payments = &self.payments[delivery.partition];
        crash::point(Point::BeforeRequest);
        Ok(Commit::new().append(payments, &task, &delivery.trace.child())?)
    }
}
