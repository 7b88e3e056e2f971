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
        messages::{LineItem, PaymentId, PaymentTask, Resolution, Taken, Tried, Verdict},
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
                tried: Some(tried(Some(12))),
            },
            OrderEvent::PaymentAttemptFailed {
                order_id,
                payment_id,
                attempt: 1,
                reason: "?".into(),
                tried: Some(tried(Some(5_000))),
            },
            OrderEvent::PaymentDeclined {
                order_id,
                customer_id: customer(),
                payment_id,
                amount,
                reason: "no".into(),
                attempt: Some(1),
                tried: Some(tried(None)),
                resolution: Some(resolution(Verdict::Declined)),
            },
            OrderEvent::PaymentParked {
                order_id,
                customer_id: customer(),
                payment_id,
                amount,
                reason: "?".into(),
                attempts: 12,
                tried: Some(tried(Some(1))),
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

    fn tried(call_ms: Option<u64>) -> Tried {
        let began_at = "2026-01-31T12:00:00.123Z".parse().unwrap();
        Tried { by: "payment-worker-1".into(), given_at: Timestamp::UNIX_EPOCH, began_at, call_ms }
    }

    fn every_task() -> Vec<PaymentTask> {
        let (order_id, amount) = (Uuid::new_v4(), Money::new(1, Currency::EUR));
        let payment_id = PaymentId::of(order_id);
        let taken = Some(Taken { by: "payment-producer-1".into(), given_at: Timestamp::UNIX_EPOCH });
        vec![
            PaymentTask::Requested { payment_id, order_id, customer_id: "42".into(), amount, taken },
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

    /// As a program writes it that does not know these fields.
    fn as_older_programs_write(message: &impl Message) -> Value {
        let mut json = serde_json::to_value(message).unwrap();
        let fields = json.as_object_mut().unwrap();
        fields.remove("taken");
        fields.remove("tried");
        if fields["type"] == "order.payment_declined" {
            fields.remove("attempt");
        }
        json
    }

    fn assert_read<M: Message + PartialEq + std::fmt::Debug>(messages: &[M]) {
        for message in messages {
            let json = serde_json::to_value(message).unwrap();
            assert_eq!(serde_json::from_value::<M>(json).unwrap(), *message);
            let older = as_older_programs_write(message);
            let read = serde_json::from_value::<M>(older.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), older, "and nothing is made up");
        }
    }

    #[test]
    fn what_older_programs_wrote_is_read_without_who_took_it_up_and_when() {
        assert_read(&every_event());
        assert_read(&every_task());
    }

    #[test]
    fn who_took_it_up_and_when_stands_in_one_object_that_reads_well() {
        let told = |message: &str| -> Value { serde_json::from_str(message).unwrap() };
        let paid = serde_json::to_value(&every_event()[1]).unwrap();
        let tried = r#"{"by":"payment-worker-1","given_at":"1970-01-01T00:00:00Z","began_at":"2026-01-31T12:00:00.123Z","call_ms":12}"#;
        assert_eq!(paid["tried"], told(tried));
        let requested = serde_json::to_value(&every_task()[0]).unwrap();
        let taken = r#"{"by":"payment-producer-1","given_at":"1970-01-01T00:00:00Z"}"#;
        assert_eq!(requested["taken"], told(taken));
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
