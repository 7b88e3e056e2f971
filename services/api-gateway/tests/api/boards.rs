//! Leaderboards of what was paid. The events come from the test, as a payment-worker would append them.

use common::{
    messages::{OrderEvent, OrderId, PaymentId},
    money::Money,
};
use iso_currency::Currency;
use serde_json::{Value, json};
use test_support::eventually;

use crate::{
    events::{Listener, data},
    harness::{Answer, Gateway, PATIENCE, Shop},
};

const CUSTOMERS: &str = "/leaderboards/top-customers?window=all";
const PRODUCTS: &str = "/leaderboards/top-products?window=all";
const TRENDING: &str = "/leaderboards/trending-products";

impl Shop {
    /// Places an order and has it paid.
    async fn sell(&self, customer: &str, items: &[(&str, u32)]) -> OrderId {
        let items: Vec<Value> =
            items.iter().map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity })).collect();
        let answer = self.gateway.post(json!({ "customer_id": customer, "items": items })).await;
        let total: Money = serde_json::from_value(answer.json()["total"].clone()).unwrap();
        let id = answer.order_id();
        self.append(&paid(id, customer, total)).await;
        id
    }

    /// Waits until a board shows this.
    async fn until_board(&self, path: &str, expected: &[Value]) -> Value {
        eventually("the board", PATIENCE, || async {
            let board = self.gateway.get(path).await.json();
            if board["standings"] == json!(expected) { Ok(board) } else { Err(format!("{board}")) }
        })
        .await
    }
}

fn paid(order_id: OrderId, customer: &str, amount: Money) -> OrderEvent {
    OrderEvent::Paid {
        order_id,
        customer_id: customer.into(),
        payment_id: PaymentId::of(order_id),
        amount,
        charge_id: "ch_1".into(),
        attempt: 1,
        resolution: None,
        tried: None,
    }
}

fn spent(rank: u64, member: &str, amount: &str) -> Value {
    json!({ "rank": rank, "member": member, "amount": { "amount": amount, "currency": "EUR" } })
}

fn sold(rank: u64, member: &str, name: &str, units: u64) -> Value {
    json!({ "rank": rank, "member": member, "name": name, "units": units })
}

#[tokio::test]
async fn what_is_paid_counts_for_its_customer_and_its_products() {
    let shop = Shop::open().await;
    shop.sell("ann", &[("BOOK-1", 2), ("PEN-1", 10)]).await;
    shop.sell("bob", &[("LAMP-1", 1)]).await;
    shop.sell("ann", &[("BOOK-1", 1)]).await;
    // What is not paid does not count.
    shop.gateway.place().await;
    let board = shop.until_board(CUSTOMERS, &[spent(1, "ann", "86.70"), spent(2, "bob", "59.90")]).await;
    assert_eq!(
        (&board["board"], &board["window"], &board["members"]),
        (&json!("top-customers"), &json!("all"), &json!(2))
    );
    assert_eq!(board.get("begins"), None);
    let products =
        [sold(1, "PEN-1", "Pen", 10), sold(2, "BOOK-1", "Novel", 3), sold(3, "LAMP-1", "Desk lamp", 1)];
    shop.until_board(PRODUCTS, &products).await;
    let trending = shop.gateway.get(TRENDING).await.json();
    let members: Vec<_> =
        trending["standings"].as_array().unwrap().iter().map(|one| &one["member"]).collect();
    assert_eq!(members, ["PEN-1", "BOOK-1", "LAMP-1"]);
    let weight = trending["standings"][0]["weight"].as_f64().unwrap();
    assert!((9.0..=10.0).contains(&weight), "{trending}");
}

#[tokio::test]
async fn every_window_that_is_running_counts_it() {
    let shop = Shop::open().await;
    shop.sell("ann", &[("PEN-1", 1)]).await;
    for window in ["hour", "day", "week"] {
        let path = format!("/leaderboards/top-products?window={window}");
        let board = shop.until_board(&path, &[sold(1, "PEN-1", "Pen", 1)]).await;
        let [begins, ends] = ["begins", "ends"].map(|name| board[name].as_str().unwrap().parse().unwrap());
        let now = jiff::Timestamp::now();
        assert!(begins <= now && now < ends, "{board}");
    }
    // The day is what is meant if nothing is said.
    assert_eq!(shop.gateway.get("/leaderboards/top-products").await.json()["window"], "day");
}

#[tokio::test]
async fn a_member_is_shown_among_its_neighbours() {
    let shop = Shop::open().await;
    for (customer, pens) in [("ann", 50), ("bob", 40), ("cid", 30), ("dee", 20), ("eve", 10)] {
        shop.sell(customer, &[("PEN-1", pens)]).await;
    }
    eventually("all five", PATIENCE, || async {
        let board = shop.gateway.get(CUSTOMERS).await.json();
        if board["members"] == 5 { Ok(()) } else { Err(board.to_string()) }
    })
    .await;
    let cid = "/leaderboards/top-customers/cid?window=all&neighbours=1";
    let found = shop.gateway.get(cid).await.json();
    assert_eq!(found["standing"], spent(3, "cid", "36.00"));
    assert_eq!(found["above"], json!([spent(2, "bob", "48.00")]));
    assert_eq!(found["below"], json!([spent(4, "dee", "24.00")]));
    assert_eq!((&found["members"], &found["percentile"]), (&json!(5), &json!(60.0)));
    let limited = shop.gateway.get(&format!("{CUSTOMERS}&limit=2")).await.json();
    assert_eq!(limited["standings"].as_array().unwrap().len(), 2);
    shop.gateway.get("/leaderboards/top-customers/nobody").await.problem(404);
    shop.gateway.get("/leaderboards/top-products/PEN-1?neighbours=51").await.problem(400);
}

