//! A Redis that has reached its `maxmemory`.

use test_support::eventually;

use crate::{
    harness::{Gateway, PATIENCE, Shop, two_books},
    view::paid,
};

impl Shop {
    async fn fill(&self) {
        // Less than it uses already.
        self.store.configure("maxmemory", "100kb").await;
    }
}

#[tokio::test]
async fn a_full_redis_takes_no_orders_shows_those_it_has_and_recovers() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let before = shop.store.traces().await;
    shop.fill().await;
    for key in ["a", "b"] {
        shop.gateway.post_with_key(key, two_books()).await.problem(503);
        shop.gateway.post(two_books()).await.problem(503);
    }
    assert_eq!(shop.gateway.get(&format!("/orders/{id}")).await.status, 200);
    assert_eq!(shop.store.traces().await, before);
    shop.store.configure("maxmemory", "0").await;
    // It looks twice a second whether there is room.
    shop.until_accepting().await;
    let placed = shop.gateway.post_with_key("a", two_books()).await;
    assert_eq!(placed.header("idempotent-replayed"), None);
    placed.order_id();
}

#[tokio::test]
async fn four_fifths_full_takes_no_orders_and_everything_else_goes_on() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let memory: String = shop.store.say(&["INFO", "memory"]).await;
    let used: u64 = memory.lines().find_map(|line| line.strip_prefix("used_memory:")?.parse().ok()).unwrap();
    // A tenth is left, which would be enough for many orders.
    shop.store.configure("maxmemory", &(used * 10 / 9).to_string()).await;
    let refused = eventually("the refusal", PATIENCE, || async {
        let answer = shop.gateway.post(two_books()).await;
        if answer.status == 503 { Ok(answer) } else { Err(answer.text()) }
    })
    .await;
    assert!(refused.problem(503)["detail"].as_str().unwrap().contains("nearly full"));
    let journal = shop.store.journal().await.len();
    shop.append(&paid(id)).await;
    shop.until_status(id, "paid").await;
    assert_eq!(shop.store.journal().await.len(), journal + 1);
    shop.store.configure("maxmemory", "0").await;
    shop.until_accepting().await;
}

#[tokio::test]
async fn an_answer_is_repeated_on_a_full_redis() {
    let shop = Shop::open().await;
    let placed = shop.gateway.post_with_key("key", two_books()).await;
    shop.fill().await;
    shop.gateway.post(two_books()).await.problem(503);
    let repeated = shop.gateway.post_with_key("key", two_books()).await;
    assert_eq!((repeated.status, &repeated.body), (placed.status, &placed.body));
}

#[tokio::test]
async fn what_happens_to_orders_is_shown_on_a_full_redis_too() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    shop.fill().await;
    shop.append(&paid(id)).await;
    shop.until_status(id, "paid").await;
}

#[tokio::test]
async fn a_gateway_can_be_started_while_redis_is_full() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    shop.fill().await;
    let second = Gateway::start(&shop.redis.url(), &shop.database, &[]).await;
    second.until_ready().await;
    assert_eq!(second.get(&format!("/orders/{id}")).await.status, 200);
}
