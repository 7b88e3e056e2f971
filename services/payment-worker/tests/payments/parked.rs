//! Parked payments, and what a person decides about them.

use common::messages::{OrderEvent, Verdict};
use sandbox::FaultSettings;
use test_support::eventually;

use crate::till::{PATIENCE, Payment, Till, resolution, with_a_parked_payment};

const REFUSED: [&str; 1] = ["order.payment_resolution_refused"];

#[tokio::test]
async fn it_is_paid_if_a_person_says_so_and_the_journal_tells_who_and_why() {
    let (till, payment) = with_a_parked_payment().await;
    let verdict = Verdict::Paid { charge_id: "ch_by_phone".into() };
    till.resolve(&payment, verdict.clone()).await;
    let OrderEvent::Paid { charge_id, resolution: told, amount, .. } = till.settled(&payment).await else {
        panic!("not paid")
    };
    assert_eq!((charge_id.as_str(), amount), ("ch_by_phone", payment.amount));
    assert_eq!(told, Some(resolution(verdict)));
    assert_eq!((till.record(&payment).await["state"].as_str(), till.parked().await), ("paid", vec![]));
    assert_eq!(till.charges().await.len(), 0, "nobody charged");
}

#[tokio::test]
async fn it_is_declined_if_a_person_says_so_and_the_provider_knows_of_no_charge() {
    let (till, payment) = with_a_parked_payment().await;
    till.resolve(&payment, Verdict::Declined).await;
    let OrderEvent::PaymentDeclined { reason, resolution: told, .. } = till.settled(&payment).await else {
        panic!("not declined")
    };
    assert_eq!((reason.as_str(), told), ("resolved", Some(resolution(Verdict::Declined))));
    assert_eq!((till.record(&payment).await["state"].as_str(), till.parked().await), ("declined", vec![]));
}

#[tokio::test]
async fn it_is_paid_although_a_person_says_declined_if_the_provider_has_charged() {
    let (till, payment) = with_a_parked_payment().await;
    let charged = till.charge_by_hand(&payment, "49.80").await;
    till.resolve(&payment, Verdict::Declined).await;
    let OrderEvent::Paid { charge_id, resolution: told, .. } = till.settled(&payment).await else {
        panic!("not paid")
    };
    assert_eq!((charge_id, told), (charged, Some(resolution(Verdict::Declined))));
}

#[tokio::test]
async fn it_stays_parked_if_the_provider_has_charged_another_amount() {
    let (till, payment) = with_a_parked_payment().await;
    till.charge_by_hand(&payment, "1.00").await;
    till.resolve(&payment, Verdict::Declined).await;
    let OrderEvent::PaymentResolutionRefused { reason, .. } = till.event(&payment, &REFUSED).await else {
        panic!("not refused")
    };
    assert_eq!(reason, "the provider has a charge of 1.00 EUR for this payment");
    assert_eq!((till.record(&payment).await["state"].as_str(), till.parked().await.len()), ("parked", 1));
    assert!(!till.is_locked(&payment).await);
}

#[tokio::test]
async fn it_is_not_declined_before_the_provider_has_answered() {
    let (till, payment) = with_a_parked_payment().await;
    till.set_faults(&FaultSettings { error_rate: 1.0, ..FaultSettings::default() }).await;
    till.resolve(&payment, Verdict::Declined).await;
    eventually("the provider to have been asked again", PATIENCE, async || {
        let attempts = till.record(&payment).await["attempts"].clone();
        // Two were made before it was parked.
        if attempts.parse::<u32>().unwrap() >= 5 { Ok(()) } else { Err(format!("{attempts} attempts")) }
    })
    .await;
    assert_eq!((till.record(&payment).await["state"].as_str(), till.parked().await.len()), ("parked", 1));
    till.heal().await;
    let event = till.settled(&payment).await;
    assert!(matches!(event, OrderEvent::PaymentDeclined { .. }), "{event:?}");
}

#[tokio::test]
async fn only_what_is_parked_is_settled_and_who_decided_is_told() {
    let till = Till::open(FaultSettings::default()).await;
    let (paid, unknown) = (Payment::of("49.80"), Payment::of("49.80"));
    till.request(&paid).await;
    till.outcome(&paid).await;
    let before = till.record(&paid).await;
    for (payment, expected) in
        [(&paid, "the payment is paid, and not parked"), (&unknown, "there is no such payment")]
    {
        till.resolve(payment, Verdict::Declined).await;
        let OrderEvent::PaymentResolutionRefused { reason, resolution: told, .. } =
            till.event(payment, &REFUSED).await
        else {
            panic!("not refused")
        };
        assert_eq!((reason.as_str(), told), (expected, resolution(Verdict::Declined)));
    }
    assert_eq!(till.record(&paid).await, before);
    assert_eq!(till.record(&unknown).await.len(), 0);
}

#[tokio::test]
async fn of_two_decisions_the_first_counts() {
    let (till, payment) = with_a_parked_payment().await;
    till.resolve(&payment, Verdict::Declined).await;
    till.resolve(&payment, Verdict::Paid { charge_id: "ch_1".into() }).await;
    till.event(&payment, &REFUSED).await;
    till.until_idle().await;
    let told = till.told().await;
    let settled: Vec<_> =
        told.iter().filter(|event| ["order.paid", "order.payment_declined"].contains(event)).collect();
    assert_eq!(settled.len(), 1, "{told:?}");
}

#[tokio::test]
async fn a_request_for_a_parked_payment_changes_nothing() {
    let (till, payment) = with_a_parked_payment().await;
    let before = (till.record(&payment).await, till.journal().await.len());
    till.request(&payment).await;
    till.until_idle().await;
    assert_eq!((till.record(&payment).await, till.journal().await.len()), before);
    assert_eq!(till.charges().await.len(), 0);
}
