//! What `GET /orders/{id}` shows: a hash for each order, written when it is accepted and moved forward by its events.

use std::collections::HashMap;

use common::{
    messages::{LineItem, OrderEvent, OrderId, PaymentId},
    money::Money,
    names::Names,
    partition::Partitions,
    service::Service,
};
use jiff::Timestamp;
use redis_kit::{
    Connection, Error,
    stream::{Commit, Delivery, Failure, Handler, StreamId, now},
};
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use super::new_order::PricedOrder;
use crate::{
    accounts::{CUSTOMER_PREFIX, Login, Role},
    docs,
};

/// An order as clients see it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderView {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: OrderId,
    pub(crate) customer_id: String,
    /// `accepted`, then `paid` or `payment_declined`, or `payment_parked` until a person has decided.
    pub(crate) status: String,
    #[schema(value_type = Vec<docs::LineItem>)]
    pub(crate) items: Vec<LineItem>,
    #[schema(value_type = docs::Money)]
    pub(crate) total: Money,
    #[schema(value_type = String, format = "date-time")]
    pub(crate) placed_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    pub(crate) settled_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) charge_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The journal entry that this has seen.
    #[serde(skip)]
    pub(crate) version: StreamId,
}

impl OrderView {
    /// An order that is being accepted now.
    pub(crate) fn accepted(id: OrderId, order: PricedOrder) -> Self {
        let PricedOrder { customer_id, items, total } = order;
        Self {
            id,
            customer_id,
            status: "accepted".into(),
            items,
            total,
            placed_at: now(),
            settled_at: None,
            payment_id: None,
            charge_id: None,
            reason: None,
            version: StreamId::ZERO,
        }
    }

    /// Whether nothing will happen to it any more. A parked order waits for a person.
    pub(crate) fn is_final(&self) -> bool {
        matches!(&*self.status, "paid" | "payment_declined")
    }

    /// Whether it is the order of somebody who has an account.
    pub(crate) fn is_of_account(&self) -> bool {
        self.customer_id.starts_with(CUSTOMER_PREFIX)
    }

    /// Whether this account may see it: whose it is, or an admin's. A guest's order is seen by whoever knows its id.
    pub(crate) fn is_seen_by(&self, login: Option<&Login>) -> bool {
        !self.is_of_account()
            || login.is_some_and(|login| login.role == Role::Admin || login.customer_id == self.customer_id)
    }

    /// Reads the hash of an order; `None` if there is none, or not one that this program could have written.
    fn read(id: OrderId, mut fields: HashMap<String, String>) -> Option<Self> {
        let OrderEvent::Placed { customer_id, items, total, .. } =
            serde_json::from_str(fields.get("placed")?).ok()?
        else {
            return None;
        };
        Some(Self {
            id,
            customer_id,
            status: fields.remove("status")?,
            items,
            total,
            placed_at: fields.get("placed_at")?.parse().ok()?,
            settled_at: fields.remove("settled_at"),
            payment_id: fields.remove("payment_id"),
            charge_id: not_empty(fields.remove("charge_id")),
            reason: not_empty(fields.remove("reason")),
            version: fields.get("version")?.parse().ok()?,
        })
    }
}

/// What one status tells and the next does not is emptied: a parked order that is paid in the end has no reason any more.
fn not_empty(field: Option<String>) -> Option<String> {
    field.filter(|text| !text.is_empty())
}

/// Looks orders up.
#[derive(Clone)]
pub(crate) struct OrderViews {
    redis: Connection,
    names: Names,
    partitions: Partitions,
}

impl OrderViews {
    pub(crate) fn new(service: &Service) -> Self {
        Self { redis: service.commands.clone(), names: service.names.clone(), partitions: service.partitions }
    }

    pub(crate) async fn find(&self, id: OrderId) -> Result<Option<OrderView>, Error> {
        let key = self.names.order(self.partitions.of_order(id), id);
        let fields = redis_kit::cmd("HGETALL").arg(key).query_async(&mut self.redis.clone()).await?;
        Ok(OrderView::read(id, fields))
    }

    /// What was ordered, for each of these orders, all of one partition; `None` for one that is not there.
    pub(crate) async fn items(&self, ids: &[OrderId]) -> Result<Vec<Option<Vec<LineItem>>>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut reads = redis_kit::pipe();
        for id in ids {
            reads.cmd("HGET").arg(self.names.order(self.partitions.of_order(*id), *id)).arg("placed");
        }
        let placed: Vec<Option<String>> = reads.query_async(&mut self.redis.clone()).await?;
        Ok(placed.into_iter().map(items).collect())
    }
}

/// What was ordered, as the journal entry says that its hash holds.
fn items(placed: Option<String>) -> Option<Vec<LineItem>> {
    match serde_json::from_str(&placed?).ok()? {
        OrderEvent::Placed { items, .. } => Some(items),
        _ => None,
    }
}

/// Moves the hash of an order forward by what happened to it.
pub(crate) struct OrderViewProjection {
    names: Names,
    partitions: Partitions,
}

impl OrderViewProjection {
    pub(crate) fn new(names: Names, partitions: Partitions) -> Self {
        Self { names, partitions }
    }

    fn settled(
        &self,
        delivery: &Delivery<OrderEvent>,
        status: &'static str,
        payment_id: PaymentId,
        charge_id: &str,
        reason: &str,
    ) -> Commit {
        let order_id = delivery.message.order_id();
        info!(%order_id, status, trace_id = delivery.trace.trace_id(), "the order has a new status");
        let key = self.names.order(self.partitions.of_order(order_id), order_id);
        let fields = [
            ("status", status.to_owned()),
            ("payment_id", payment_id.to_string()),
            ("settled_at", delivery.occurred_at.to_string()),
            ("charge_id", charge_id.to_owned()),
            ("reason", reason.to_owned()),
        ];
        Commit::new().advance_fields(key, delivery.stream_id, fields)
    }
}

impl Handler for OrderViewProjection {
    type Message = OrderEvent;

    /// The accept script wrote the view together with `order.placed`; so most of the journal need not even be decoded.
    fn concerns(&self, message_type: &str) -> bool {
        matches!(message_type, "order.paid" | "order.payment_declined" | "order.payment_parked")
    }

    async fn handle(&self, delivery: Delivery<OrderEvent>) -> Result<Commit, Failure> {
        Ok(match &delivery.message {
            // None of these changes what is shown.
            OrderEvent::Placed { .. }
            | OrderEvent::PaymentAttemptFailed { .. }
            | OrderEvent::PaymentResolutionRefused { .. } => Commit::new(),
            OrderEvent::Paid { payment_id, charge_id, .. } => {
                self.settled(&delivery, "paid", *payment_id, charge_id, "")
            }
            OrderEvent::PaymentDeclined { payment_id, reason, .. } => {
                self.settled(&delivery, "payment_declined", *payment_id, "", reason)
            }
            OrderEvent::PaymentParked { payment_id, reason, .. } => {
                self.settled(&delivery, "payment_parked", *payment_id, "", reason)
            }
        })
    }
}
