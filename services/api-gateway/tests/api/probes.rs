//! What orchestrators and operators ask.

use serde_json::json;

use crate::harness::Shop;

#[tokio::test]
async fn a_ready_gateway_names_its_parts() {
    let shop = Shop::open().await;
    let ready = shop.gateway.get("/readyz").await;
    assert_eq!(ready.status, 200);
    let parts = json!({
        "durability": "ok",
        "order-archive": "ok",
        "order-view": "ok",
        "redis": "ok",
        "running": "ok",
        "start": "ok",
    });
    assert_eq!(ready.json(), json!({ "ready": true, "parts": parts }));
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
        if described { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    gateway.stop().await.unwrap();
    assert!(store.keys("service:*").await.is_empty());
}
