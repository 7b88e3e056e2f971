//! What is written of a payment: its record, its place among the parked ones, and the journal's event, always in one commit.

use std::{collections::HashMap, time::Duration};

use common::{
    messages::{OrderEvent, OrderId, ParkedPayment, PaymentId, PaymentTask, Resolution, Tried},
    money::Money,
    names::Names,
};
use redis_kit::{
    Error,
    stream::{Attempt, Commit, Delivery},
};

use crate::payment::{Next, State};

/// What is to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) order_id: OrderId,
    pub(crate) customer_id: String,
    pub(crate) amount: Money,
}

impl Payment {
    /// What the record of a payment is to say of it from its first attempt on.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("state", State::Charging.name().into()),
            ("order_id", self.order_id.to_string()),
            ("customer_id", self.customer_id.clone()),
            ("amount", self.amount.amount().to_string()),
            ("currency", self.amount.currency().into()),
        ]
    }

    /// Reads a record; `None` if it is not one that this program could have written.
    pub(crate) fn of_record(id: PaymentId, record: &HashMap<String, String>) -> Option<Self> {
        Some(Self {
            id,
            order_id: record.get("order_id")?.parse().ok()?,
            customer_id: record.get("customer_id")?.clone(),
            amount: Money::parse(record.get("amount")?, record.get("currency")?).ok()?,
        })
    }
}

/// One attempt at a payment, which has begun.
pub(crate) struct Attempted<'a> {
    /// The instance that makes it.
    pub(crate) by: &'a str,
    pub(crate) delivery: &'a Delivery<PaymentTask>,
    pub(crate) attempt: Attempt,
    pub(crate) payment: Payment,
    /// How long the provider was called, if it was.
    pub(crate) called_for: Option<Duration>,
}

impl Attempted<'_> {
    /// Writes down what became of the payment; `resolution` if that is what a person decided.
    pub(crate) fn outcome(
        &self,
        names: &Names,
        next: &Next,
        resolution: Option<Resolution>,
    ) -> Result<Commit, Error> {
        let Self { delivery, attempt, payment, .. } = self;
        let partition = partition_of(delivery);
        let (record, parked) = (names.payment(partition, payment.id), names.parked_payments(partition));
        let id = payment.id.to_string();
        let was_parked = resolution.is_some();
        let (state, answer) = next.state();
        let commit = Commit::of_attempt(attempt)
            .set_fields(record, [("state", state.name().to_owned()), ("answer", answer.to_owned())])
            .append(names.orders_stream(partition), &self.event(next, resolution), &delivery.trace.child())?;
        Ok(match next {
            Next::Parked { reason } => {
                commit.set_fields(parked, [(&*id, serde_json::to_string(&self.parked(reason))?)])
            }
            _ if was_parked => commit.remove_fields(parked, [&*id]),
            _ => commit,
        })
    }

    fn event(&self, next: &Next, resolution: Option<Resolution>) -> OrderEvent {
        let (attempt, tried) = (self.attempt.number, Some(self.tried()));
        let Payment { id: payment_id, order_id, customer_id, amount } = self.payment.clone();
        match next.clone() {
            Next::Paid { charge_id } => OrderEvent::Paid {
                order_id,
                customer_id,
                payment_id,
                amount,
                charge_id,
                attempt,
                resolution,
                tried,
            },
            Next::Declined { code: reason } => OrderEvent::PaymentDeclined {
                order_id,
                customer_id,
                payment_id,
                amount,
                reason,
                attempt: Some(attempt),
                resolution,
                tried,
            },
            Next::Parked { reason } => OrderEvent::PaymentParked {
                order_id,
                customer_id,
                payment_id,
                amount,
                reason,
                attempts: attempt,
                tried,
            },
            Next::Again { reason } => {
                OrderEvent::PaymentAttemptFailed { order_id, payment_id, attempt, reason, tried }
            }
        }
    }

    fn tried(&self) -> Tried {
        Tried {
            by: self.by.to_owned(),
            given_at: self.delivery.first_delivered,
            began_at: self.attempt.at,
            call_ms: self.called_for.map(milliseconds_begun),
        }
    }

    fn parked(&self, reason: &str) -> ParkedPayment {
        let Payment { id: payment_id, order_id, customer_id, amount } = self.payment.clone();
        ParkedPayment {
            payment_id,
            order_id,
            customer_id,
            amount,
            reason: reason.into(),
            attempts: self.attempt.number,
            first_attempt_at: self.attempt.first_at,
            parked_at: self.attempt.at,
        }
    }
}

/// So that no call seems to have taken no time.
fn milliseconds_begun(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// The partition that a task came from, and with it all of its payment's keys.
pub(crate) fn partition_of(delivery: &Delivery<PaymentTask>) -> u16 {
    // There are 1024 partitions at most.
    u16::try_from(delivery.partition).unwrap_or(u16::MAX)
}
