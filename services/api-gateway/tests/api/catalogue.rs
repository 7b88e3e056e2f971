//! Products: kept in SQL, read through the cache, and changed by admins.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::eventually;

use crate::{
    harness::{Gateway, PATIENCE, Shop, two_books},
    people::Cookie,
};

fn pen(amount: &str) -> Value {
    json!({ "name": "Pen", "unit_price": { "amount": amount, "currency": "EUR" } })
}

async fn price_of(gateway: &Gateway, sku: &str) -> String {
    let product = gateway.get(&format!("/products/{sku}")).await.json();
    product["unit_price"]["amount"].as_str().unwrap_or_else(|| panic!("{product}")).to_owned()
}

/// What one pen costs in an order placed now.
async fn ordered_price(gateway: &Gateway) -> String {
    let order =
        gateway.post(json!({ "customer_id": "42", "items": [{ "sku": "PEN-1", "quantity": 1 }] })).await;
    order.json()["total"]["amount"].as_str().unwrap().to_owned()
}

async fn put(gateway: &Gateway, admin: &Cookie, sku: &str, product: Value) {
    let put = gateway.send_as(admin, "PUT", &format!("/products/{sku}"), product.clone()).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(put.json()["unit_price"], product["unit_price"]);
}

#[tokio::test]
async fn the_demo_catalogue_is_there_from_the_start() {
    let shop = Shop::open().await;
    let list = shop.gateway.get("/products").await.json()["products"].as_array().unwrap().clone();
    assert_eq!(list.len(), 10, "{list:?}");
    let pen = json!({ "sku": "PEN-1", "name": "Pen", "unit_price": { "amount": "1.20", "currency": "EUR" } });
    assert!(list.contains(&pen), "{list:?}");
    assert_eq!(shop.gateway.get("/products/PEN-1").await.json(), pen);
    for none in ["PEN-2", "pen-1", "a:b", "%7B1%7D", "%0d%0a", "a%20b", "%ff", &"x".repeat(65)] {
        shop.gateway.get(&format!("/products/{none}")).await.problem(404);
    }
}

#[tokio::test]
async fn an_answer_says_which_cache_it_is_from_and_how_old_it_is() {
    let shop = Shop::open().await;
    let first = shop.gateway.get("/products/PEN-1").await;
    assert!(first.header("cache-status").unwrap().starts_with("orderly; fwd=miss"), "{:?}", first.headers);
    let second = shop.gateway.get("/products/PEN-1").await;
    assert!(second.header("cache-status").unwrap().starts_with("orderly; hit"), "{:?}", second.headers);
    assert!(second.header("age").unwrap().parse::<u64>().unwrap() < 20);
    let other = shop.second_gateway(&[]).await.get("/products/PEN-1").await;
    assert!(other.header("cache-status").unwrap().contains("detail=redis"), "{:?}", other.headers);
}

#[tokio::test]
async fn every_gateway_prices_by_a_change_within_a_tenth_of_a_second() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let other = shop.second_gateway(&[]).await;
    let mut taken = Vec::new();
    for round in 1..=10 {
        // Both have it near.
        for gateway in [&shop.gateway, &other] {
            price_of(gateway, "PEN-1").await;
            gateway.get("/products").await;
            ordered_price(gateway).await;
        }
        let price = format!("{round}.00");
        put(&shop.gateway, &admin, "PEN-1", pen(&price)).await;
        let changed = Instant::now();
        assert_eq!(price_of(&shop.gateway, "PEN-1").await, price, "whoever changed it sees it at once");
        eventually("the other gateway to see it", PATIENCE, || async {
            let seen = price_of(&other, "PEN-1").await;
            if seen == price { Ok(()) } else { Err(seen) }
        })
        .await;
        taken.push(changed.elapsed());
        assert_eq!(ordered_price(&other).await, price);
        let listed = other.get("/products").await.json()["products"].to_string();
        assert!(listed.contains(&price), "{listed}");
    }
    taken.sort();
    // One slow round may be the machine's.
    assert!(taken[taken.len() / 2] < Duration::from_millis(100), "{taken:?}");
}

#[tokio::test]
async fn a_product_that_was_asked_for_before_it_was_added_can_be_ordered_at_once() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    shop.gateway.get("/products/NEW-1").await.problem(404);
    let order = json!({ "customer_id": "42", "items": [{ "sku": "NEW-1", "quantity": 1 }] });
    assert!(shop.gateway.post(&order).await.field_errors().contains_key("/items/0/sku"));
    put(&shop.gateway, &admin, "NEW-1", pen("3.00")).await;
    shop.gateway.post(&order).await.order_id();
}

#[tokio::test]
async fn what_is_no_product_is_422() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let put = async |sku: &str, product: Value| {
        let answer = shop.gateway.send_as(&admin, "PUT", &format!("/products/{sku}"), product).await;
        answer.field_errors().into_keys().collect::<Vec<_>>()
    };
    let price = |amount: &str, currency: &str| json!({ "amount": amount, "currency": currency });
    let named = |name: &str| json!({ "name": name, "unit_price": price("1.00", "EUR") });
    let priced = |price: Value| json!({ "name": "Pen", "unit_price": price });
    for name in ["", "a\nb", "\u{1b}[31mred", &"x".repeat(121)] {
        assert_eq!(put("PEN-1", named(name)).await, ["/name"], "{name:?}");
    }
    for amount in ["-1.00", "1.001", "1e9", "NaN", "99999999999999999999", ""] {
        let fields = put("PEN-1", priced(price(amount, "EUR"))).await;
        assert!(fields[0].starts_with("/unit_price"), "{amount:?}: {fields:?}");
    }
    assert!(put("PEN-1", priced(price("1.00", "XXZ"))).await[0].starts_with("/unit_price"));
    for sku in ["a:b", "%7B1%7D", &"x".repeat(65)] {
        assert_eq!(put(sku, named("Pen")).await, [""], "{sku}");
    }
    assert_eq!(price_of(&shop.gateway, "PEN-1").await, "1.20");
}

#[tokio::test]
async fn orders_are_priced_without_the_database_and_without_redis_having_the_price() {
    let shop = Shop::open().await;
    shop.gateway.place().await;
    // Deleted behind everybody's back, it is still near.
    shop.store.say::<()>(&["DEL", "product:BOOK-1"]).await;
    let before: String = shop.store.say(&["INFO", "commandstats"]).await;
    shop.gateway.post(two_books()).await.order_id();
    let after: String = shop.store.say(&["INFO", "commandstats"]).await;
    let gets = |stats: &str| {
        stats
            .lines()
            .find(|line| line.starts_with("cmdstat_get:"))
            .map(|line| line.split(',').next().unwrap().to_owned())
    };
    assert_eq!(gets(&before), gets(&after));
}
