//! How groups are doing, and that one which is paused rests until it is resumed.

use serde_json::{Value, json};
use test_support::eventually;

use super::{Operator, pause, resume};
use crate::{harness::PATIENCE, people::ADMIN, view::paid};

#[tokio::test]
async fn every_group_is_told_and_so_is_a_strangers() {
    let operator = Operator::start().await;
    let store = &operator.shop.store;
    operator.shop.gateway.place().await;
    () = store.say(&["XGROUP", "CREATE", &store.names.orders_stream(0), "strangers", "0", "MKSTREAM"]).await;
    let figures = |group: &Value| {
        let names = ["group", "stream", "service", "lag", "dead_letters", "paused"];
        Value::Array(names.iter().map(|name| group[*name].clone()).collect())
    };
    let told = eventually("the gateway's groups to have read all", PATIENCE, || async {
        let groups = operator.see("groups").await["groups"].clone();
        let told: Vec<Value> = groups.as_array().unwrap().iter().map(figures).collect();
        if told[2][3] == 0 && told[3][3] == 0 && told[4][3] == 0 { Ok(told) } else { Err(json!(told)) }
    })
    .await;
    let ours =
        |group: &str, service: &str, lag: Value| json!([group, "orders-stream", service, lag, 0, null]);
    let expected = [
        // Whose service does not run here, so that it has no group yet.
        ours("order-publisher", "order-publisher", Value::Null),
        ours("payment-producer", "payment-producer", Value::Null),
        ours("order-view", "api-gateway", json!(0)),
        ours("order-archive", "api-gateway", json!(0)),
        ours("order-boards", "api-gateway", json!(0)),
        ours("notification-subscriber", "notification-subscriber", Value::Null),
        json!(["strangers", "orders-stream", null, null, 0, null]),
        json!(["payment-workers", "payments-stream", "payment-worker", null, 0, null]),
    ];
    assert_eq!(told, expected);
}

/// Waits until the gateway says of itself that it reads by these groups no more.
async fn until_paused(operator: &Operator, groups: &str) {
    let store = &operator.shop.store;
    let instances = store.keys("service:api-gateway:*").await;
    eventually("the gateway to follow", PATIENCE, || async {
        let paused: Option<String> = store.say(&["HGET", &instances[0], "paused"]).await;
        if paused.as_deref() == Some(groups) { Ok(()) } else { Err(format!("it says {paused:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_group_that_is_paused_rests_until_it_is_resumed_and_says_who_wanted_it() {
    let operator = Operator::start().await;
    let before = operator.shop.gateway.place().await;
    operator.shop.append(&paid(before)).await;
    operator.shop.until_status(before, "paid").await;

    let paused = operator.have_done(pause("order-view")).await;
    assert_eq!(
        (&paused["carried_out"]["succeeded"], &paused["carried_out"]["outcome"]),
        (&json!(true), &json!("paused"))
    );
    let told = operator.group("order-view").await["paused"].clone();
    assert_eq!((&told["by"], &told["why"]), (&json!(ADMIN), &json!("the disk is swapped")));
    assert_eq!(told["at"], paused["asked_at"]);
    until_paused(&operator, "order-view").await;

    let order = operator.shop.gateway.place().await;
    operator.shop.append(&paid(order)).await;
    eventually("both events to have passed the archive", PATIENCE, || async {
        let (view, archive) = (operator.group("order-view").await, operator.group("order-archive").await);
        if view["lag"] == 2 && archive["lag"] == 0 { Ok(()) } else { Err(format!("{view:#} {archive:#}")) }
    })
    .await;
    let shown = operator.shop.gateway.get(&format!("/orders/{order}")).await.json();
    assert_eq!(shown["status"], "accepted", "the view is paused");

    let resumed = operator.have_done(resume("order-view")).await;
    assert_eq!(resumed["carried_out"]["outcome"], json!("resumed"));
    operator.shop.until_status(order, "paid").await;
    assert_eq!(operator.group("order-view").await["paused"], Value::Null);
}

#[tokio::test]
async fn a_request_that_is_sent_twice_changes_nothing_twice() {
    let operator = Operator::start().await;
    for outcome in ["paused", "paused"] {
        assert_eq!(operator.have_done(pause("order-boards")).await["carried_out"]["outcome"], json!(outcome));
    }
    for outcome in ["resumed", "it was not paused"] {
        assert_eq!(
            operator.have_done(resume("order-boards")).await["carried_out"]["outcome"],
            json!(outcome)
        );
    }
}
