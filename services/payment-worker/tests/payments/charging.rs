//! Payments whose provider answers.

use common::messages::OrderEvent;
use payment_worker::{Config, run};
use sandbox::FaultSettings;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    till::{Payment, Till},
    tried::tried,
};

/// More than the sandbox's cards have.
const TOO_MUCH: &str = "1000000.00";

#[tokio::test]
async fn a_payment_is_charged_and_told_in_its_trace() {
    let till = Till::open(FaultSettings::default()).await;
    let payment = Payment::of("49.80");
    till.request(&payment).await;
    let event = till.outcome(&payment).await;
    let charge_id = till.charges().await[0]["id"].as_str().unwrap().to_owned();
    let paid = OrderEvent::Paid {
        order_id: payment.order,
        customer_id: "42".into(),
        payment_id: payment.id,
        amount: payment.amount,
        charge_id: charge_id.clone(),
        attempt: 1,
        resolution: None,
        tried: Some(tried(&event)),
    };
    assert_eq!(event, paid);
    let record = till.record(&payment).await;
    for (field, value) in [
        ("state", "paid"),
        ("answer", &*charge_id),
        ("attempts", "1"),
        ("amount", "49.80"),
        ("currency", "EUR"),
        ("customer_id", "42"),
    ] {
        assert_eq!(record[field], value, "{field}");
    }
    assert!(!till.is_locked(&payment).await);
}

#[tokio::test]
async fn a_declined_payment_is_told_with_the_providers_code() {
    let till = Till::open(FaultSettings::default()).await;
    let payment = Payment::of(TOO_MUCH);
    till.request(&payment).await;
    let event = till.outcome(&payment).await;
    let declined = OrderEvent::PaymentDeclined {
        order_id: payment.order,
        customer_id: "42".into(),
        payment_id: payment.id,
        amount: payment.amount,
        reason: "amount_too_large".into(),
        attempt: Some(1),
        resolution: None,
        tried: Some(tried(&event)),
    };
    assert_eq!(event, declined);
    assert_eq!(till.record(&payment).await["state"], "declined");
}

#[tokio::test]
async fn a_payment_that_is_requested_a_hundred_times_at_once_is_charged_and_told_once() {
    let latency = serde_json::from_value(json!({"kind": "uniform", "min_ms": 1, "max_ms": 20})).unwrap();
    let till = Till::open(FaultSettings { latency, ..FaultSettings::default() }).await;
    let payment = Payment::of("49.80");
    for _ in 0..100 {
        till.request(&payment).await;
    }
    till.until_idle().await;
    assert_eq!((till.charges().await.len(), till.told().await), (1, vec!["order.paid"]));
    assert_eq!(till.record(&payment).await["attempts"], "1", "the others found it being charged, or paid");
}

#[tokio::test]
async fn a_request_for_a_payment_that_is_settled_changes_nothing() {
    let till = Till::open(FaultSettings::default()).await;
    let (paid, declined) = (Payment::of("49.80"), Payment::of(TOO_MUCH));
    for payment in [&paid, &declined] {
        till.request(payment).await;
        till.outcome(payment).await;
        let before = (till.record(payment).await, till.journal().await.len());
        till.request(payment).await;
        till.until_idle().await;
        assert_eq!((till.record(payment).await, till.journal().await.len()), before);
    }
    assert_eq!(till.charges().await.len(), 2);
}

/// The second of two answers on one connection is taken for that to the next request, unless somebody looks.
#[tokio::test]
async fn a_provider_that_answers_twice_settles_no_payment_with_the_charge_of_another() {
    let faults = FaultSettings { twice_rate: 0.5, seed: 1, ..FaultSettings::default() };
    let till = Till::open(faults).await;
    let payments: Vec<Payment> = (1..=100).map(|n| Payment::of(&format!("{n}.00"))).collect();
    for payment in &payments {
        till.request(payment).await;
    }
    till.until_idle().await;
    let charges = till.charges().await;
    assert_eq!(charges.len(), 100);
    for payment in &payments {
        let OrderEvent::Paid { charge_id, amount, .. } = till.outcome(payment).await else {
            panic!("not paid")
        };
        let charge = charges.iter().find(|charge| charge["id"] == json!(charge_id)).unwrap();
        assert_eq!((&charge["key"], amount), (&json!(payment.id), payment.amount));
    }
}

#[tokio::test]
async fn the_worker_ends_when_it_is_told_to() {
    let till = Till::open(FaultSettings::default()).await;
    till.worker.stop().await;
}

#[tokio::test]
async fn a_lease_that_is_shorter_than_a_call_is_refused() {
    let config: Config = test_support::config(&["--lease", "4", "--provider-timeout-ms", "4000"]);
    let error = run(config, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains("--provider-timeout-ms") && error.contains("--lease"), "{error}");
}
