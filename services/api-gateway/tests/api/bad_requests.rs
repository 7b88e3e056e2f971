//! Requests that are refused: each with an answer that helps, and without a trace in Redis.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, Shop, two_books},
    raw::RawConnection,
};

impl Shop {
    /// Has `requests` made, and checks that none of them left anything in Redis.
    async fn leaves_no_trace(&self, requests: impl AsyncFnOnce(&Self)) {
        let before = self.store.traces().await;
        requests(self).await;
        assert_eq!(self.store.traces().await, before);
    }

    /// The complaints about a body that is refused with 422.
    async fn complaints(&self, body: impl ToString) -> Vec<(String, String)> {
        self.gateway.post(body).await.field_errors().into_iter().collect()
    }
}

fn items(items: &Value) -> Value {
    json!({ "customer_id": "42", "items": items })
}

#[tokio::test]
async fn what_is_not_json_is_400() {
    let order = two_books().to_string();
    let bodies: Vec<Vec<u8>> = vec![
        b"".into(),
        b" ".into(),
        b"hello".into(),
        b"{".into(),
        b"{'customer_id': '42'}".into(),
        order[..order.len() - 1].into(),
        format!("{order} trailing").into(),
        format!("{order}{order}").into(),
        // A wrong field before the place where it breaks off.
        br#"{"colour":1,"#.into(),
        br#"{"customer_id":7,"items":[}"#.into(),
        "[".repeat(60_000).into(),
        br#"{"a":"#.repeat(10_000),
        b"\xef\xbb\xbf{}".into(),
        b"{\"customer_id\":\"\xff\xfe\",\"items\":[]}".into(),
        vec![0; 100],
    ];
    let shop = Shop::open().await;
    shop.leaves_no_trace(async |shop| {
        for body in bodies {
            let answer = Answer::to(shop.gateway.order("").body(body.clone())).await;
            let problem = answer.problem(400);
            let detail = problem["detail"].as_str().unwrap();
            let body = String::from_utf8_lossy(&body);
            assert!(detail.starts_with("the body is not JSON: "), "{detail} for {body:.60}");
        }
    })
    .await;
}

