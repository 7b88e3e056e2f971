//! What orchestrators and operators ask.

use serde_json::json;

use crate::harness::Shop;

#[tokio::test]
async fn a_ready_gateway_says_so_and_names_its_parts_when_asked() {
    let shop = Shop::open().await;
    let ready = shop.gateway.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.json()), (200, json!({ "ready": true })));
    let verbose = shop.gateway.get("/readyz?verbose").await;
    assert_eq!(verbose.status, 200);
    let parts = verbose.json()["parts"].as_object().unwrap().clone();
    let names: Vec<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["durability", "order-archive", "order-boards", "order-view", "redis", "running", "start"]
    );
    assert!(parts.values().all(|part| part["well"] == true && part["since"].is_string()), "{parts:?}");
}

#[tokio::test]
async fn the_probe_that_asks_for_life_needs_nothing() {
    let mut shop = Shop::open().await;
    shop.redis.kill().await.unwrap();
    assert_eq!(shop.gateway.get("/livez").await.status, 200);
}

#[tokio::test]
async fn metrics_are_text_for_prometheus() {
    let shop = Shop::open().await;
    let metrics = shop.gateway.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
}

#[tokio::test]
async fn an_instance_describes_itself_in_redis_and_says_good_bye() {
    let shop = Shop::with_flags(&["--instance", "a"]).await;
    let Shop { gateway, store, redis: _redis, database: _database } = shop;
    let address = gateway.address.to_string();
    test_support::eventually("the description", crate::harness::PATIENCE, || async {
        let found: std::collections::BTreeMap<String, String> =
            store.say(&["HGETALL", "service:api-gateway:a"]).await;
        let described =
            found.get("address") == Some(&address) && found.get("ready").is_some_and(|r| r == "1");
        let listed: Vec<String> = store.say(&["ZRANGE", "instances", "0", "-1"]).await;
        let is_found = described && listed == ["api-gateway:a"];
        if is_found { Ok(()) } else { Err(format!("{found:?} of {listed:?}")) }
    })
    .await;
    gateway.stop().await.unwrap();
    assert!(store.keys("service:*").await.is_empty());
    assert!(store.keys("instances").await.is_empty());
}
