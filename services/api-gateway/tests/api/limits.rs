//! How much who may ask for.

use futures_util::future::join_all;
use local_redis::{Cluster, Durability, Server};
use serde_json::json;

use crate::{
    harness::{Answer, Database, Gateway, Shop},
    people::PASSWORD,
};

fn order_of(customer: &str) -> serde_json::Value {
    json!({ "customer_id": customer, "items": [{ "sku": "PEN-1", "quantity": 1 }] })
}

#[tokio::test]
async fn a_customer_may_place_ten_orders_a_minute_and_is_told_how_it_stands() {
    let shop = Shop::with_flags(&["--orders-per-minute", "10"]).await;
    for left in (0..10).rev() {
        let answer = shop.gateway.post(order_of("42")).await;
        answer.order_id();
        assert_eq!(answer.header("ratelimit-policy"), Some(r#""orders";q=10;w=60"#));
        let limit = answer.header("ratelimit").unwrap();
        assert!(limit.starts_with(&format!(r#""orders";r={left};t="#)), "{limit}");
    }
    let refused = shop.gateway.post(order_of("42")).await;
    let problem = refused.problem(429);
    assert!(problem["detail"].as_str().unwrap().contains("orders"), "{problem}");
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").unwrap().contains("r=0"), "{:?}", refused.headers);
    // Nobody else is to blame.
    shop.gateway.post(order_of("43")).await.order_id();
}

#[tokio::test]
async fn gateways_share_a_limit_and_all_at_once_is_no_way_around_it() {
    let flags = ["--orders-per-minute", "10"];
    let shop = Shop::with_flags(&flags).await;
    let other = shop.second_gateway(&flags).await;
    let answers = join_all(
        (0..60)
            .map(|n| if n % 2 == 0 { &shop.gateway } else { &other })
            .map(|gateway| gateway.post(order_of("42"))),
    )
    .await;
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    // On a slow machine it may take so long that one or two have flown back.
    assert!((10..=12).contains(&accepted), "{accepted}");
    assert_eq!(shop.store.journal().await.len(), accepted);
}

#[tokio::test]
async fn what_is_refused_or_repeated_costs_nothing() {
    let shop = Shop::with_flags(&["--orders-per-minute", "2"]).await;
    for _ in 0..5 {
        shop.gateway.post(json!({ "customer_id": "42", "items": [] })).await.problem(422);
    }
    let first = shop.gateway.post_with_key("key", order_of("42")).await;
    for _ in 0..5 {
        let again = shop.gateway.post_with_key("key", order_of("42")).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
    }
    shop.gateway.post(order_of("42")).await.order_id();
    shop.gateway.post(order_of("42")).await.problem(429);
    // Also when nothing is left.
    assert_eq!(shop.gateway.post_with_key("key", order_of("42")).await.body, first.body);
}

#[tokio::test]
async fn guests_are_limited_by_their_address_too_and_accounts_are_not() {
    let flags = ["--guest-orders-per-minute", "3", "--orders-per-minute", "100"];
    let (shop, admin) = Shop::with_admin(&flags).await;
    for customer in ["a", "b", "c"] {
        shop.gateway.post(order_of(customer)).await.order_id();
    }
    let refused = shop.gateway.post(order_of("d")).await;
    assert!(refused.problem(429)["detail"].as_str().unwrap().contains("guest-orders"));
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    let items = json!({ "items": [{ "sku": "PEN-1", "quantity": 1 }] });
    for _ in 0..5 {
        shop.gateway.send_as(&ada, "POST", "/orders", items.clone()).await.order_id();
    }
}

/// With a key, an order and its customer's limit may be in different slots.
#[tokio::test]
async fn orders_with_a_key_and_without_one_are_counted_together() {
    let shop = Shop::with_flags(&["--orders-per-minute", "2"]).await;
    for customer in ["42", "43", "44"] {
        let with_key = async |key: u32| {
            shop.gateway.post_with_key(&format!("{customer}-{key}"), order_of(customer)).await
        };
        let answer = with_key(1).await;
        answer.order_id();
        assert!(answer.header("ratelimit").unwrap().starts_with(r#""orders";r=1;t="#));
        let answer = shop.gateway.post(order_of(customer)).await;
        answer.order_id();
        assert!(answer.header("ratelimit").unwrap().starts_with(r#""orders";r=0;t="#));
        with_key(2).await.problem(429);
        shop.gateway.post(order_of(customer)).await.problem(429);
    }
    assert_eq!(shop.store.journal().await.len(), 6);
}

#[tokio::test]
async fn on_a_cluster_an_order_is_beside_the_limit_or_the_key_that_it_depends_on() {
    let cluster = Cluster::ephemeral(Durability::Always).await.unwrap();
    let database = Database::new().await;
    let gateway = Gateway::start(&cluster.url(), &database, &["--orders-per-minute", "2"]).await;
    gateway.until_ready().await;
    let customers: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let three_of_each = (0..3).flat_map(|_| &customers).map(|customer| gateway.post(order_of(customer)));
    let answers = join_all(three_of_each).await;
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(accepted, 20, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    for customer in 10..15 {
        let place = async |n: u32| {
            gateway.post_with_key(&format!("{customer}-{n}"), order_of(&customer.to_string())).await
        };
        let first = place(0).await;
        assert_eq!(gateway.get(first.header("location").unwrap()).await.status, 200);
        assert_eq!(place(0).await.body, first.body);
        place(1).await.order_id();
        place(2).await.problem(429);
    }
}

#[tokio::test]
async fn a_customer_that_was_refused_costs_its_address_nothing() {
    let shop = Shop::with_flags(&["--guest-orders-per-minute", "3", "--orders-per-minute", "2"]).await;
    for _ in 0..2 {
        shop.gateway.post(order_of("42")).await.order_id();
    }
    shop.gateway.post(order_of("42")).await.problem(429);
    let answer = shop.gateway.post(order_of("43")).await;
    answer.order_id();
    assert!(answer.header("ratelimit").unwrap().contains(r#""guest-orders";r=0;"#));
}

#[tokio::test]
async fn an_address_that_was_refused_costs_its_customer_nothing() {
    let shop = Shop::with_flags(&["--guest-orders-per-minute", "1", "--orders-per-minute", "2"]).await;
    shop.gateway.post(order_of("42")).await.order_id();
    for _ in 0..5 {
        shop.gateway.post(order_of("42")).await.problem(429);
    }
    let other = shop.second_gateway(&["--orders-per-minute", "2"]).await;
    other.post(order_of("42")).await.order_id();
    other.post(order_of("42")).await.problem(429);
}

/// How many of six requests from as many claimed addresses are let through where three from one are.
async fn let_through(gateway: &Gateway, header: &'static str, claim: impl Fn(u32) -> String) -> usize {
    let mut through = 0;
    for n in 0..6 {
        let answer = Answer::to(gateway.request("GET", "/products").header(header, claim(n))).await;
        through += usize::from(answer.status == 200);
    }
    through
}

#[tokio::test]
async fn an_address_may_ask_so_often_and_cannot_claim_to_be_another() {
    let flags = ["--requests-per-minute", "3"];
    let shop = Shop::with_flags(&flags).await;
    assert_eq!(let_through(&shop.gateway, "x-forwarded-for", |n| format!("192.0.2.{n}")).await, 3);
    let answer = shop.gateway.get("/products").await;
    answer.problem(429);
    assert_eq!(answer.header("ratelimit-policy"), Some(r#""requests";q=3;w=60"#));
    shop.gateway.get("/nowhere").await.problem(429);
    // Probes are not the public's.
    assert_eq!(shop.gateway.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_trusted_proxy_tells_clients_apart() {
    let flags = ["--requests-per-minute", "3", "--trusted-proxies", "127.0.0.1"];
    let shop = Shop::with_flags(&flags).await;
    assert_eq!(let_through(&shop.gateway, "x-forwarded-for", |n| format!("192.0.2.{n}")).await, 6);
    // The client's own claims stand before what the proxy has appended.
    assert_eq!(
        let_through(&shop.gateway, "x-forwarded-for", |n| format!("203.0.113.{n}, 198.51.100.1")).await,
        3
    );
    // A whole network of IPv6 is one client.
    assert_eq!(let_through(&shop.gateway, "x-forwarded-for", |n| format!("2a00:1:2:3::{n:x}")).await, 3);
    assert_eq!(let_through(&shop.gateway, "x-forwarded-for", |n| format!("2a00:1:9:{n:x}::1")).await, 6);
    // The other header is nobody's: this proxy passes it on.
    assert_eq!(let_through(&shop.gateway, "forwarded", |n| format!("for=192.0.3.{n}")).await, 3);
}

#[tokio::test]
async fn limits_that_cannot_be_asked_let_through_what_is_not_a_login() {
    let shop = Shop::open().await;
    let volatile = Server::ephemeral(Durability::Volatile).await.unwrap();
    let url = volatile.url();
    let flags = ["--redis-cache-url", &url, "--orders-per-minute", "1", "--requests-per-minute", "3"];
    let mut volatile = volatile;
    let gateway = shop.second_gateway(&flags).await;
    gateway.post(order_of("42")).await.order_id();
    volatile.kill().await.unwrap();
    for customer in ["43", "44", "45"] {
        gateway.post(order_of(customer)).await.order_id();
    }
    // Orders are counted where they are.
    gateway.post(order_of("42")).await.problem(429);
    gateway.try_login("ada@example.com", PASSWORD).await.problem(503);
}
