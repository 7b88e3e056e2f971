//! Orders in SQL: every one of them, as it last was, also when it has left Redis.

use std::time::Duration;

use common::messages::OrderId;
use serde_json::{Value, json};
use test_support::eventually;

use crate::{
    harness::{Database, Gateway, PATIENCE, Shop},
    people::Cookie,
    view::paid,
};

/// A shop whose orders leave Redis soon after they are settled.
async fn hasty() -> (Shop, Cookie) {
    Shop::with_admin(&["--keep-settled", "0.1"]).await
}

impl Shop {
    async fn until_gone_from_redis(&self, id: OrderId) {
        eventually("the order to leave Redis", PATIENCE, || async {
            let left = self.store.order(id).await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }

    /// What the archive has of customer 42.
    async fn archived(&self, admin: &Cookie) -> Vec<Value> {
        let answer = self.gateway.get_as(admin, "/orders?customer_id=42&limit=100").await;
        answer.json()["orders"].as_array().unwrap_or_else(|| panic!("{}", answer.text())).clone()
    }

    async fn until_archived_paid(&self, admin: &Cookie, count: usize) {
        eventually("the archive to know what was paid", PATIENCE, || async {
            let paid = self.archived(admin).await.iter().filter(|order| order["status"] == "paid").count();
            if paid == count { Ok(()) } else { Err(paid) }
        })
        .await;
    }

    pub(crate) async fn until_archived(&self, admin: &Cookie, count: usize) -> Vec<Value> {
        eventually("the orders to be archived", PATIENCE, || async {
            let orders = self.archived(admin).await;
            if orders.len() == count { Ok(orders) } else { Err(orders.len()) }
        })
        .await
    }
}

#[tokio::test]
async fn an_order_that_has_left_redis_is_shown_as_it_last_was() {
    let (shop, admin) = hasty().await;
    let id = shop.gateway.place().await;
    shop.append(&paid(id)).await;
    let shown = shop.until_status(id, "paid").await;
    shop.until_gone_from_redis(id).await;
    assert_eq!(shop.gateway.get(&format!("/orders/{id}")).await.json(), shown);
    assert_eq!(shop.archived(&admin).await, [shown]);
    // From the cache this time.
    assert_eq!(shop.gateway.get(&format!("/orders/{id}")).await.status, 200);
}

#[tokio::test]
async fn what_is_not_settled_stays_in_redis() {
    let (shop, admin) = hasty().await;
    let (open, settled) = (shop.gateway.place().await, shop.gateway.place().await);
    shop.append(&paid(settled)).await;
    shop.until_gone_from_redis(settled).await;
    shop.until_archived(&admin, 2).await;
    let ttl: i64 =
        shop.store.say(&["TTL", &shop.store.names.order(shop.store.partitions.of_order(open), open)]).await;
    assert_eq!(ttl, -1);
}

#[tokio::test]
async fn many_orders_are_archived_once_each_by_gateways_that_come_and_go() {
    let (shop, admin) = Shop::with_admin(&["--lease", "1"]).await;
    let mut ids = Vec::new();
    for round in 0..4 {
        let other = shop.second_gateway(&["--lease", "1"]).await;
        for n in 0..15 {
            let gateway = if n % 2 == 0 { &shop.gateway } else { &other };
            let id = gateway.place().await;
            if (n + round) % 3 == 0 {
                shop.append(&paid(id)).await;
            }
            ids.push(id.to_string());
        }
        other.stop().await.unwrap();
    }
    let orders = shop.until_archived(&admin, ids.len()).await;
    let mut archived: Vec<String> =
        orders.iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect();
    archived.sort();
    ids.sort();
    assert_eq!(archived, ids);
    shop.until_archived_paid(&admin, 20).await;
}

#[tokio::test]
async fn a_database_that_starts_anew_is_filled_from_the_journal() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(shop.gateway.place().await);
    }
    shop.append(&paid(ids[0])).await;
    shop.until_archived(&admin, 20).await;
    shop.gateway.stop().await.unwrap();
    let database = Database::new().await;
    let password = crate::people::first_admin(&database).await;
    let gateway = Gateway::start(&shop.redis.url(), &database, &[]).await;
    gateway.until_ready().await;
    let admin = gateway.login("root@example.com", &password).await;
    let shop = Shop { gateway, store: shop.store, redis: shop.redis, database };
    // What comes next in each partition shows that something is missing.
    for partition in 0..shop.store.partitions.count() {
        let id = shop.store.partitions.draw_order_id(partition);
        shop.append(&paid(id)).await;
    }
    let orders = shop.until_archived(&admin, 20).await;
    shop.until_archived_paid(&admin, 1).await;
    assert!(orders.iter().any(|order| order["id"] == ids[0].to_string()));
}

#[tokio::test]
async fn an_order_that_no_archive_was_told_of_is_not_made_up() {
    let shop = Shop::open().await;
    let id = uuid::Uuid::new_v4();
    shop.append(&paid(id)).await;
    let seen = shop.gateway.place().await;
    shop.until_status(seen, "accepted").await;
    shop.gateway.get(&format!("/orders/{id}")).await.problem(404);
}

#[tokio::test]
async fn a_journal_entry_that_comes_twice_changes_nothing() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let id = shop.gateway.place().await;
    shop.append(&paid(id)).await;
    let shown = shop.until_status(id, "paid").await;
    shop.until_archived_paid(&admin, 1).await;
    let placed = json!({
        "type": "order.placed", "order_id": id, "customer_id": "42", "items": shown["items"], "total": shown["total"],
    });
    let stream = shop.store.journal_of(id);
    let fields = [
        ("type", "order.placed".to_owned()),
        ("id", uuid::Uuid::now_v7().to_string()),
        ("occurred_at", jiff::Timestamp::now().to_string()),
        ("traceparent", redis_kit::trace::TraceContext::root().to_string()),
        ("data", placed.to_string()),
    ];
    shop.store.append(&stream, &fields).await;
    let after = shop.store.partitions.draw_order_id(shop.store.partitions.of_order(id));
    shop.append(&paid(after)).await;
    tokio::time::timeout(PATIENCE, async {
        while shop.gateway.get(&format!("/orders/{id}")).await.json() != shown {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(shop.archived(&admin).await, [shown]);
}
