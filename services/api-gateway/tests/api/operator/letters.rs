//! Dead letters: seen by their causes, and replayed or dropped as they were seen.

use common::messages::OrderId;
use redis_kit::{stream::encode, trace::TraceContext};
use serde_json::{Value, json};
use test_support::eventually;

use super::Operator;
use crate::{harness::PATIENCE, view::paid};

const DEAD: &str = "orders-stream:{0}:dead:order-view";

/// Where its entry stood: behind all that happened to the order before.
const ORIGIN: &str = "9999999999999-0";

const HISTORY: &str = r#"[{"at":1700000000123,"consumer":"api-gateway-1","reason":"no"}]"#;

/// What order-view would have written if it had given up that an order was paid; tells the letter's id.
async fn give_up(operator: &Operator, order: OrderId, reason: &str) -> String {
    let store = &operator.shop.store;
    let head = [("origin", ORIGIN), ("reason", reason), ("attempts", "3"), ("history", HISTORY)];
    let head = head.map(|(name, value)| (name, value.to_owned()));
    let entry = encode(&paid(order), &TraceContext::root()).unwrap();
    let fields: Vec<(&str, String)> = head.into_iter().chain(entry).collect();
    let dead = format!("{}:dead:order-view", store.journal_of(order));
    let letter = store.append(&dead, &fields).await;
    until_seen(operator).await;
    letter
}

/// A look means what was there before its millisecond.
async fn until_seen(operator: &Operator) {
    let now = async || {
        let (seconds, micros): (u64, u64) = operator.shop.store.say(&["TIME"]).await;
        seconds * 1000 + micros / 1000
    };
    let written = now().await;
    eventually("another millisecond", PATIENCE, || async {
        if now().await > written + 1 { Ok(()) } else { Err("it is the same") }
    })
    .await;
}

async fn status(operator: &Operator, order: OrderId) -> Value {
    operator.shop.gateway.get(&format!("/orders/{order}")).await.json()["status"].clone()
}

