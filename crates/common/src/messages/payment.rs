use std::{fmt, str::FromStr};

use jiff::Timestamp;
use redis_kit::stream::Message;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{OrderId, Taken};
use crate::money::Money;

/// A payment's id, and on every attempt the idempotency key by which the provider knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaymentId(Uuid);

impl PaymentId {
    /// The one payment of an order. Derived from it (UUID version 5, with the order as the namespace), so that however
    /// often a payment is asked for, it is the same.
    pub fn of(order_id: OrderId) -> Self {
        Self(Uuid::new_v5(&order_id, b"payment"))
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PaymentId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The work on `payments-stream`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum PaymentTask {
    /// Charge for an order.
    #[serde(rename = "payment.requested")]
    Requested {
        /// The payment.
        payment_id: PaymentId,
        /// The order it is for.
        order_id: OrderId,
        /// Who ordered.
        customer_id: String,
        /// What to charge.
        amount: Money,
        /// Who asked for it; older producers do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        taken: Option<Taken>,
    },
    /// Settle a parked payment as a person decided.
    #[serde(rename = "payment.resolved")]
    Resolved {
        /// The payment.
        payment_id: PaymentId,
        /// The order it is for.
        order_id: OrderId,
        /// What was decided, by whom and why.
        resolution: Resolution,
    },
}

/// What a person decided about a parked payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// What became of the payment.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Who decided.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A payment that waits for a person, with what the person needs to know. It stands in `payments-parked:{p}`, a hash that
/// whoever wants may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedPayment {
    /// The payment. The provider knows it by this id, which is its idempotency key.
    pub payment_id: PaymentId,
    /// The order it is for.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: String,
    /// What is to be charged.
    pub amount: Money,
    /// What stands in the way.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried for the first time.
    pub first_attempt_at: Timestamp,
    /// When it was given up.
    pub parked_at: Timestamp,
}

/// What a parked payment is settled to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The money was moved, as the provider's books tell.
    Paid {
        /// The provider's id of the charge.
        charge_id: String,
    },
    /// The money was not moved and will not be. The provider is asked once more, and believed if it knows of a charge.
    Declined,
}

impl Message for PaymentTask {
    const TYPES: &'static [&'static str] = &["payment.requested", "payment.resolved"];

    fn message_type(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "payment.requested",
            Self::Resolved { .. } => "payment.resolved",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_one_payment_however_often_it_is_asked_for() {
        let (order, other) = (Uuid::new_v4(), Uuid::new_v4());
        assert_eq!(PaymentId::of(order), PaymentId::of(order));
        assert_ne!(PaymentId::of(order), PaymentId::of(other));
    }
}
