//! An order that is accepted: the answer, the journal, and what is shown of it.

use serde_json::json;

use crate::harness::{PARTITIONS, Shop, two_books};

#[tokio::test]
async fn an_accepted_order_is_201_with_its_location_prices_and_total() {
    let shop = Shop::open().await;
    let items = json!([{ "sku": "BOOK-1", "quantity": 2 }, { "sku": "PEN-1", "quantity": 10 }]);
    let answer = shop.gateway.post(json!({ "customer_id": "42", "items": items })).await;
    let id = answer.order_id();
    assert_eq!(answer.header("location"), Some(format!("/orders/{id}").as_str()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let order = answer.json();
    assert_eq!(
        order,
        json!({
            "id": id,
            "customer_id": "42",
            "status": "accepted",
            "items": [
                { "sku": "BOOK-1", "quantity": 2, "unit_price": { "amount": "24.90", "currency": "EUR" } },
                { "sku": "PEN-1", "quantity": 10, "unit_price": { "amount": "1.20", "currency": "EUR" } },
            ],
            "total": { "amount": "61.80", "currency": "EUR" },
            "placed_at": order["placed_at"],
        })
    );
    let placed_at: jiff::Timestamp = order["placed_at"].as_str().unwrap().parse().unwrap();
    assert!(placed_at <= jiff::Timestamp::now());
}

#[tokio::test]
async fn the_location_shows_the_order_that_the_201_showed() {
    let shop = Shop::open().await;
    let placed = shop.gateway.post(two_books()).await;
    let shown = shop.gateway.get(placed.header("location").unwrap()).await;
    assert_eq!((shown.status.as_u16(), shown.json()), (200, placed.json()));
}

#[tokio::test]
async fn an_accepted_order_is_one_entry_in_the_journal_of_its_partition() {
    let shop = Shop::open().await;
    for _ in 0..8 {
        let id = shop.gateway.place().await;
        let journal: Vec<crate::harness::Entry> =
            shop.store.say(&["XRANGE", &shop.store.journal_of(id), "-", "+"]).await;
        let of_this_order = |(_, fields): &&crate::harness::Entry| fields[4].1.contains(&id.to_string());
        let [(entry_id, fields)] = journal.iter().filter(of_this_order).collect::<Vec<_>>()[..] else {
            panic!("not one entry of {id}: {journal:?}");
        };
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["type", "id", "occurred_at", "traceparent", "data"]);
        let [kind, event_id, occurred_at, traceparent, data] = &fields[..] else { unreachable!() };
        assert_eq!(kind.1, "order.placed");
        assert!(event_id.1.parse::<uuid::Uuid>().is_ok(), "{}", event_id.1);
        assert!(occurred_at.1.parse::<jiff::Timestamp>().is_ok(), "{}", occurred_at.1);
        assert!(traceparent.1.parse::<redis_kit::trace::TraceContext>().is_ok(), "{}", traceparent.1);
        let price = json!({ "amount": "24.90", "currency": "EUR" });
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&data.1).unwrap(),
            json!({
                "type": "order.placed",
                "order_id": id,
                "customer_id": "42",
                "items": [{ "sku": "BOOK-1", "quantity": 2, "unit_price": price }],
                "total": { "amount": "49.80", "currency": "EUR" },
            })
        );
        // The view has seen exactly this entry.
        assert_eq!(shop.store.order(id).await["version"], *entry_id);
    }
    assert_eq!(shop.store.journal().await.len(), 8);
}

#[tokio::test]
async fn orders_reach_every_partition() {
    let shop = Shop::open().await;
    let mut reached = std::collections::BTreeSet::new();
    // 64 of four: that one is missed has a chance of one in forty million.
    for _ in 0..64 {
        reached.insert(shop.store.partitions.of_order(shop.gateway.place().await));
    }
    assert_eq!(reached.len(), usize::from(PARTITIONS));
}

#[tokio::test]
async fn an_order_of_a_hundred_items_is_accepted() {
    let shop = Shop::open().await;
    let items = vec![json!({ "sku": "ISLAND-1", "quantity": 1000 }); 100];
    let order = shop.gateway.post(json!({ "customer_id": "42", "items": items })).await;
    order.order_id();
    assert_eq!(order.json()["total"]["amount"], "100000000000.00");
}

#[tokio::test]
async fn a_key_prefix_keeps_installations_on_one_redis_apart() {
    let shop = Shop::with_flags(&["--key-prefix", "shop:"]).await;
    shop.gateway.place().await;
    let keys = shop.store.keys("*").await;
    assert!(keys.iter().all(|key| key.starts_with("shop:")), "{keys:?}");
}

#[tokio::test]
async fn what_one_gateway_accepted_another_one_shows() {
    let shop = Shop::open().await;
    let other = crate::harness::Gateway::start(&shop.redis.url(), &shop.database, &[]).await;
    other.until_ready().await;
    let id = shop.gateway.place().await;
    assert_eq!(other.get(&format!("/orders/{id}")).await.json()["id"], json!(id));
}

#[tokio::test]
async fn an_answered_order_survives_the_death_of_gateway_and_redis() {
    let mut shop = Shop::open().await;
    let placed = shop.gateway.post(two_books()).await;
    shop.redis.kill().await.unwrap();
    drop(shop.gateway);
    shop.redis.restart().await.unwrap();
    let gateway = crate::harness::Gateway::start(&shop.redis.url(), &shop.database, &[]).await;
    gateway.until_ready().await;
    assert_eq!(gateway.get(placed.header("location").unwrap()).await.json(), placed.json());
    assert_eq!(shop.store.journal().await.len(), 1);
}