#[tokio::test]
async fn json_that_is_no_order_is_422_and_says_what_is_expected() {
    let nested = "[".repeat(30_000) + &"]".repeat(30_000);
    let shop = Shop::open().await;
    shop.leaves_no_trace(async |shop| {
        for body in ["null", "42", "true", r#""text""#, "[]", r#"["42",[["BOOK-1",2]]]"#, &nested] {
            let complaints = shop.complaints(body).await;
            assert_eq!(complaints.len(), 1, "{body:.60}");
            assert_eq!(complaints[0].0, "");
            assert!(complaints[0].1.contains("expected an object"), "{body:.60}: {complaints:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_field_that_is_unknown_missing_twice_there_or_of_another_type_is_422_with_its_place() {
    let cases = [
        (r#"{"customer_id":"42","items":[],"colour":1}"#, "/colour", "unknown field `colour`"),
        (
            r#"{"customer_id":"42","items":[{"sku":"PEN-1","quantity":1,"price":0}]}"#,
            "/items/0/price",
            "price",
        ),
        (r#"{"customer_id":"42","items":[],"a/b~c":1}"#, "/a~1b~0c", "unknown field"),
        (r#"{"items":[{"sku":"PEN-1","quantity":1}]}"#, "/customer_id", "guests"),
        (r#"{"customer_id":"42"}"#, "", "missing field `items`"),
        (r#"{"customer_id":"42","items":[{"quantity":1}]}"#, "/items/0", "missing field `sku`"),
        (r#"{"customer_id":"42","items":[{"sku":"PEN-1"}]}"#, "/items/0", "missing field `quantity`"),
        (r#"{"customer_id":"1","customer_id":"2","items":[]}"#, "", "duplicate field `customer_id`"),
        (
            r#"{"customer_id":"42","items":[{"sku":"PEN-1","sku":"PEN-1","quantity":1}]}"#,
            "/items/0",
            "duplicate field `sku`",
        ),
        (r#"{"customer_id":42,"items":[]}"#, "/customer_id", "expected a string"),
        (r#"{"customer_id":null,"items":[{"sku":"PEN-1","quantity":1}]}"#, "/customer_id", "guests"),
        (r#"{"customer_id":"\ud800","items":[]}"#, "/customer_id", "hex escape"),
        (r#"{"customer_id":"42","items":{}}"#, "/items", "expected a sequence"),
        (r#"{"customer_id":"42","items":"PEN-1"}"#, "/items", "expected a sequence"),
        (r#"{"customer_id":"42","items":[["PEN-1",1]]}"#, "/items/0", "expected an object"),
        (r#"{"customer_id":"42","items":[{"sku":7,"quantity":1}]}"#, "/items/0/sku", "expected a string"),
        (r#"{"customer_id":"42","items":[null]}"#, "/items/0", "expected an object"),
    ];
    let shop = Shop::open().await;
    shop.leaves_no_trace(async |shop| {
        for (body, pointer, detail) in cases {
            let complaints = shop.complaints(body).await;
            assert_eq!(complaints.len(), 1, "{body}");
            assert_eq!(complaints[0].0, pointer, "{body}: {complaints:?}");
            assert!(complaints[0].1.contains(detail), "{body}: {complaints:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_quantity_is_a_whole_number_from_1_to_1000_or_422() {
    let shop = Shop::open().await;
    shop.leaves_no_trace(async |shop| {
        for quantity in [
            "0",
            "-1",
            "-0",
            "1001",
            "1.5",
            "2.0",
            "1e2",
            "1e99",
            "1e-99",
            "4294967297",
            "99999999999999999999",
            "-99999999999999999999",
            r#""2""#,
            "null",
            "true",
            "[1]",
            r#"{"quantity":1}"#,
        ] {
            let body = format!(r#"{{"customer_id":"42","items":[{{"sku":"PEN-1","quantity":{quantity}}}]}}"#);
            let complaints = shop.complaints(body).await;
            let expected = ("/items/0/quantity".to_owned(), "a whole number from 1 to 1000".to_owned());
            assert_eq!(complaints, [expected], "{quantity}");
        }
        // Too large even for a float, and deeper than anybody may look: refused by the reader itself.
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        for quantity in ["1e999", &deep] {
            let body = format!(r#"{{"customer_id":"42","items":[{{"sku":"PEN-1","quantity":{quantity}}}]}}"#);
            let complaints = shop.complaints(body).await;
            assert!(complaints[0].0.starts_with("/items/0/quantity"), "{complaints:?}");
        }
    })
    .await;
    for quantity in [1, 1000] {
        shop.gateway.post(items(&json!([{ "sku": "PEN-1", "quantity": quantity }]))).await.order_id();
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_an_order_is_told_at_once() {
    let shop = Shop::open().await;
    shop.leaves_no_trace(async |shop| {
        let items = json!([
            { "sku": "PEN-1", "quantity": 1 },
            { "sku": "NONE-1", "quantity": 0 },
            { "sku": "pen-1", "quantity": 1 },
        ]);
        let order = json!({ "customer_id": "a b", "items": items });
        let complaints = shop.gateway.post(order).await.field_errors();
        let told: Vec<(&str, &str)> = complaints.iter().map(|(at, what)| (&**at, &**what)).collect();
        assert_eq!(
            told,
            [
                ("/customer_id", "1 to 64 letters, digits, '-', '_' or '.'"),
                ("/items/1/quantity", "a whole number from 1 to 1000"),
                ("/items/1/sku", "no such product"),
                ("/items/2/sku", "no such product"),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn an_order_has_from_1_to_100_items_or_is_422() {
    let shop = Shop::open().await;
    shop.leaves_no_trace(async |shop| {
        let none = shop.complaints(items(&json!([]))).await;
        assert_eq!(none, [("/items".into(), "an order needs at least one item".into())]);
        let pens = vec![json!({ "sku": "PEN-1", "quantity": 1 }); 101];
        let many = shop.complaints(items(&json!(pens))).await;
        assert_eq!(many, [("/items".into(), "an order has at most 100 items".into())]);
    })
    .await;
}

#[tokio::test]
async fn products_that_are_made_up_are_not_all_looked_up() {
    let shop = Shop::open().await;
    let made_up: Vec<Value> =
        (0..100).map(|n| json!({ "sku": format!("NONE-{n}"), "quantity": 1 })).collect();
    let complaints = shop.complaints(items(&json!(made_up[..10]))).await;
    assert_eq!(complaints.len(), 10, "{complaints:?}");
    let complaints = shop.complaints(items(&json!(made_up))).await;
    assert_eq!(complaints, [("/items".into(), "more than 10 of them are of no product".into())]);
    let looked_up = shop.store.keys("*NONE-*").await;
    assert!(looked_up.len() <= 11, "{looked_up:?}");
}

#[tokio::test]
async fn a_customer_id_that_could_forge_a_key_or_a_log_line_is_422() {
    let shop = Shop::open().await;
    shop.leaves_no_trace(async |shop| {
        let long = "x".repeat(65);
        for customer in ["", " ", "a b", "a:b", "{0}", "a\nb", "a\0b", "ä", "../x", "a\u{202e}b", &long] {
            let order = json!({ "customer_id": customer, "items": two_books()["items"] });
            let complaints = shop.complaints(order).await;
            assert_eq!(complaints[0].0, "/customer_id", "{customer:?}: {complaints:?}");
        }
    })
    .await;
    for customer in ["0", "x".repeat(64).as_str(), "a-b_c.d"] {
        let order = json!({ "customer_id": customer, "items": two_books()["items"] });
        shop.gateway.post(order).await.order_id();
    }
}

#[tokio::test]
async fn a_body_that_does_not_say_it_is_json_is_415() {
    let shop = Shop::open().await;
    shop.leaves_no_trace(async |shop| {
        for media_type in [
            "text/plain",
            "text/json",
            "application/jsonx",
            "application/x-www-form-urlencoded",
            "application/problem+json",
            "",
        ] {
            let request = shop.gateway.request("POST", "/orders").header("content-type", media_type);
            let answer = Answer::to(request.body(two_books().to_string())).await;
            let problem = answer.problem(415);
            assert!(problem["detail"].as_str().unwrap().contains("application/json"), "{problem}");
        }
        let unsaid = shop.gateway.request("POST", "/orders").body(two_books().to_string());
        Answer::to(unsaid).await.problem(415);
    })
    .await;
    for media_type in ["application/json; charset=utf-8", "Application/JSON", "application/json ;q=1"] {
        let request = shop.gateway.request("POST", "/orders").header("content-type", media_type);
        Answer::to(request.body(two_books().to_string())).await.order_id();
    }
}

#[tokio::test]
async fn a_body_over_64_kib_is_413_however_it_comes() {
    let shop = Shop::open().await;
    shop.leaves_no_trace(async |shop| {
        for size in [64 * 1024 + 1, 200 * 1024, 1024 * 1024] {
            let answer = shop.gateway.post(" ".repeat(size)).await;
            let problem = answer.problem(413);
            assert!(problem["detail"].as_str().unwrap().contains("65536"), "{problem}");
        }
        let length = 20 * 1024 * 1024;
        let head =
            format!("POST /orders HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {length}");
        RawConnection::to(shop.gateway.address).await.ask(&head, &vec![b' '; length]).await.problem(413);
        let chunked = "POST /orders HTTP/1.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked";
        for chunks in [5, 50, 1000] {
            let body = format!("4000\r\n{}\r\n", " ".repeat(0x4000)).repeat(chunks) + "0\r\n\r\n";
            RawConnection::to(shop.gateway.address).await.ask(chunked, body.as_bytes()).await.problem(413);
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_of_exactly_64_kib_is_read() {
    let shop = Shop::open().await;
    let order = two_books().to_string();
    let padding = " ".repeat(64 * 1024 - order.len());
    shop.gateway.post(order + &padding).await.order_id();
}

#[tokio::test]
async fn an_over_long_body_is_refused_before_it_is_sent_to_a_client_that_asks() {
    let shop = Shop::open().await;
    let head = "POST /orders HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 70000\r\n\
                expect: 100-continue";
    RawConnection::to(shop.gateway.address).await.ask(head, b"").await.problem(413);
}

#[tokio::test]
async fn a_connection_is_usable_after_a_refusal() {
    let shop = Shop::open().await;
    let mut connection = RawConnection::to(shop.gateway.address).await;
    let order = two_books().to_string();
    let head = |media_type: &str, length: usize| {
        format!("POST /orders HTTP/1.1\r\ncontent-type: {media_type}\r\ncontent-length: {length}")
    };
    connection.ask(&head("text/plain", order.len()), order.as_bytes()).await.problem(415);
    connection.ask(&head("application/json", 2), b"{}").await.problem(422);
    connection.ask(&head("application/json", 1), b"{").await.problem(400);
    connection.ask("GET /nowhere HTTP/1.1", b"").await.problem(404);
    connection.ask("DELETE /orders HTTP/1.1", b"").await.problem(405);
    connection.ask(&head("application/json", order.len()), order.as_bytes()).await.order_id();
    let long = vec![b' '; 70_000];
    connection.ask(&head("application/json", long.len()), &long).await.problem(413);
    connection.ask("GET /nowhere HTTP/1.1", b"").await.problem(404);
    // The rest of a body that is far too long is not waited for, so what follows could not be told from it.
    let endless = head("application/json", 1024 * 1024 * 1024);
    connection.ask(&endless, b"{").await.problem(413);
    assert!(connection.is_closed().await);
}
