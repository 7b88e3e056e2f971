//! Payments that wait for a person. The test parks them, as a payment-worker does.

use common::{
    messages::{OrderId, ParkedPayment, PaymentId},
    money::Money,
};
use iso_currency::Currency;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Operator;
use crate::{harness::Entry, people::ADMIN};

/// Parks the payment of an order, at a second of a certain day.
async fn park(operator: &Operator, second: i64) -> OrderId {
    let order_id = Uuid::new_v4();
    let parked_at = "2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second);
    let payment = ParkedPayment {
        payment_id: PaymentId::of(order_id),
        order_id,
        customer_id: "42".into(),
        amount: Money::new(4_980, Currency::EUR),
        reason: "the provider does not know".into(),
        attempts: 12,
        first_attempt_at: parked_at - SignedDuration::from_mins(1),
        parked_at,
    };
    let store = &operator.shop.store;
    let key = store.names.parked_payments(store.partitions.of_order(order_id));
    let json = serde_json::to_string(&payment).unwrap();
    () = store.say(&["HSET", &key, &payment.payment_id.to_string(), &json]).await;
    order_id
}

fn resolution(order: OrderId) -> String {
    format!("parked-payments/{}/resolution", PaymentId::of(order))
}

fn declined() -> Value {
    json!({ "verdict": "declined", "why": "the customer rang" })
}

async fn tasks(operator: &Operator, order: OrderId) -> Vec<Entry> {
    let store = &operator.shop.store;
    store.say(&["XRANGE", &store.names.payments_stream(store.partitions.of_order(order)), "-", "+"]).await
}

#[tokio::test]
async fn who_waits_longest_comes_first_and_pages_follow_each_other() {
    let operator = Operator::start().await;
    assert_eq!(operator.see("parked-payments").await, json!({ "payments": [] }));
    let mut orders = Vec::new();
    for second in [3, 1, 4, 0, 2, 2, 2] {
        orders.push((second, park(&operator, second).await));
    }
    orders.sort_unstable();
    let (mut seen, mut path) = (Vec::new(), "parked-payments?limit=3".to_owned());
    loop {
        let page = operator.see(&path).await;
        let payments = page["payments"].as_array().unwrap().clone();
        assert!((1..=3).contains(&payments.len()), "{page:#}");
        seen.extend(payments.iter().map(|payment| payment["order_id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("parked-payments?limit=3&cursor={cursor}");
    }
    assert_eq!(json!(seen), json!(orders.iter().map(|(_, order)| order).collect::<Vec<_>>()));
    let all = operator.see("parked-payments").await;
    let first = &all["payments"][0];
    assert_eq!((&first["attempts"], &first["reason"]), (&json!(12), &json!("the provider does not know")));
    assert_eq!(first["amount"], json!({ "amount": "49.80", "currency": "EUR" }));
    assert_eq!(first["parked_at"], json!("2026-01-31T12:00:00Z"));
}

#[tokio::test]
async fn a_decision_is_written_as_the_command_writes_it_in_the_admins_name() {
    let operator = Operator::start().await;
    let order = park(&operator, 0).await;
    let paid = json!({ "verdict": "paid", "charge_id": "ch_77", "why": "seen at the provider" });
    for decision in [declined(), paid] {
        let decided = operator.post(&resolution(order), decision.clone()).await;
        assert_eq!(decided.status, 202, "{}", decided.text());
        assert_eq!(decided.header("location"), Some(&*format!("/orders/{order}")));
        assert_eq!(decided.json(), json!({ "order_id": order }));
        let tasks = tasks(&operator, order).await;
        let (_, fields) = tasks.last().unwrap();
        assert_eq!(fields[0], ("type".into(), "payment.resolved".into()));
        let data = fields.iter().find(|(name, _)| name == "data").unwrap();
        let mut resolution = decision;
        resolution["by"] = json!(ADMIN);
        let expected = json!({
            "type": "payment.resolved", "payment_id": PaymentId::of(order), "order_id": order, "resolution": resolution,
        });
        assert_eq!(serde_json::from_str::<Value>(&data.1).unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_not_parked_cannot_be_decided_and_a_decision_has_to_mean_something() {
    let operator = Operator::start().await;
    let order = park(&operator, 0).await;
    let uuid = PaymentId::of(order).to_string();
    for nothing in [
        resolution(Uuid::new_v4()),
        // The order's id is not the payment's.
        format!("parked-payments/{order}/resolution"),
        format!("parked-payments/{}/resolution", uuid.to_uppercase()),
        "parked-payments/1/resolution".into(),
    ] {
        operator.post(&nothing, declined()).await.problem(404);
    }
    let long = "x".repeat(501);
    for (decision, place) in [
        (json!({ "verdict": "declined", "why": "" }), Some("/why")),
        (json!({ "verdict": "declined", "why": long }), Some("/why")),
        (json!({ "verdict": "paid", "charge_id": " ", "why": "?" }), Some("/charge_id")),
        (json!({ "verdict": "declined", "charge_id": "ch_1", "why": "?" }), Some("/charge_id")),
        (json!({ "verdict": "declined", "why": "?", "by": "ann@example.com" }), Some("/by")),
        (json!({ "verdict": "declined" }), None),
        (json!({ "verdict": "paid", "why": "?" }), None),
        (json!({ "verdict": "refunded", "why": "?" }), None),
    ] {
        let errors = operator.post(&resolution(order), decision.clone()).await.field_errors();
        if let Some(place) = place {
            assert_eq!(errors.keys().collect::<Vec<_>>(), [place], "{decision}: {errors:?}");
        }
    }
    assert_eq!(tasks(&operator, order).await, []);
}
