//! Who may: admins alone, and only of their own will.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Operator, pause};
use crate::harness::Answer;

fn routes() -> Vec<(&'static str, String, Value)> {
    let resolution = format!("/operator/parked-payments/{}/resolution", Uuid::new_v4());
    vec![
        ("GET", "/operator/groups".into(), Value::Null),
        ("GET", "/operator/dead-letters".into(), Value::Null),
        ("GET", "/operator/dead-letters/order-view/0/1-0".into(), Value::Null),
        ("GET", "/operator/actions".into(), Value::Null),
        ("GET", "/operator/actions/1-0".into(), Value::Null),
        ("POST", "/operator/actions".into(), pause("order-view")),
        ("GET", "/operator/parked-payments".into(), Value::Null),
        ("POST", resolution, json!({ "verdict": "declined", "why": "?" })),
    ]
}

#[tokio::test]
async fn nobody_but_an_admin_sees_or_does_any_of_it() {
    let operator = Operator::start().await;
    let gateway = &operator.shop.gateway;
    let customer = gateway.customer(&operator.admin, "ann@example.com").await;
    for (method, path, body) in routes() {
        // Whoever may not do it is not told either whether it makes sense.
        for body in [body, json!({})] {
            Answer::to(gateway.json(method, &path, body.clone())).await.problem(401);
            gateway.send_as(&customer, method, &path, body).await.problem(403);
        }
    }
    assert_eq!(operator.requests().await, 0);
}

#[tokio::test]
async fn another_sites_page_has_nothing_done_in_an_admins_name() {
    let operator = Operator::start().await;
    for (method, path, body) in routes().into_iter().filter(|(method, ..)| *method == "POST") {
        let request = operator.shop.gateway.json(method, &path, body).header("cookie", &operator.admin.0);
        Answer::to(request.header("sec-fetch-site", "cross-site")).await.problem(403);
    }
    assert_eq!(operator.requests().await, 0);
}

#[tokio::test]
async fn what_means_nothing_is_refused_before_anything_is_asked() {
    let operator = Operator::start().await;
    for wrong in [
        "dead-letters?group=strangers",
        "dead-letters?since=yesterday",
        "dead-letters?until=2026-01-31T12:00:00Z",
        "actions?limit=0",
        "actions?limit=201",
        "parked-payments?limit=0",
        "parked-payments?cursor=1",
        "parked-payments?colour=red",
    ] {
        operator.get(wrong).await.problem(400);
    }
    for nothing in [
        "dead-letters/strangers/0/1-0",
        "dead-letters/order-view/0/1-0",
        "dead-letters/order-view/4/1-0",
        "dead-letters/order-view/+0/1-0",
        "dead-letters/order-view/0/01-0",
        "dead-letters/order-view/0/1",
        "dead-letters/a%2Forder-view/0/1-0",
        "actions/1-0",
        "actions/01-0",
        "actions/now",
        "actions/%ff",
    ] {
        operator.get(nothing).await.problem(404);
    }
}
