use redis_kit::stream::Message;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{PaymentId, Resolution, Tried};
use crate::money::Money;

/// An order's id: random (version 4), because whoever knows a guest's order id may see the order.
pub type OrderId = Uuid;

/// The journal `orders-stream`: what happened to orders, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum OrderEvent {
    /// The gateway accepted an order.
    #[serde(rename = "order.placed")]
    Placed {
        /// The order.
        order_id: OrderId,
        /// Who ordered.
        customer_id: String,
        /// What was ordered, at the prices that hold for this order.
        items: Vec<LineItem>,
        /// The sum of all items.
        total: Money,
    },
    /// The provider charged for an order.
    #[serde(rename = "order.paid")]
    Paid {
        /// The order.
        order_id: OrderId,
        /// Who ordered.
        customer_id: String,
        /// Its payment.
        payment_id: PaymentId,
        /// What was charged.
        amount: Money,
        /// The provider's id of the charge.
        charge_id: String,
        /// Which attempt succeeded, from 1.
        attempt: u32,
        /// Who decided so, if a person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resolution: Option<Resolution>,
        /// How the attempt was made; older workers do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tried: Option<Tried>,
    },
    /// An attempt at a payment came to no definite answer: the money may have been moved or not. It is tried again.
    #[serde(rename = "order.payment_attempt_failed")]
    PaymentAttemptFailed {
        /// The order.
        order_id: OrderId,
        /// Its payment.
        payment_id: PaymentId,
        /// Which attempt, from 1.
        attempt: u32,
        /// What was learned instead of an answer.
        reason: String,
        /// How the attempt was made; older workers do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tried: Option<Tried>,
    },
    /// The provider refused to charge for an order. Final.
    #[serde(rename = "order.payment_declined")]
    PaymentDeclined {
        /// The order.
        order_id: OrderId,
        /// Who ordered.
        customer_id: String,
        /// Its payment.
        payment_id: PaymentId,
        /// What was to be charged.
        amount: Money,
        /// The provider's code, such as `insufficient_funds`.
        reason: String,
        /// Which attempt was declined, from 1; older workers do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// Who decided so, if a person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resolution: Option<Resolution>,
        /// How the attempt was made; older workers do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tried: Option<Tried>,
    },
    /// The payment cannot go on without a person.
    #[serde(rename = "order.payment_parked")]
    PaymentParked {
        /// The order.
        order_id: OrderId,
        /// Who ordered.
        customer_id: String,
        /// Its payment.
        payment_id: PaymentId,
        /// What was to be charged.
        amount: Money,
        /// What stands in the way.
        reason: String,
        /// How often it was tried.
        #[serde(default)]
        attempts: u32,
        /// How the last attempt was made; older workers do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tried: Option<Tried>,
    },
    /// What a person decided about a payment was not carried out.
    #[serde(rename = "order.payment_resolution_refused")]
    PaymentResolutionRefused {
        /// The order.
        order_id: OrderId,
        /// Its payment.
        payment_id: PaymentId,
        /// What was decided, by whom and why.
        resolution: Resolution,
        /// Why it was not carried out.
        reason: String,
    },
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    /// The product.
    pub sku: String,
    /// How many.
    pub quantity: u32,
    /// What one costs.
    pub unit_price: Money,
}

impl OrderEvent {
    /// The order that this happened to.
    pub fn order_id(&self) -> OrderId {
        match self {
            Self::Placed { order_id, .. }
            | Self::Paid { order_id, .. }
            | Self::PaymentAttemptFailed { order_id, .. }
            | Self::PaymentDeclined { order_id, .. }
            | Self::PaymentParked { order_id, .. }
            | Self::PaymentResolutionRefused { order_id, .. } => *order_id,
        }
    }
}

impl Message for OrderEvent {
    const TYPES: &'static [&'static str] = &[
        "order.placed",
        "order.paid",
        "order.payment_attempt_failed",
        "order.payment_declined",
        "order.payment_parked",
        "order.payment_resolution_refused",
    ];

    fn message_type(&self) -> &'static str {
        match self {
            Self::Placed { .. } => "order.placed",
            Self::Paid { .. } => "order.paid",
            Self::PaymentAttemptFailed { .. } => "order.payment_attempt_failed",
            Self::PaymentDeclined { .. } => "order.payment_declined",
            Self::PaymentParked { .. } => "order.payment_parked",
            Self::PaymentResolutionRefused { .. } => "order.payment_resolution_refused",
        }
    }
}
