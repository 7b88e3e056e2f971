//! `Idempotency-Key`: a request that is repeated gets the first one's answer.

use futures_util::future::join_all;
use reqwest::header::HeaderMap;
use serde_json::json;

use crate::harness::{Answer, Gateway, Shop, two_books};

const KEY: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";

/// An answer without what is of its own time.
fn lasting(answer: &Answer) -> (u16, Vec<u8>, HeaderMap) {
    let mut headers = answer.headers.clone();
    for name in ["date", "x-request-id", "idempotent-replayed"] {
        headers.remove(name);
    }
    (answer.status.as_u16(), answer.body.clone(), headers)
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer_byte_for_byte_and_makes_no_second_order() {
    let shop = Shop::open().await;
    let first = shop.gateway.post_with_key(KEY, two_books()).await;
    first.order_id();
    assert_eq!(first.header("idempotent-replayed"), None);
    let before = shop.store.traces().await;
    for _ in 0..3 {
        let again = shop.gateway.post_with_key(KEY, two_books()).await;
        assert_eq!(lasting(&again), lasting(&first));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    assert_eq!(shop.store.traces().await, before);
    assert_eq!(shop.store.journal().await.len(), 1);
}

#[tokio::test]
async fn the_order_shares_the_partition_of_its_key() {
    let shop = Shop::open().await;
    for n in 0..8 {
        let id = shop.gateway.post_with_key(&format!("{KEY}-{n}"), two_books()).await.order_id();
        let partition = shop.store.partitions.of_order(id);
        let records = shop.store.keys(&format!("idem:{{{partition}}}:*")).await;
        let mut locations = Vec::new();
        for record in records {
            locations.push(shop.store.say::<String>(&["HGET", &record, "location"]).await);
        }
        assert!(locations.contains(&format!("/orders/{id}")), "{locations:?}");
    }
}

#[tokio::test]
async fn the_same_key_with_another_body_is_422() {
    let shop = Shop::open().await;
    shop.gateway.post_with_key(KEY, two_books()).await.order_id();
    let before = shop.store.traces().await;
    let three = json!({ "customer_id": "42", "items": [{ "sku": "BOOK-1", "quantity": 3 }] });
    // Bodies are compared as bytes; even what would be refused anyway is another body.
    for body in [three.to_string(), format!("{} ", two_books()), "{".into(), String::new()] {
        let problem = shop.gateway.post_with_key(KEY, body).await.problem(422);
        assert!(problem["detail"].as_str().unwrap().contains("another body"), "{problem}");
    }
    assert_eq!(shop.store.traces().await, before);
}

#[tokio::test]
async fn without_a_key_equal_requests_are_different_orders() {
    let shop = Shop::open().await;
    assert_ne!(shop.gateway.place().await, shop.gateway.place().await);
    assert_ne!(
        shop.gateway.post_with_key("a", two_books()).await.order_id(),
        shop.gateway.post_with_key("A", two_books()).await.order_id()
    );
    assert_eq!(shop.store.journal().await.len(), 4);
}

#[tokio::test]
async fn an_answer_is_repeated_even_if_the_request_would_be_refused_by_now() {
    let shop = Shop::open().await;
    let first = shop.gateway.post_with_key(KEY, two_books()).await;
    shop.store.configure("appendfsync", "no").await;
    shop.gateway.until_not_ready().await;
    shop.gateway.post_with_key("another", two_books()).await.problem(503);
    assert_eq!(lasting(&shop.gateway.post_with_key(KEY, two_books()).await), lasting(&first));
}

#[tokio::test]
async fn an_answer_is_repeated_even_if_the_order_is_not_shown_any_more() {
    let shop = Shop::open().await;
    let first = shop.gateway.post_with_key(KEY, two_books()).await;
    let id = first.order_id();
    let key = shop.store.names.order(shop.store.partitions.of_order(id), id);
    shop.store.say::<()>(&["DEL", &key]).await;
    assert_eq!(lasting(&shop.gateway.post_with_key(KEY, two_books()).await), lasting(&first));
}

#[tokio::test]
async fn a_hundred_equal_requests_at_once_make_one_order_and_get_one_answer() {
    let shop = Shop::open().await;
    let other = Gateway::start(&shop.redis.url(), &shop.database, &[]).await;
    other.until_ready().await;
    let requests = (0..100).map(|n| [&shop.gateway, &other][n % 2].post_with_key(KEY, two_books()));
    let answers = join_all(requests).await;
    let expected = lasting(&answers[0]);
    assert_eq!(expected.0, 201);
    assert!(answers.iter().all(|answer| lasting(answer) == expected));
    let first = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none());
    assert_eq!(first.count(), 1);
    assert_eq!(shop.store.journal().await.len(), 1);
    assert_eq!(shop.store.keys("order:*").await.len(), 1);
}

#[tokio::test]
async fn a_hundred_different_bodies_at_once_under_one_key_make_one_order() {
    let shop = Shop::open().await;
    let requests = (1..=100).map(|quantity| {
        let items = json!([{ "sku": "PEN-1", "quantity": quantity }]);
        shop.gateway.post_with_key(KEY, json!({ "customer_id": "42", "items": items }))
    });
    let answers = join_all(requests).await;
    let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(accepted.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.status == 422));
    assert_eq!(shop.store.journal().await.len(), 1);
}

#[tokio::test]
async fn gateways_on_one_redis_share_keys() {
    let shop = Shop::open().await;
    let first = shop.gateway.post_with_key(KEY, two_books()).await;
    let other = Gateway::start(&shop.redis.url(), &shop.database, &[]).await;
    other.until_ready().await;
    assert_eq!(lasting(&other.post_with_key(KEY, two_books()).await), lasting(&first));
}

#[tokio::test]
async fn an_answer_is_repeated_after_gateway_and_redis_were_started_anew() {
    let mut shop = Shop::open().await;
    let first = shop.gateway.post_with_key(KEY, two_books()).await;
    shop.gateway.stop().await.unwrap();
    shop.redis.kill().await.unwrap();
    shop.redis.restart().await.unwrap();
    let gateway = Gateway::start(&shop.redis.url(), &shop.database, &[]).await;
    gateway.until_ready().await;
    assert_eq!(lasting(&gateway.post_with_key(KEY, two_books()).await), lasting(&first));
    assert_eq!(shop.store.journal().await.len(), 1);
}
