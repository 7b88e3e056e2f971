//! How often Redis is asked for one request.

use std::{net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};
use test_support::FaultProxy;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::{
    harness::{Answer, Gateway, PATIENCE, Shop, two_books},
    people::Cookie,
};

/// Hears every command that clients send to Redis.
struct Monitor {
    lines: BufReader<TcpStream>,
    marks: u32,
}

impl Monitor {
    async fn start(shop: &Shop) -> Self {
        let mut lines =
            BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, shop.redis.port())).await.unwrap());
        lines.get_mut().write_all(b"MONITOR\r\n").await.unwrap();
        let mut monitor = Self { lines, marks: 0 };
        assert_eq!(monitor.line().await, "+OK");
        monitor
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.lines.read_line(&mut line)).await.expect("nothing is heard").unwrap();
        line.trim_end().to_owned()
    }

    /// What was sent since the last call, but for what a gateway does by itself.
    async fn heard(&mut self, shop: &Shop) -> Vec<String> {
        self.marks += 1;
        let mark = format!("mark-{}", self.marks);
        shop.store.say::<String>(&["ECHO", &mark]).await;
        let mut heard = Vec::new();
        loop {
            let line = self.line().await;
            if line.contains(&mark) {
                return heard;
            }
            if !is_by_itself(&line) {
                heard.push(line);
            }
        }
    }
}

/// Whether a line is what a script did, or what a gateway does without being asked: it follows the journal and what operators
/// ask for, tells that it is there, and looks whether Redis is durable and has room.
fn is_by_itself(line: &str) -> bool {
    let follows_the_journal = line.contains("orders-stream:{") && !line.contains("\"order:{");
    let others = [
        " lua] ",
        "{control}",
        "\"instances\"",
        "service:",
        "\"PING\"",
        "\"CONFIG\"",
        "\"CLIENT\"",
        "\"HELLO\"",
        "\"PUBLISH\"",
        "\"INFO\"",
    ];
    follows_the_journal || others.iter().any(|other| line.contains(other))
}

/// What a request makes the gateway ask, by what it is about.
async fn asked(
    monitor: &mut Monitor,
    shop: &Shop,
    request: reqwest::RequestBuilder,
) -> (Answer, Vec<&'static str>) {
    monitor.heard(shop).await;
    let answer = Answer::to(request).await;
    let about = |line: &String| {
        // Accepting an order writes its record too.
        let known = ["order:{", "idem:{", "session:{", "rate:{", "product", "user:", "familiar:"];
        known
            .into_iter()
            .find(|about| line.contains(&format!("\"{about}")))
            .unwrap_or_else(|| panic!("{line}"))
    };
    let asked = monitor.heard(shop).await;
    (answer, asked.iter().map(about).collect())
}

/// A shop with all limits on, which have room, and prices near.
async fn shop() -> (Shop, Cookie) {
    let flags =
        ["--orders-per-minute", "1000", "--guest-orders-per-minute", "1000", "--requests-per-minute", "0"];
    let (shop, admin) = Shop::with_admin(&flags).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    shop.gateway.place().await;
    (shop, ada)
}

fn pens() -> Value {
    json!({ "items": [{ "sku": "BOOK-1", "quantity": 1 }] })
}

#[tokio::test]
async fn an_order_takes_three_round_trips_at_most() {
    let (shop, ada) = shop().await;
    let mut monitor = Monitor::start(&shop).await;
    let guest = || shop.gateway.order(two_books());
    let (answer, about) = asked(&mut monitor, &shop, guest()).await;
    answer.order_id();
    // The limit of its address, and the order with that of its customer.
    assert_eq!(about, ["rate:{", "order:{"]);
    let (answer, about) = asked(&mut monitor, &shop, guest().header("idempotency-key", "a")).await;
    answer.order_id();
    assert_eq!(about, ["idem:{", "rate:{", "order:{"]);
    // One that is repeated: the record, and nothing else.
    let (answer, about) = asked(&mut monitor, &shop, guest().header("idempotency-key", "a")).await;
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
    assert_eq!(about, ["idem:{"]);
    // An account's own limit is looked at with its order.
    let request = shop.gateway.order(pens()).header("cookie", &ada.0);
    let (answer, about) = asked(&mut monitor, &shop, request).await;
    answer.order_id();
    assert_eq!(about, ["session:{", "order:{"]);
    // The session and the record at the same time, the limit, the order.
    let request = shop.gateway.order(pens()).header("cookie", &ada.0).header("idempotency-key", "b");
    let (answer, mut about) = asked(&mut monitor, &shop, request).await;
    answer.order_id();
    about[..2].sort_unstable();
    assert_eq!(about, ["idem:{", "session:{", "rate:{", "order:{"]);
}

#[tokio::test]
async fn a_session_and_a_record_are_asked_for_at_the_same_time() {
    let (shop, ada) = shop().await;
    let proxy = FaultProxy::start((Ipv4Addr::LOCALHOST, shop.redis.port()).into()).await.unwrap();
    let gateway = Gateway::start(&proxy.url(), &shop.database, &[]).await;
    gateway.until_ready().await;
    // Its connections stand.
    let order = |key: &str| gateway.order(pens()).header("cookie", &ada.0).header("idempotency-key", key);
    Answer::to(order("a")).await.order_id();
    let mut monitor = Monitor::start(&shop).await;
    monitor.heard(&shop).await;
    // What is asked without having heard an answer is asked at the same time.
    proxy.drop_replies();
    let silence = order("b").timeout(Duration::from_millis(500)).send().await;
    assert!(silence.unwrap_err().is_timeout());
    let heard = monitor.heard(&shop).await;
    for about in ["idem:{", "session:{"] {
        assert!(heard.iter().any(|line| line.contains(about)), "{about} of {heard:?}");
    }
}

#[tokio::test]
async fn what_is_read_costs_one_round_trip_or_none() {
    let (shop, ada) = shop().await;
    let id = shop.gateway.place().await;
    shop.gateway.get("/products/BOOK-1").await;
    shop.gateway.get("/products").await;
    let mut monitor = Monitor::start(&shop).await;
    for (path, cookie, expected) in [
        (format!("/orders/{id}"), None, &["order:{"][..]),
        (format!("/orders/{id}"), Some(&ada), &["order:{"]),
        ("/products/BOOK-1".into(), None, &[]),
        ("/products".into(), Some(&ada), &[]),
        ("/me".into(), Some(&ada), &["session:{"]),
        ("/orders".into(), Some(&ada), &["session:{"]),
        ("/me".into(), None, &[]),
    ] {
        let request = shop.gateway.request("GET", &path);
        let request = match cookie {
            Some(cookie) => request.header("cookie", &cookie.0),
            None => request,
        };
        let (_, about) = asked(&mut monitor, &shop, request).await;
        assert_eq!(about, expected, "{path}");
    }
}