#[tokio::test]
async fn an_order_counts_once_though_the_journal_is_read_again() {
    let shop = Shop::open().await;
    for _ in 0..8 {
        shop.sell("ann", &[("PEN-1", 1)]).await;
    }
    shop.until_board(PRODUCTS, &[sold(1, "PEN-1", "Pen", 8)]).await;
    let Shop { gateway, store, redis, database } = shop;
    gateway.stop().await.unwrap();
    // As if it had died before its group was told.
    for stream in store.names.orders_streams(store.partitions) {
        () = store.say(&["XGROUP", "SETID", &stream, "order-boards", "0"]).await;
    }
    let gateway = Gateway::start(&redis.url(), &database, &[]).await;
    gateway.until_ready().await;
    let shop = Shop { gateway, store, redis, database };
    shop.sell("ann", &[("PEN-1", 1)]).await;
    shop.until_board(PRODUCTS, &[sold(1, "PEN-1", "Pen", 9)]).await;
    shop.until_board(CUSTOMERS, &[spent(1, "ann", "10.80")]).await;
}

#[tokio::test]
async fn what_was_ordered_is_known_after_the_order_has_left_redis() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let id = shop.gateway.place().await;
    shop.until_archived(&admin, 1).await;
    let key = shop.store.names.order(shop.store.partitions.of_order(id), id);
    () = shop.store.say(&["DEL", &key]).await;
    shop.append(&paid(id, "42", Money::new(4_980, Currency::EUR))).await;
    shop.until_board(PRODUCTS, &[sold(1, "BOOK-1", "Novel", 2)]).await;
}

#[tokio::test]
async fn amounts_of_two_currencies_are_on_two_boards() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    shop.append(&paid(id, "ann", Money::new(500, Currency::JPY))).await;
    shop.sell("bob", &[("PEN-1", 1)]).await;
    shop.until_board(CUSTOMERS, &[spent(1, "bob", "1.20")]).await;
    let yen = json!({ "rank": 1, "member": "ann", "amount": { "amount": "500", "currency": "JPY" } });
    shop.until_board(&format!("{CUSTOMERS}&currency=JPY"), &[yen]).await;
}

#[tokio::test]
async fn who_watches_is_told_what_there_is_and_every_change() {
    let shop = Shop::open().await;
    let events = || shop.gateway.request("GET", PRODUCTS).header("accept", "text/event-stream");
    let mut watcher = Listener::to(events()).await;
    let first = watcher.event().await;
    assert_eq!((&*first["event"], &data(&first)["members"]), ("leaderboard", &json!(0)));
    shop.sell("ann", &[("PEN-1", 3)]).await;
    assert_eq!(data(&watcher.event().await)["standings"], json!([sold(1, "PEN-1", "Pen", 3)]));
    // Somebody else sees it at once; and what is below their limit is no change to them.
    let limited = shop.gateway.request("GET", "/leaderboards/top-products?window=all&limit=1");
    let mut other = Listener::to(limited.header("accept", "text/event-stream")).await;
    assert_eq!(data(&other.event().await)["standings"], json!([sold(1, "PEN-1", "Pen", 3)]));
    shop.sell("ann", &[("BOOK-1", 1)]).await;
    assert_eq!(data(&watcher.event().await)["standings"].as_array().unwrap().len(), 2);
    shop.sell("ann", &[("BOOK-1", 4)]).await;
    let last = loop {
        let told = data(&other.event().await);
        assert_eq!(told["standings"].as_array().unwrap().len(), 1);
        if told["standings"][0]["member"] == "BOOK-1" {
            break told;
        }
        // How many members there are is part of what is seen.
        assert_eq!(told["members"], 2);
    };
    assert_eq!(last["standings"], json!([sold(1, "BOOK-1", "Novel", 5)]));
}

#[tokio::test]
async fn what_means_nothing_is_refused_with_what_would() {
    let shop = Shop::open().await;
    let problem = shop.gateway.get("/leaderboards/best").await.problem(404);
    assert!(problem["detail"].as_str().unwrap().contains("top-customers"), "{problem}");
    for wrong in [
        "top-products?window=month",
        "top-products?limit=0",
        "top-products?limit=101",
        "top-products?limit=many",
        "top-products?currency=EUR",
        "top-customers?currency=XQQ",
        "trending-products?window=day",
        "top-products?windows=day",
    ] {
        shop.gateway.get(&format!("/leaderboards/{wrong}")).await.problem(400);
    }
    for nobody in ["top-products/%7B0%7D", "top-products/a%0Ab", "best/BOOK-1"] {
        shop.gateway.get(&format!("/leaderboards/{nobody}")).await.problem(404);
    }
    let answer = Answer::to(shop.gateway.request("POST", "/leaderboards/top-products")).await;
    answer.problem(405);
}

#[tokio::test]
async fn items_of_one_order_that_share_a_product_all_count() {
    let shop = Shop::open().await;
    shop.sell("ann", &[("PEN-1", 2), ("PEN-1", 3), ("BOOK-1", 1)]).await;
    shop.until_board(PRODUCTS, &[sold(1, "PEN-1", "Pen", 5), sold(2, "BOOK-1", "Novel", 1)]).await;
}
