use common::{
    messages::{OrderEvent, PaymentTask},
    names::Names,
    partition::Partitions,
};
use redis_kit::stream::{Commit, Delivery, Failure, Handler, Message};
use tracing::{debug, error, info};

use crate::provider::{Decision, Provider};

/// Charges payments and says what is to be recorded of them.
pub(crate) struct Charger {
    provider: Provider,
    names: Names,
    partitions: Partitions,
}

impl Charger {
    pub(crate) fn new(provider: Provider, names: Names, partitions: Partitions) -> Self {
        Self { provider, names, partitions }
    }
}

impl Handler for Charger {
    type Message = PaymentTask;

    async fn handle(&self, delivery: Delivery<PaymentTask>) -> Result<Commit, Failure> {
        let Delivery { attempt, trace, .. } = delivery;
        let PaymentTask::Requested { payment_id, order_id, customer_id, amount } = delivery.message;
        let trace_id = trace.trace_id();
        info!(%order_id, %payment_id, trace_id, attempt, %amount, "charging");

        let decision = match self.provider.charge(payment_id, order_id, amount).await {
            Ok(decision) => decision,
            Err(unknown) => {
                // The worker warns of every failed attempt; this only adds whose it was.
                debug!(%order_id, %payment_id, trace_id, attempt, reason = %unknown, "the outcome is unknown");
                return Err(Failure::retry(unknown));
            }
        };
        let event = match decision {
            Decision::Charged { charge_id } => {
                OrderEvent::Paid { order_id, customer_id, payment_id, amount, charge_id, attempt }
            }
            Decision::Declined { code: reason } => {
                OrderEvent::PaymentDeclined { order_id, customer_id, payment_id, amount, reason }
            }
            Decision::Refused { reason } => {
                error!(
                    %order_id, %payment_id, trace_id, attempt, reason,
                    "parking the payment: the provider refuses the request and is not asked again; look the payment up at \
                     the provider by its id, which is its idempotency key, and settle the order by hand"
                );
                OrderEvent::PaymentParked { order_id, customer_id, payment_id, amount, reason }
            }
        };
        info!(%order_id, %payment_id, trace_id, attempt, event_type = event.message_type(), "the provider has decided");
        let partition = self.partitions.of_order(order_id);
        let record = [("outcome", event.message_type().to_owned()), ("attempts", attempt.to_string())];
        Ok(Commit::new().set_fields(self.names.payment(partition, payment_id), record).append(
            self.names.orders_stream(partition),
            &event,
            &trace.child(),
        )?)
    }
}
