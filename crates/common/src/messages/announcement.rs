use jiff::Timestamp;
use redis_kit::{pubsub, stream::Entry};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::OrderEvent;

/// What the channel `orders` tells of an event of the journal. Live it stands in one JSON object with its
/// [`pubsub::Position`], by which a listener knows whether it has missed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The event; its fields stand beside these in the JSON object.
    #[serde(flatten)]
    pub event: OrderEvent,
    /// The event's own id.
    pub event_id: Uuid,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The trace it belongs to (W3C), and a step of its own in it.
    pub traceparent: String,
}

impl pubsub::Announcement for Announcement {
    type Message = OrderEvent;

    /// Every event is announced.
    fn of(entry: Entry<OrderEvent>) -> Option<Self> {
        Some(Self {
            event: entry.message,
            event_id: entry.message_id,
            occurred_at: entry.occurred_at,
            traceparent: entry.trace.child().to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        messages::{LineItem, PaymentId, PaymentTask, Resolution, Verdict},
        money::Money,
    };
    use iso_currency::Currency;
    use redis_kit::{
        pubsub::{Position, live},
        stream::{Message, StreamId},
    };

    fn every_event() -> Vec<OrderEvent> {
        let (order_id, customer_id) = (Uuid::new_v4(), "42".to_owned());
        let (payment_id, amount) = (PaymentId::of(order_id), Money::new(4_980, Currency::EUR));
        let item =
            LineItem { sku: "BOOK-1".into(), quantity: 2, unit_price: Money::new(2_490, Currency::EUR) };
        let customer = || customer_id.clone();
        vec![
            OrderEvent::Placed { order_id, customer_id: customer(), items: vec![item], total: amount },
            OrderEvent::Paid {
                order_id,
                customer_id: customer(),
                payment_id,
                amount,
                charge_id: "ch_1".into(),
                attempt: 1,
                resolution: None,
            },
            OrderEvent::PaymentAttemptFailed { order_id, payment_id, attempt: 1, reason: "?".into() },
            OrderEvent::PaymentDeclined {
                order_id,
                customer_id: customer(),
                payment_id,
                amount,
                reason: "no".into(),
                resolution: Some(resolution(Verdict::Declined)),
            },
            OrderEvent::PaymentParked {
                order_id,
                customer_id: customer(),
                payment_id,
                amount,
                reason: "?".into(),
                attempts: 12,
            },
            OrderEvent::PaymentResolutionRefused {
                order_id,
                payment_id,
                resolution: resolution(Verdict::Paid { charge_id: "ch_1".into() }),
                reason: "?".into(),
            },
        ]
    }

    fn resolution(verdict: Verdict) -> Resolution {
        Resolution { verdict, by: "ann".into(), why: "she rang".into() }
    }

    fn every_task() -> Vec<PaymentTask> {
        let (order_id, amount) = (Uuid::new_v4(), Money::new(1, Currency::EUR));
        let payment_id = PaymentId::of(order_id);
        vec![
            PaymentTask::Requested { payment_id, order_id, customer_id: "42".into(), amount },
            PaymentTask::Resolved { payment_id, order_id, resolution: resolution(Verdict::Declined) },
        ]
    }

    fn assert_types<M: Message>(messages: &[M]) {
        assert_eq!(messages.len(), M::TYPES.len());
        for (message, listed) in messages.iter().zip(M::TYPES) {
            assert_eq!(serde_json::to_value(message).unwrap()["type"], json!(message.message_type()));
            assert_eq!(message.message_type(), *listed);
        }
    }

    #[test]
    fn the_type_beside_the_json_is_the_type_in_the_json() {
        assert_types(&every_event());
        assert_types(&every_task());
    }

    #[test]
    fn an_announcement_is_one_flat_json_object() {
        for event in every_event() {
            let announcement = Announcement {
                event_id: Uuid::nil(),
                occurred_at: Timestamp::UNIX_EPOCH,
                traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
                event,
            };
            let id = StreamId { milliseconds: 1_700_000_000_000, sequence: 1 };
            let position = Position { partition: 3, prev: StreamId::ZERO, id };
            let live = live(&announcement, position).unwrap();
            let json: Value = serde_json::from_str(&live).unwrap();
            assert_eq!(json["type"], json!(announcement.event.message_type()));
            assert_eq!(json["order_id"], json!(announcement.event.order_id()));
            assert_eq!((&json["prev"], &json["id"]), (&json!("0-0"), &json!("1700000000000-1")));
            assert_eq!(serde_json::from_value::<Announcement>(json.clone()).unwrap(), announcement);
            assert_eq!(serde_json::from_value::<Position>(json.clone()).unwrap(), position);
            assert!(json.as_object().unwrap().values().all(|value| *value != Value::Null));
        }
    }
}
