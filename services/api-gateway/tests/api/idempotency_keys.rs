//! What may be a key, where it goes, and how long it counts.

use std::fmt::Write;

use serde_json::json;

use crate::{
    harness::{Answer, Shop, two_books},
    raw::RawConnection,
};

#[tokio::test]
async fn a_key_that_is_none_is_400() {
    let shop = Shop::open().await;
    let before = shop.store.traces().await;
    let body = two_books().to_string();
    let long = "k".repeat(256);
    for lines in [
        "idempotency-key:",
        "idempotency-key: a b",
        "idempotency-key: a\tb",
        "idempotency-key: clé",
        "idempotency-key: \u{7f}",
        &format!("idempotency-key: {long}"),
        "idempotency-key: a\r\nIdempotency-Key: b",
        "idempotency-key: a\r\nidempotency-key: a",
    ] {
        let head = format!(
            "POST /orders HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{lines}",
            body.len()
        );
        let answer = RawConnection::to(shop.gateway.address).await.ask(&head, body.as_bytes()).await;
        // A control character is no header at all, and is refused before there is a request.
        if answer.body.is_empty() {
            assert_eq!((answer.status.as_u16(), lines), (400, "idempotency-key: \u{7f}"));
            continue;
        }
        let problem = answer.problem(400);
        assert!(problem["detail"].as_str().unwrap().contains("1 to 255 visible ASCII"), "{problem}");
    }
    assert_eq!(shop.store.traces().await, before);
}

#[tokio::test]
async fn any_1_to_255_visible_characters_are_a_key() {
    let shop = Shop::open().await;
    let (all, long): (String, String) = (('!'..='~').collect(), "k".repeat(255));
    for key in ["k", "{0}", "*", "a:b", "\"quoted\"", &all, &long] {
        let first = shop.gateway.post_with_key(key, two_books()).await;
        first.order_id();
        assert_eq!(shop.gateway.post_with_key(key, two_books()).await.body, first.body, "{key}");
    }
    assert_eq!(shop.store.journal().await.len(), 7);
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let shop = Shop::open().await;
    let before = shop.store.traces().await;
    for (body, status) in [("{", 400), ("{}", 422), (r#"{"customer_id":"42","items":[]}"#, 422)] {
        shop.gateway.post_with_key("key", body).await.problem(status);
    }
    let request = shop.gateway.request("POST", "/orders").header("idempotency-key", "key");
    Answer::to(request.body(two_books().to_string())).await.problem(415);
    assert_eq!(shop.store.traces().await, before);
    let corrected = shop.gateway.post_with_key("key", two_books()).await;
    corrected.order_id();
    assert_eq!(corrected.header("idempotent-replayed"), None);
}

#[tokio::test]
async fn a_record_is_kept_for_72_hours() {
    let shop = Shop::open().await;
    shop.gateway.post_with_key("key", two_books()).await.order_id();
    let records = shop.store.keys("idem:*").await;
    assert_eq!(records.len(), 1);
    let lifetime = 72 * 3600;
    let left: i64 = shop.store.say(&["TTL", &records[0]]).await;
    assert!((lifetime - 60..=lifetime).contains(&left), "{left}");
    // A repetition does not prolong it.
    shop.store.say::<()>(&["EXPIRE", &records[0], "1000"]).await;
    shop.gateway.post_with_key("key", two_books()).await.order_id();
    assert!(shop.store.say::<i64>(&["TTL", &records[0]]).await <= 1000);
    let orders = shop.store.keys("order:*").await;
    assert_eq!(
        shop.store.say::<i64>(&["TTL", &orders[0]]).await,
        -1,
        "an order does not expire with its key"
    );
}

#[tokio::test]
async fn a_key_whose_record_has_expired_is_new() {
    let shop = Shop::open().await;
    let first = shop.gateway.post_with_key("key", two_books()).await.order_id();
    let records = shop.store.keys("idem:*").await;
    shop.store.say::<()>(&["DEL", &records[0]]).await;
    let items = json!([{ "sku": "MUG-1", "quantity": 1 }]);
    let second = shop.gateway.post_with_key("key", json!({ "customer_id": "42", "items": items })).await;
    assert_ne!(second.order_id(), first);
}

#[tokio::test]
async fn the_key_itself_never_reaches_redis() {
    let secret = "a-key-that-nobody-else-may-ever-see";
    let shop = Shop::open().await;
    // Everything that is said to Redis, everything that is in it in the end, and everything that it wrote to disk.
    shop.store.configure("slowlog-log-slower-than", "0").await;
    shop.store.configure("slowlog-max-len", "10000").await;
    for _ in 0..2 {
        shop.gateway.post_with_key(secret, two_books()).await.order_id();
    }
    shop.gateway.post_with_key(secret, "{}").await.problem(422);
    let said: redis::Value = shop.store.say(&["SLOWLOG", "GET", "-1"]).await;
    assert!(format!("{said:?}").to_lowercase().contains("evalsha"), "nothing was recorded");
    let mut everything = format!("{said:?}");
    for key in shop.store.keys("*").await {
        everything += &key;
        let kind: String = shop.store.say(&["TYPE", &key]).await;
        let read: &[&str] = match kind.as_str() {
            "string" => &["GET", &key],
            "hash" => &["HGETALL", &key],
            "stream" => &["XRANGE", &key, "-", "+"],
            "zset" => &["ZRANGE", &key, "0", "-1"],
            other => panic!("{key} is a {other}"),
        };
        let value: redis::Value = shop.store.say(read).await;
        write!(everything, "{value:?}").unwrap();
    }
    assert!(everything.contains("BOOK-1"), "nothing was read");
    assert!(!everything.contains(secret));
    let mut written = Vec::new();
    for file in std::fs::read_dir(shop.redis.directory().join("appendonlydir")).unwrap() {
        written.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let written = String::from_utf8_lossy(&written);
    assert!(written.contains("BOOK-1") && !written.contains(secret));
}
