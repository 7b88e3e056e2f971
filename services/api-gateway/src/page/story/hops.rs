//! What an order has waited for, and what was done about it: from who took it up and when, as the entries themselves tell. Their
//! times are of several clocks; what by these would have taken less than nothing took nothing.

use std::time::Duration;

use common::messages::{OrderEvent, PaymentTask, Tried};
use jiff::Timestamp;
use redis_kit::stream::Entry;

/// A part of an order's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::page) struct Hop {
    pub(in crate::page) what: What,
    pub(in crate::page) label: String,
    /// The instance that worked.
    pub(in crate::page) by: Option<String>,
    /// When it began, from when the order was placed.
    pub(in crate::page) from: Duration,
    pub(in crate::page) took: Duration,
    /// How long the provider was asked meanwhile.
    pub(in crate::page) call: Option<Duration>,
    /// What came of it, if that is to be told.
    pub(in crate::page) outcome: Option<String>,
}

/// Whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::page) enum What {
    Wait,
    Work,
}

/// An order's way, step by step.
struct Way {
    placed_at: Timestamp,
    /// As far as it has been told.
    now: Timestamp,
    hops: Vec<Hop>,
}

/// The way of the order that all of these entries are about. Empty if the journal no longer has its beginning.
pub(super) fn hops(events: &[Entry<OrderEvent>], tasks: &[Entry<PaymentTask>]) -> Vec<Hop> {
    let placed = events.iter().find(|event| matches!(event.message, OrderEvent::Placed { .. }));
    let Some(placed_at) = placed.map(|event| event.occurred_at) else { return Vec::new() };
    let mut way = Way { placed_at, now: placed_at, hops: Vec::new() };
    if let Some(task) = tasks.iter().find(|task| matches!(task.message, PaymentTask::Requested { .. })) {
        way.request(task);
    }
    for event in events {
        match &event.message {
            OrderEvent::Paid { tried: Some(tried), attempt, resolution, .. } => {
                let outcome = if resolution.is_some() { "paid, as a person decided" } else { "paid" };
                way.attempt(event.occurred_at, tried, *attempt, outcome.into());
            }
            OrderEvent::PaymentDeclined { tried: Some(tried), attempt, reason, .. } => {
                way.attempt(event.occurred_at, tried, attempt.unwrap_or(1), format!("declined: {reason}"));
            }
            OrderEvent::PaymentParked { tried: Some(tried), attempts, reason, .. } => {
                way.attempt(event.occurred_at, tried, *attempts, format!("parked: {reason}"));
            }
            OrderEvent::PaymentAttemptFailed { tried: Some(tried), attempt, reason, .. } => {
                way.attempt(event.occurred_at, tried, *attempt, format!("failed: {reason}"));
            }
            // Older workers do not tell; and what is left is no attempt.
            _ => {}
        }
    }
    way.hops
}

impl Way {
    fn request(&mut self, task: &Entry<PaymentTask>) {
        let PaymentTask::Requested { taken: Some(taken), .. } = &task.message else { return };
        self.wait("in orders-stream, for a payment-producer", taken.given_at);
        self.work("the payment is asked for", &taken.by, task.occurred_at);
    }

    fn attempt(&mut self, at: Timestamp, tried: &Tried, attempt: u32, outcome: String) {
        if attempt <= 1 {
            self.wait("in payments-stream, for a payment-worker", tried.given_at);
            self.wait("in the worker's hands, for its turn", tried.began_at);
        } else {
            self.wait("for the next attempt", tried.began_at);
        }
        self.work(&format!("attempt {attempt} at the payment"), &tried.by, at);
        if let Some(hop) = self.hops.last_mut() {
            hop.call = tried.call_ms.map(Duration::from_millis);
            hop.outcome = Some(outcome);
        }
    }

    fn wait(&mut self, label: &str, until: Timestamp) {
        self.go(What::Wait, label, None, until);
    }

    fn work(&mut self, label: &str, by: &str, until: Timestamp) {
        self.go(What::Work, label, Some(by.into()), until);
    }

    fn go(&mut self, what: What, label: &str, by: Option<String>, until: Timestamp) {
        let from = between(self.placed_at, self.now);
        let took = between(self.now, until);
        self.hops.push(Hop { what, label: label.into(), by, from, took, call: None, outcome: None });
        self.now = self.now.max(until);
    }
}

