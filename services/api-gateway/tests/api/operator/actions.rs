//! What is asked for, by whom, and what is told of it afterwards.

use serde_json::{Value, json};

use super::{Operator, pause, resume};
use crate::{
    harness::{Entry, Shop},
    people::ADMIN,
};

const UNTIL: &str = "2026-01-31T12:00:00Z";

fn replay() -> Value {
    json!({ "action": "replay_dead_letters", "group": "payment-workers", "filter": { "until": UNTIL }, "per_second": 50 })
}

#[tokio::test]
async fn what_is_asked_for_is_written_as_the_command_writes_it_in_the_admins_name() {
    let operator = Operator::start().await;
    let mut asked = replay();
    asked["filter"]["reason_contains"] = json!("timed out");
    asked["why"] = json!("the provider is well");
    assert_eq!(operator.post("actions", asked.clone()).await.status, 202);
    let store = &operator.shop.store;
    let entries: Vec<Entry> = store.say(&["XRANGE", &store.names.control_stream(), "-", "+"]).await;
    let (_, fields) = &entries[0];
    assert_eq!(fields[0], ("type".into(), "control.requested".into()));
    let data = fields.iter().find(|(name, _)| name == "data").unwrap();
    asked["type"] = json!("control.requested");
    asked["by"] = json!(ADMIN);
    assert_eq!(serde_json::from_str::<Value>(&data.1).unwrap(), asked);
}

#[tokio::test]
async fn what_makes_no_sense_is_422_with_its_place_and_is_not_asked() {
    let operator = Operator::start().await;
    let with = |mut action: Value, pointer: &str, value: Value| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        action.pointer_mut(parent).unwrap()[name] = value;
        action
    };
    for (body, pointer) in [
        (json!({ "action": "dance", "group": "order-view" }), "/action"),
        (json!({ "action": "unknown" }), "/action"),
        (pause("strangers"), "/group"),
        (json!({ "action": "pause_group", "group": "order-view" }), "/why"),
        (with(pause("order-view"), "/why", json!(" ")), "/why"),
        (with(resume("order-view"), "/why", json!("x".repeat(501))), "/why"),
        // Nobody asks in another's name.
        (with(resume("order-view"), "/by", json!("ann@example.com")), "/by"),
        // Whoever misspells a filter would drop more than they mean.
        (with(replay(), "/filter/tpye", json!("order.paid")), "/filter/tpye"),
        (with(replay(), "/filter", json!([null, null, null, UNTIL])), "/filter"),
        (with(replay(), "/colour", json!("red")), "/colour"),
    ] {
        let errors = operator.post("actions", body.clone()).await.field_errors();
        assert_eq!(errors.keys().collect::<Vec<_>>(), [pointer], "{body}: {errors:?}");
    }
    for body in [
        json!({}),
        json!([]),
        json!({ "action": "pause_group" }),
        json!({ "action": "pause_group", "group": 7 }),
        with(replay(), "/per_second", json!(0)),
        with(replay(), "/filter", json!({})),
        with(replay(), "/filter/until", json!("soon")),
    ] {
        operator.post("actions", body).await.field_errors();
    }
    assert_eq!(operator.requests().await, 0);
}

#[tokio::test]
async fn what_was_asked_for_is_told_newest_first_with_what_came_of_it() {
    let operator = Operator::start().await;
    let nothing = operator.see("actions").await;
    assert_eq!(nothing, json!({ "actions": [], "unreadable": 0 }));
    operator.have_done(pause("order-view")).await;
    operator.have_done(resume("order-view")).await;
    // Whose service does not run.
    let open = operator.post("actions", replay()).await.json()["id"].clone();
    let actions = operator.see("actions").await["actions"].clone();
    let told: Vec<(&Value, &Value, &Value)> = actions
        .as_array()
        .unwrap()
        .iter()
        .map(|told| (&told["action"], &told["by"], &told["carried_out"]["outcome"]))
        .collect();
    let by = json!(ADMIN);
    assert_eq!(
        told,
        [
            (&json!("replay_dead_letters"), &by, &Value::Null),
            (&json!("resume_group"), &by, &json!("resumed")),
            (&json!("pause_group"), &by, &json!("paused")),
        ]
    );
    assert_eq!((&actions[0]["id"], &actions[0]["filter"]), (&open, &json!({ "until": UNTIL })));
    assert_eq!((&actions[2]["why"], &actions[1]["why"]), (&json!("the disk is swapped"), &Value::Null));
    let carried_out = &actions[2]["carried_out"];
    assert!(carried_out["instance"].as_str().unwrap().starts_with("api-gateway"), "{carried_out}");
    assert_eq!(carried_out["succeeded"], json!(true));
    for action in actions.as_array().unwrap() {
        assert_eq!(operator.see(&format!("actions/{}", action["id"].as_str().unwrap())).await, *action);
    }
    let newest = operator.see("actions?limit=1").await["actions"].clone();
    assert_eq!(newest, json!([actions[0]]));
    // What came of a request is no request.
    let stream = operator.shop.store.names.control_stream();
    let entries: Vec<Entry> = operator.shop.store.say(&["XRANGE", &stream, "-", "+"]).await;
    operator.get(&format!("actions/{}", entries[1].0)).await.problem(404);
}

/// Appends to the control stream what others write there, or a newer version does.
async fn append_strange(operator: &Operator, count: usize) {
    let script = "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'type', 'control.stranger', 'data', '{}') end";
    let stream = operator.shop.store.names.control_stream();
    () = operator.shop.store.say(&["EVAL", script, "1", &stream, &count.to_string()]).await;
}

#[tokio::test]
async fn requests_are_found_among_what_this_version_cannot_read_and_not_looked_for_without_end() {
    let operator = Operator::start().await;
    let paused = operator.have_done(pause("order-view")).await;
    append_strange(&operator, 3_000).await;
    let seen = operator.see("actions").await;
    assert_eq!((&seen["actions"], &seen["unreadable"]), (&json!([paused]), &json!(3_000)));
    append_strange(&operator, 10_000).await;
    let seen = operator.see("actions").await;
    assert_eq!(seen["actions"], json!([]));
    assert!(seen["unreadable"].as_u64().unwrap() < 11_000, "{seen}");
    assert_eq!(operator.see(&format!("actions/{}", paused["id"].as_str().unwrap())).await, paused);
}

#[tokio::test]
async fn what_would_break_too_much_is_422_with_its_limits() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    for (action, field) in [
        (json!({ "action": "fail_provider", "percent": 0 }), "/percent"),
        (json!({ "action": "slow_provider", "percent": 101 }), "/percent"),
        (json!({ "action": "fail_provider", "seconds": 121 }), "/seconds"),
        (json!({ "action": "freeze_worker", "seconds": 0 }), "/seconds"),
        (json!({ "action": "kill_worker", "worker": "a:b" }), "/worker"),
    ] {
        let answer = shop.gateway.send_as(&admin, "POST", "/operator/actions", action).await;
        assert_eq!(answer.field_errors().into_keys().collect::<Vec<_>>(), [field]);
    }
    let kill = json!({ "action": "kill_worker", "worker": "payment-worker-1" });
    assert_eq!(shop.gateway.send_as(&admin, "POST", "/operator/actions", kill).await.status, 202);
}
