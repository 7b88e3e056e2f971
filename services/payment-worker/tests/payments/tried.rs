//! What the journal tells of each attempt: who made it, when, and how long the provider took.

use common::messages::{OrderEvent, Tried, Verdict};
use jiff::{SignedDuration, Timestamp};
use redis_kit::stream::Message;
use sandbox::FaultSettings;
use serde_json::json;

use crate::till::{INSTANCE, Payment, Till, with_a_parked_payment};

/// How long the provider takes.
const LATENCY: SignedDuration = SignedDuration::from_millis(400);

/// Redis tells whole milliseconds, of which it had begun the last.
const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

/// How the attempt that an event tells of was made.
pub(crate) fn tried(event: &OrderEvent) -> Tried {
    let (OrderEvent::Paid { tried, .. }
    | OrderEvent::PaymentDeclined { tried, .. }
    | OrderEvent::PaymentParked { tried, .. }
    | OrderEvent::PaymentAttemptFailed { tried, .. }) = event
    else {
        panic!("no attempt is told of: {event:?}")
    };
    tried.clone().unwrap_or_else(|| panic!("not told how: {event:?}"))
}

/// A provider that takes its time, and fails as often as that.
fn slow(error_rate: f64) -> FaultSettings {
    let latency = serde_json::from_value(json!({"kind": "fixed", "ms": LATENCY.as_millis()})).unwrap();
    FaultSettings { latency, error_rate, ..FaultSettings::default() }
}

fn call(tried: &Tried) -> SignedDuration {
    SignedDuration::from_millis(tried.call_ms.unwrap().try_into().unwrap())
}

#[tokio::test]
async fn a_success_and_a_decline_tell_waiting_from_work() {
    let till = Till::open(slow(0.0)).await;
    for amount in ["49.80", "1000000.00"] {
        let (payment, before) = (Payment::of(amount), Timestamp::now());
        till.request(&payment).await;
        let tried = tried(&till.outcome(&payment).await);
        let after = Timestamp::now();
        assert_eq!(tried.by, INSTANCE);
        // One machine has one clock, but Redis's tells no more than milliseconds.
        let in_order = [before, tried.given_at, tried.began_at + MILLISECOND, after];
        assert!(in_order.is_sorted(), "{in_order:?}");
        assert!(call(&tried) >= LATENCY, "{tried:?}");
        assert!(tried.began_at + call(&tried) <= after + MILLISECOND, "{tried:?} until {after}");
    }
}

#[tokio::test]
async fn each_failed_attempt_tells_when_it_began_and_all_when_the_payment_first_came() {
    let till = Till::open_with(slow(1.0), &["--charge-attempts", "2", "--ask-attempts", "1"]).await;
    let payment = Payment::of("49.80");
    till.request(&payment).await;
    till.outcome(&payment).await;
    let journal = till.journal().await;
    let told: Vec<(&str, Tried)> =
        journal.iter().map(|(event, _)| (event.message_type(), tried(event))).collect();
    let failed = "order.payment_attempt_failed";
    assert_eq!(
        told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        [failed, failed, "order.payment_parked"]
    );
    let first = &told[0].1;
    for (_, tried) in &told {
        assert!(call(tried) >= LATENCY && tried.by == INSTANCE, "{tried:?}");
        // From Redis's idle time and the time of its answer, so not to the millisecond.
        let off = tried.given_at.duration_since(first.given_at).abs();
        assert!(off < LATENCY, "{tried:?} came first {off} from {first:?}");
    }
    for pair in told.windows(2) {
        let between = pair[1].1.began_at.duration_since(pair[0].1.began_at);
        assert!(between + MILLISECOND >= LATENCY, "{pair:?}");
    }
}

#[tokio::test]
async fn a_persons_word_needs_no_call_and_tells_none() {
    let (till, payment) = with_a_parked_payment().await;
    till.resolve(&payment, Verdict::Paid { charge_id: "ch_by_phone".into() }).await;
    let settled = till.settled(&payment).await;
    assert_eq!((tried(&settled).by.as_str(), tried(&settled).call_ms), (INSTANCE, None));
}

#[tokio::test]
async fn a_persons_word_that_the_provider_is_asked_about_tells_of_the_call() {
    let (till, payment) = with_a_parked_payment().await;
    till.set_faults(&slow(0.0)).await;
    till.resolve(&payment, Verdict::Declined).await;
    let settled = till.settled(&payment).await;
    assert!(matches!(settled, OrderEvent::PaymentDeclined { attempt: Some(3), .. }), "{settled:?}");
    assert!(call(&tried(&settled)) >= LATENCY, "{settled:?}");
}