fn between(from: Timestamp, until: Timestamp) -> Duration {
    until.duration_since(from).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use common::{
        messages::{OrderId, PaymentId, Taken},
        money::Money,
    };
    use iso_currency::Currency;
    use redis_kit::{stream::StreamId, trace::TraceContext};
    use uuid::Uuid;

    use super::*;

    const ORDER: OrderId = Uuid::nil();
    const PRICE: Money = Money::new(100, Currency::EUR);

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).unwrap()
    }

    fn entry<M>(milliseconds: i64, message: M) -> Entry<M> {
        let (id, trace) = (StreamId::ZERO, TraceContext::root());
        Entry { message, id, message_id: Uuid::nil(), occurred_at: at(milliseconds), trace }
    }

    fn placed() -> Entry<OrderEvent> {
        let event =
            OrderEvent::Placed { order_id: ORDER, customer_id: "42".into(), items: vec![], total: PRICE };
        entry(0, event)
    }

    fn requested(given: i64, done: i64) -> Entry<PaymentTask> {
        let taken = Some(Taken { by: "payment-producer".into(), given_at: at(given) });
        let (payment_id, customer_id) = (PaymentId::of(ORDER), "42".into());
        entry(done, PaymentTask::Requested { payment_id, order_id: ORDER, customer_id, amount: PRICE, taken })
    }

    fn tried(given: i64, began: i64, call: u64) -> Tried {
        let (given_at, began_at) = (at(given), at(began));
        Tried { by: "payment-worker-1".into(), given_at, began_at, call_ms: Some(call) }
    }

    fn failed(done: i64, tried: Option<Tried>) -> Entry<OrderEvent> {
        let (payment_id, reason) = (PaymentId::of(ORDER), "no answer".into());
        entry(
            done,
            OrderEvent::PaymentAttemptFailed { order_id: ORDER, payment_id, attempt: 1, reason, tried },
        )
    }

    fn paid(done: i64, attempt: u32, tried: Option<Tried>) -> Entry<OrderEvent> {
        let event = OrderEvent::Paid {
            order_id: ORDER,
            customer_id: "42".into(),
            payment_id: PaymentId::of(ORDER),
            amount: PRICE,
            charge_id: "ch_1".into(),
            attempt,
            resolution: None,
            tried,
        };
        entry(done, event)
    }

    fn told(hops: &[Hop]) -> Vec<(What, u128, u128)> {
        hops.iter().map(|hop| (hop.what, hop.from.as_millis(), hop.took.as_millis())).collect()
    }

    #[test]
    fn waiting_is_told_from_work_and_one_begins_where_the_other_ends() {
        use What::{Wait, Work};
        let events = [placed(), failed(30, Some(tried(7, 9, 20))), paid(150, 2, Some(tried(7, 130, 15)))];
        let hops = hops(&events, &[requested(3, 5)]);
        let expected = [
            (Wait, 0, 3),
            (Work, 3, 2),
            (Wait, 5, 2),
            (Wait, 7, 2),
            (Work, 9, 21),
            (Wait, 30, 100),
            (Work, 130, 20),
        ];
        assert_eq!(told(&hops), expected);
        assert_eq!(hops[4].outcome.as_deref(), Some("failed: no answer"));
        assert_eq!(
            (hops[6].call, hops[6].outcome.as_deref()),
            (Some(Duration::from_millis(15)), Some("paid"))
        );
    }

    #[test]
    fn clocks_that_disagree_make_no_time_negative() {
        let hops = hops(&[placed(), paid(8, 1, Some(tried(4, 3, 1)))], &[requested(-2, 5)]);
        assert!(hops.iter().all(|hop| hop.took < Duration::from_millis(9)), "{hops:?}");
        assert_eq!(hops.iter().map(|hop| hop.took.as_millis()).sum::<u128>(), 8);
    }

    #[test]
    fn what_older_programs_did_not_tell_is_not_made_up() {
        assert_eq!(hops(&[placed(), paid(8, 1, None)], &[]), []);
        assert_eq!(
            hops(&[paid(8, 1, Some(tried(4, 5, 1)))], &[requested(1, 2)]),
            [],
            "its beginning is gone"
        );
    }
}
