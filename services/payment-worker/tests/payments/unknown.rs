//! Payments whose provider gives no definite answer: tried again, asked about, and parked in the end.

use common::messages::OrderEvent;
use jiff::Timestamp;
use sandbox::FaultSettings;
use test_support::eventually;

use crate::till::{PATIENCE, Payment, Till};

const FEW: [&str; 4] = ["--charge-attempts", "3", "--ask-attempts", "2"];

/// Every answer is a mishap until the provider heals: then the charge is the one it made at first.
async fn assert_charged_once_after(faults: FaultSettings) {
    let till = Till::open_with(faults, &["--charge-attempts", "1000"]).await;
    let payment = Payment::of("49.80");
    till.request(&payment).await;
    eventually("the provider to charge", PATIENCE, async || {
        if till.charges().await.is_empty() { Err("it has not") } else { Ok(()) }
    })
    .await;
    till.event(&payment, &["order.payment_attempt_failed"]).await;
    till.heal().await;
    let event = till.outcome(&payment).await;
    assert!(matches!(event, OrderEvent::Paid { attempt: 2.., .. }), "{event:?}");
    till.until_idle().await;
    let told = till.told().await;
    assert_eq!(
        (till.charges().await.len(), told.iter().filter(|event| **event == "order.paid").count()),
        (1, 1)
    );
}

#[tokio::test]
async fn a_charge_whose_answer_was_an_error_is_made_once() {
    assert_charged_once_after(FaultSettings { error_after_charge_rate: 1.0, ..FaultSettings::default() })
        .await;
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_made_once() {
    assert_charged_once_after(FaultSettings { reset_after_charge_rate: 1.0, ..FaultSettings::default() })
        .await;
}

#[tokio::test]
async fn a_charge_whose_answer_came_too_late_is_made_once() {
    assert_charged_once_after(FaultSettings { timeout_rate: 1.0, ..FaultSettings::default() }).await;
}

#[tokio::test]
async fn when_charging_brings_no_answer_asking_does() {
    let faults = FaultSettings { error_after_charge_rate: 1.0, ..FaultSettings::default() };
    let till = Till::open_with(faults, &FEW).await;
    let payment = Payment::of("49.80");
    till.request(&payment).await;
    let event = till.outcome(&payment).await;
    assert!(matches!(event, OrderEvent::Paid { attempt: 4, .. }), "{event:?}");
    let failed = "order.payment_attempt_failed";
    assert_eq!(till.told().await, [failed, failed, failed, "order.paid"]);
    assert_eq!(till.charges().await.len(), 1);
}

#[tokio::test]
async fn a_payment_without_an_answer_is_parked_and_says_what_a_person_needs_to_know() {
    let till = Till::open_with(FaultSettings { error_rate: 1.0, ..FaultSettings::default() }, &FEW).await;
    let payment = Payment::of("49.80");
    let before = Timestamp::now();
    till.request(&payment).await;
    let OrderEvent::PaymentParked { reason, attempts, .. } = till.outcome(&payment).await else {
        panic!("not parked")
    };
    let told = "no definite answer in 5 attempts; the last: the provider answered 500 Internal Server Error";
    assert_eq!((reason.as_str(), attempts), (told, 5));
    till.until_idle().await;
    let parked = till.parked().await;
    let [parked] = parked.as_slice() else { panic!("{parked:?}") };
    assert_eq!(
        (parked.payment_id, parked.order_id, parked.amount),
        (payment.id, payment.order, payment.amount)
    );
    assert_eq!((parked.customer_id.as_str(), parked.reason.as_str(), parked.attempts), ("42", told, 5));
    let in_order = [before, parked.first_attempt_at, parked.parked_at, Timestamp::now()];
    // Redis tells whole milliseconds.
    assert!(in_order.map(Timestamp::as_millisecond).is_sorted(), "{in_order:?}");
    assert_eq!(till.record(&payment).await["state"], "parked");
    assert!(!till.is_locked(&payment).await);
}

#[tokio::test]
async fn a_charge_that_the_provider_does_not_find_is_no_decline() {
    let till = Till::open_with(FaultSettings { reset_rate: 1.0, ..FaultSettings::default() }, &FEW).await;
    let payment = Payment::of("49.80");
    till.request(&payment).await;
    let OrderEvent::PaymentParked { reason, .. } = till.outcome(&payment).await else { panic!("not parked") };
    assert!(reason.ends_with("the last: the provider knows of no charge"), "{reason}");
    assert_eq!(till.charges().await.len(), 0);
}

#[tokio::test]
async fn a_payment_that_the_provider_refuses_is_parked_with_its_explanation() {
    let till = Till::open(FaultSettings::default()).await;
    let payment = Payment::of("49.80");
    // The provider knows the key for another amount.
    till.charge_by_hand(&payment, "1.00").await;
    till.request(&payment).await;
    let OrderEvent::PaymentParked { reason, .. } = till.outcome(&payment).await else { panic!("not parked") };
    assert!(reason.starts_with("the provider answered 422 Unprocessable Entity: {"), "{reason}");
    till.until_idle().await;
    assert_eq!((till.charges().await.len(), till.parked().await.len()), (1, 1));
}

#[tokio::test]
async fn beyond_the_lifetime_of_its_key_a_payment_is_not_charged_again() {
    let till = Till::open(FaultSettings::default()).await;
    let payment = Payment::of("49.80");
    // Somebody charged long ago and died before telling.
    let charge_id = till.charge_by_hand(&payment, "49.80").await;
    till.leave_record(&payment, "1000").await;
    till.forget_keys().await;
    till.request(&payment).await;
    let OrderEvent::Paid { charge_id: told, attempt: 2, .. } = till.outcome(&payment).await else {
        panic!("not paid")
    };
    assert_eq!((told, till.charges().await.len()), (charge_id, 1));
}

#[tokio::test]
async fn beyond_the_lifetime_of_its_key_a_payment_that_nobody_knows_of_is_parked() {
    let till = Till::open_with(FaultSettings::default(), &FEW).await;
    let payment = Payment::of("49.80");
    till.leave_record(&payment, "1000").await;
    till.request(&payment).await;
    let event = till.outcome(&payment).await;
    assert!(matches!(event, OrderEvent::PaymentParked { attempts: 5, .. }), "{event:?}");
    assert_eq!(till.charges().await.len(), 0);
}