#[tokio::test]
async fn what_was_seen_is_replayed_and_what_came_later_stays() {
    let operator = Operator::start().await;
    let [first, second, later] = [
        operator.shop.gateway.place().await,
        operator.shop.gateway.place().await,
        operator.shop.gateway.place().await,
    ];
    for order in [first, second] {
        give_up(&operator, order, &format!("no order {order} there")).await;
    }
    let seen = operator.see("dead-letters?group=order-view&type=order.paid").await;
    assert_eq!((&seen["letters"], &seen["complete"]), (&json!(2), &json!(true)), "{seen:#}");
    let causes = seen["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 1, "{seen:#}");
    assert_eq!((&causes[0]["reason"], &causes[0]["count"]), (&json!("no order … there"), &json!(2)));
    assert_eq!(operator.requests().await, 0, "it was only a look");
    give_up(&operator, later, &format!("no order {later} there")).await;

    let replay = json!({
        "action": "replay_dead_letters", "group": "order-view", "filter": seen["filter"], "per_second": 1000,
        "why": "the orders are there now",
    });
    let done = operator.have_done(replay.clone()).await;
    assert_eq!(done["carried_out"]["outcome"], json!("replayed 2"), "{done:#}");
    for order in [first, second] {
        operator.shop.until_status(order, "paid").await;
    }
    assert_eq!(status(&operator, later).await, json!("accepted"));
    assert_eq!(operator.see("dead-letters").await["letters"], json!(1));
    // Sent again, as by somebody who got no answer.
    assert_eq!(operator.have_done(replay).await["carried_out"]["outcome"], json!("replayed 0"));
}

#[tokio::test]
async fn what_was_seen_is_dropped_for_good() {
    let operator = Operator::start().await;
    let order = operator.shop.gateway.place().await;
    give_up(&operator, order, "out of memory").await;
    give_up(&operator, order, "out of luck").await;
    let seen = operator.see("dead-letters?reason=out%20of%20memory").await;
    assert_eq!(seen["letters"], json!(1), "{seen:#}");
    let drop = json!({ "action": "drop_dead_letters", "group": "order-view", "filter": seen["filter"] });
    let done = operator.have_done(drop).await;
    assert_eq!(done["carried_out"]["outcome"], json!("dropped 1"));
    let left = operator.see("dead-letters").await;
    assert_eq!((&left["letters"], &left["causes"][0]["reason"]), (&json!(1), &json!("out of luck")));
    assert_eq!(status(&operator, order).await, json!("accepted"));
}

#[tokio::test]
async fn a_look_names_what_is_meant_by_group_type_reason_and_time() {
    let operator = Operator::start().await;
    let order = operator.shop.gateway.place().await;
    give_up(&operator, order, "timed out after 5 s").await;
    for (query, count) in [
        ("", 1),
        ("?group=order-view", 1),
        ("?group=order-archive", 0),
        ("?type=order.paid", 1),
        ("?type=order.placed", 0),
        ("?reason=timed%20out", 1),
        ("?reason=refused", 0),
        ("?since=2020-01-01T00:00:00Z", 1),
        ("?since=2999-01-01T00:00:00Z", 0),
    ] {
        let seen = operator.see(&format!("dead-letters{query}")).await;
        assert_eq!(seen["letters"], json!(count), "{query}: {seen:#}");
    }
}

#[tokio::test]
async fn a_letter_is_shown_with_all_there_is_where_its_cause_says() {
    let operator = Operator::start().await;
    let order = operator.shop.gateway.place().await;
    let letter = give_up(&operator, order, "timed out after 5 s").await;
    let seen = operator.see("dead-letters").await;
    let example = seen["causes"][0]["example"].as_str().unwrap();
    let shown = operator.see(&format!("dead-letters/{example}")).await;
    assert!(example.ends_with(&letter) && shown["id"] == example, "{shown:#}");
    assert_eq!((&shown["reason"], &shown["attempts"]), (&json!("timed out after 5 s"), &json!(3)));
    assert_eq!((&shown["type"], &shown["origin"]), (&json!("order.paid"), &json!(ORIGIN)));
    assert_eq!(shown["history"], serde_json::from_str::<Value>(HISTORY).unwrap());
    assert_eq!(shown["fields"][0], json!({ "name": "type", "value": "order.paid" }));
    assert!(shown["fields"].as_array().unwrap().len() >= 4, "{shown:#}");
    assert_eq!(shown["given_up_at"], seen["causes"][0]["newest"]);
}

/// Writes many letters at once, each for the reason `reason` makes in Lua of its number.
async fn give_up_many(operator: &Operator, dead: &str, count: usize, reason: &str) {
    let script = format!(
        "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'origin', '1-0', 'reason', {reason}, \
         'attempts', '1', 'history', '[]', 'type', 'order.paid') end"
    );
    () = operator.shop.store.say(&["EVAL", &script, "1", dead, &count.to_string()]).await;
    until_seen(operator).await;
}

#[tokio::test]
async fn so_many_that_not_all_are_looked_at_are_said_to_be_more_and_hide_nothing_of_others() {
    let operator = Operator::start().await;
    give_up_many(&operator, DEAD, 30_000, "'no ' .. i").await;
    give_up_many(&operator, "payments-stream:{3}:dead:payment-workers", 1, "'refused'").await;
    let seen = operator.see("dead-letters").await;
    assert_eq!(seen["complete"], json!(false));
    let letters = seen["letters"].as_u64().unwrap();
    assert!((9_000..11_000).contains(&letters), "{letters} were looked at");
    let groups: Vec<&Value> =
        seen["causes"].as_array().unwrap().iter().map(|cause| &cause["group"]).collect();
    assert_eq!(groups, ["order-view", "payment-workers"]);
    // Nor is more looked at because nothing fits.
    let nothing = operator.see("dead-letters?reason=nobody%20says%20so").await;
    assert_eq!((&nothing["letters"], &nothing["complete"]), (&json!(0), &json!(false)));
    let few = operator.see("dead-letters?group=payment-workers").await;
    assert_eq!((&few["letters"], &few["complete"]), (&json!(1), &json!(true)));
}

#[tokio::test]
async fn of_many_causes_those_with_the_most_letters_are_told() {
    let operator = Operator::start().await;
    // Words without digits, all different.
    let word = "string.rep('x', i % 150 + 1)";
    give_up_many(&operator, DEAD, 151, word).await;
    let seen = operator.see("dead-letters").await;
    let causes = seen["causes"].as_array().unwrap();
    assert_eq!((causes.len(), &seen["letters"], &seen["complete"]), (100, &json!(151), &json!(false)));
    assert_eq!((&causes[0]["reason"], &causes[0]["count"]), (&json!("xx"), &json!(2)));
}
