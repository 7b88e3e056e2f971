use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::Sandbox;

#[tokio::test]
async fn a_charge_is_answered_and_stands_in_the_books() {
    let sandbox = Sandbox::start().await;
    let answer = sandbox.caller.charge("key-1", "99.00").await;
    assert_eq!((answer.status, answer.replayed), (StatusCode::CREATED, false));
    let charge = answer.json();
    let expected = json!({
        "id": "ch_000000000001", "key": "key-1", "status": "succeeded", "amount": "99.00", "currency": "EUR",
        "reference": "order of key-1", "created_at": charge["created_at"],
    });
    assert_eq!(charge, expected);
    assert_eq!(sandbox.caller.get("/charges/key-1").await.json(), charge);
    let books = sandbox.caller.get("/charges").await.json();
    let expected = json!({
        "count": 1, "succeeded": 1, "declined": 0, "attempts": 1, "charges": [charge], "next": null,
    });
    assert_eq!(books, expected);
}

#[tokio::test]
async fn a_key_used_again_gets_the_stored_answer_byte_for_byte() {
    let sandbox = Sandbox::start().await;
    let first = sandbox.caller.charge("key-1", "99.00").await;
    let again = sandbox.caller.charge("key-1", "99").await;
    assert!(again.replayed, "99 and 99.00 euros are the same amount");
    assert_eq!((again.status, again.body), (first.status, first.body));
    assert_eq!(sandbox.caller.get("/charges").await.json()["attempts"], 2);
}

#[tokio::test]
async fn a_key_used_for_another_charge_is_refused() {
    let sandbox = Sandbox::start().await;
    let first = sandbox.caller.charge("key-1", "99.00").await;
    let other = sandbox.caller.charge("key-1", "99.01").await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(sandbox.caller.get("/charges/key-1").await.json(), first.json());
}

#[tokio::test]
async fn a_key_that_is_forgotten_makes_another_charge_and_the_first_stays() {
    let sandbox = Sandbox::start().await;
    let first = sandbox.caller.charge("key-1", "5.00").await;
    sandbox.caller.charge("key-2", "5.00").await;
    assert_eq!(sandbox.caller.delete("/keys/key-1").await.status, StatusCode::NO_CONTENT);
    assert_eq!(sandbox.caller.get("/charges/key-1").await.json(), first.json(), "it is found all the same");
    let second = sandbox.caller.charge("key-1", "5.00").await;
    assert!(!second.replayed && second.json()["id"] != first.json()["id"]);
    assert!(sandbox.caller.charge("key-1", "5.00").await.replayed, "known from then on");
    assert!(sandbox.caller.charge("key-2", "5.00").await.replayed, "only one was forgotten");
    assert_eq!(sandbox.caller.get("/charges").await.json()["count"], 3);
    assert_eq!(sandbox.caller.delete("/keys").await.status, StatusCode::NO_CONTENT);
    assert!(!sandbox.caller.charge("key-2", "5.00").await.replayed);
    assert_eq!(sandbox.caller.delete("/keys/no-such").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn concurrent_calls_with_one_key_make_one_charge() {
    let sandbox = Sandbox::start().await;
    let answers = join_all((0..100).map(|_| sandbox.caller.charge("key-1", "5.00"))).await;
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == StatusCode::CREATED));
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    assert_eq!(sandbox.caller.get("/charges").await.json()["count"], 1);
}

#[tokio::test]
async fn a_million_of_anything_is_always_declined_and_the_decline_is_final() {
    let sandbox = Sandbox::start().await;
    assert_eq!(sandbox.caller.charge("key-1", "999999.99").await.status, StatusCode::CREATED);
    let declined = sandbox.caller.charge("key-2", "1000000.00").await;
    assert_eq!(declined.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(declined.json()["status"], "declined");
    assert_eq!(declined.json()["decline_code"], "amount_too_large");
    let again = sandbox.caller.charge("key-2", "1000000.00").await;
    assert!(again.replayed);
    assert_eq!((again.status, again.body), (declined.status, declined.body));
    let books = sandbox.caller.get("/charges").await.json();
    assert_eq!((&books["succeeded"], &books["declined"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_key_of_any_visible_characters_is_found_again() {
    let sandbox = Sandbox::start().await;
    sandbox.caller.charge("a/b?c#d%e", "5.00").await;
    let found = sandbox.caller.get("/charges/a%2Fb%3Fc%23d%25e").await;
    assert_eq!(found.json()["key"], "a/b?c#d%e");
}

#[tokio::test]
async fn the_books_are_paged_in_the_order_of_creation() {
    let sandbox = Sandbox::start().await;
    for number in 0..7 {
        sandbox.caller.charge(&format!("key-{number}"), "5.00").await;
    }
    let (mut keys, mut cursor) = (Vec::new(), json!(0));
    while !cursor.is_null() {
        let page = sandbox.caller.get(&format!("/charges?limit=3&cursor={cursor}")).await.json();
        assert_eq!(page["count"], 7);
        let charges = page["charges"].as_array().unwrap();
        keys.extend(charges.iter().map(|charge| charge["key"].as_str().unwrap().to_owned()));
        cursor = page["next"].clone();
    }
    assert_eq!(keys, (0..7).map(|number| format!("key-{number}")).collect::<Vec<_>>());
    let beyond = sandbox.caller.get("/charges?cursor=99").await.json();
    assert_eq!((&beyond["charges"], &beyond["next"]), (&json!([]), &Value::Null));
}
