//! Clients that try to be taken for two requests, for another method or for another site's page, or to leave odd keys behind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    harness::{Answer, Shop, percent_encoded, two_books},
    people::{Cookie, PASSWORD},
    raw::RawConnection,
};

/// Ada's shop: what she has may change only by what she asks for.
struct Target {
    shop: Shop,
    admin: Cookie,
    ada: Cookie,
}

impl Target {
    async fn new(flags: &[&str]) -> Self {
        let (shop, admin) = Shop::with_admin(flags).await;
        let ada = shop.gateway.customer(&admin, "ada@example.com").await;
        Self { shop, admin, ada }
    }

    /// All that a request could have changed: keys, orders, products, sessions and the password.
    async fn state(&self) -> (Vec<String>, usize, String, Value) {
        let gateway = &self.shop.gateway;
        let (keys, orders) = self.shop.store.traces().await;
        let products = gateway.get("/products").await.text();
        let sessions = gateway.get_as(&self.ada, "/me/sessions").await.json()["sessions"].take();
        let ids: Vec<Value> =
            sessions.as_array().unwrap().iter().map(|session| session["id"].clone()).collect();
        (keys, orders, products, ids.into())
    }
}

/// A request that must not be carried out, within another one.
fn smuggled() -> String {
    let order = two_books().to_string();
    let head = "POST /orders HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length:";
    format!("{head} {}\r\n\r\n{order}", order.len())
}

#[tokio::test]
async fn a_request_that_ends_in_two_places_is_400_and_the_connection_closes() {
    let (shop, smuggled) = (Shop::open().await, smuggled());
    // It would be carried out if it were taken for a request of its own.
    let mut connection = RawConnection::to(shop.gateway.address).await;
    connection.send(smuggled.as_bytes()).await;
    connection.answer().await.order_id();
    let before = shop.store.traces().await;
    let length = smuggled.len();
    for framing in [
        format!("content-length: 0\r\ncontent-length: {length}\r\n\r\n"),
        format!("content-length: {length}\r\ncontent-length: 0\r\n\r\n"),
        format!("content-length: 0, {length}\r\n\r\n"),
        "content-length: +0\r\n\r\n".into(),
        "content-length: 0x0\r\n\r\n".into(),
        "content-length: \r\n\r\n".into(),
        "content-length: 99999999999999999999\r\n\r\n".into(),
        "transfer-encoding: identity\r\n\r\n".into(),
        "transfer-encoding: xchunked\r\n\r\n".into(),
        "transfer-encoding: chunked, identity\r\n\r\n".into(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n".into(),
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n".into(),
        "transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n".into(),
        "transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n".into(),
        "x: y\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        "content-length: 0\r\n transfer-encoding: chunked\r\n\r\n".into(),
        // Sizes of chunks, of which some would be read as 0 or as the rest of the connection.
        "transfer-encoding: chunked\r\n\r\n\r\n\r\n".into(),
        "transfer-encoding: chunked\r\n\r\n-1\r\n\r\n".into(),
        "transfer-encoding: chunked\r\n\r\n+0\r\n\r\n".into(),
        "transfer-encoding: chunked\r\n\r\n0x0\r\n\r\n".into(),
        "transfer-encoding: chunked\r\n\r\n10000000000000000\r\n\r\n".into(),
        "transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n".into(),
        "transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n".into(),
    ] {
        let mut connection = RawConnection::to(shop.gateway.address).await;
        let head = "POST /orders HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n";
        connection.send(format!("{head}{framing}{smuggled}").as_bytes()).await;
        assert_eq!(connection.answer().await.status, 400, "{framing:?}");
        assert_eq!(connection.rest().await, "", "{framing:?}");
    }
    assert_eq!(shop.store.traces().await, before);
}

#[tokio::test]
async fn a_request_with_a_length_and_chunks_is_the_last_of_its_connection() {
    let (shop, smuggled) = (Shop::open().await, smuggled());
    let order = two_books().to_string();
    let chunks = format!("{:x}\r\n{order}\r\n0\r\n\r\n", order.len());
    let both = [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
    ];
    for framing in both {
        let before = shop.store.journal().await.len();
        let head =
            format!("POST /orders HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n{framing}");
        let mut connection = RawConnection::to(shop.gateway.address).await;
        connection.send(format!("{head}\r\n\r\n{chunks}{smuggled}").as_bytes()).await;
        // The chunks count (RFC 9112, 6.3), whatever somebody in front believed; and what he believed to follow does not.
        connection.answer().await.order_id();
        assert_eq!(connection.rest().await, "", "{framing}");
        assert_eq!(shop.store.journal().await.len(), before + 1, "{framing}");
    }
    // Chunks in a version that has none.
    let mut connection = RawConnection::to(shop.gateway.address).await;
    let head = "POST /orders HTTP/1.0\r\ncontent-type: application/json\r\ntransfer-encoding: chunked";
    connection.send(format!("{head}\r\n\r\n{chunks}").as_bytes()).await;
    assert_eq!(connection.answer().await.status, 400);
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn a_method_is_what_the_request_line_says() {
    let target = Target::new(&[]).await;
    let before = target.state().await;
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        for (path, method) in [("/me/sessions?_method=DELETE", "DELETE"), ("/orders?_method=POST", "POST")] {
            let request = target.shop.gateway.json("GET", path, two_books()).header(name, method);
            let answer = Answer::to(request.header("cookie", &target.ada.0)).await;
            assert!([200, 400].contains(&answer.status.as_u16()), "{}", answer.text());
        }
    }
    assert_eq!(target.state().await, before);
    // Nor is what changes something taken for what does not, which another site may ask for.
    let order = target.shop.gateway.order(json!({ "items": two_books()["items"] }));
    let order = order.header("cookie", &target.ada.0).header("x-http-method-override", "GET");
    Answer::to(order.header("sec-fetch-site", "cross-site")).await.problem(403);
}

#[tokio::test]
async fn who_only_looks_changes_nothing_on_any_route() {
    let target = Target::new(&[]).await;
    let gateway = &target.shop.gateway;
    let described = gateway.get("/openapi.json").await.json()["paths"].as_object().unwrap().clone();
    assert!(described.len() > 10, "{described:?}");
    let order = gateway.post(two_books()).await.order_id().to_string();
    let id = gateway.get_as(&target.ada, "/me").await.json()["session"]["id"].as_str().unwrap().to_owned();
    let bodies = [
        json!({ "items": [{ "sku": "PEN-1", "quantity": 1 }] }),
        json!({ "email": "ada@example.com", "password": PASSWORD }),
        json!({ "current_password": PASSWORD, "new_password": "battery staple" }),
        json!({ "name": "Pencil", "unit_price": { "amount": "0.01", "currency": "EUR" } }),
        json!({ "email": "eve@example.com", "password": PASSWORD, "role": "admin" }),
    ];
    let before = target.state().await;
    for path in described.keys() {
        let path = match path.as_str() {
            "/me/sessions/{id}" => path.replace("{id}", &id),
            _ => path.replace("{id}", &order).replace("{sku}", "PEN-1"),
        };
        for (method, body) in
            ["HEAD", "OPTIONS", "TRACE"].iter().flat_map(|m| bodies.iter().map(move |b| (m, b)))
        {
            for cookie in [&target.ada, &target.admin] {
                let request = gateway.json(method, &path, body.clone()).header("cookie", &cookie.0);
                let response = request.send().await.unwrap();
                assert!(response.headers().get("set-cookie").is_none(), "{method} {path}");
            }
        }
    }
    // Targets that are no paths.
    for head in ["OPTIONS * HTTP/1.1", "CONNECT shop:80 HTTP/1.1", "GET http://other/nowhere HTTP/1.1"] {
        let answer = RawConnection::to(gateway.address).await.ask(head, b"").await;
        assert!([404, 405].contains(&answer.status.as_u16()), "{head}: {}", answer.text());
    }
    assert_eq!(target.state().await, before);
    gateway.login("ada@example.com", PASSWORD).await;
}

#[tokio::test]
async fn what_a_page_of_another_site_can_send_without_asking_is_415() {
    let target = Target::new(&[]).await;
    let gateway = &target.shop.gateway;
    let product = json!({ "name": "Pencil", "unit_price": { "amount": "0.01", "currency": "EUR" } });
    let before = target.state().await;
    for (method, path, body) in [
        ("POST", "/orders", json!({ "items": [{ "sku": "PEN-1", "quantity": 1 }] })),
        ("POST", "/login", json!({ "email": "ada@example.com", "password": PASSWORD })),
        ("POST", "/accounts", json!({ "email": "eve@example.com", "password": PASSWORD, "role": "admin" })),
        ("PUT", "/products/PEN-1", product),
        ("PUT", "/me/password", json!({ "current_password": PASSWORD, "new_password": "battery staple" })),
    ] {
        for media_type in [
            "text/plain",
            "text/plain; application/json",
            "text/plain;charset=application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "application/json-not",
            "application/json, text/plain",
            "",
        ] {
            let request = gateway.request(method, path).header("content-type", media_type);
            let request = request.header("cookie", &target.admin.0).body(body.to_string());
            let answer = Answer::to(request).await;
            answer.problem(415);
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
    assert_eq!(target.state().await, before);
}

#[tokio::test]
async fn the_private_routes_take_no_field_that_they_do_not_know_or_that_is_there_twice() {
    let target = Target::new(&[]).await;
    let before = target.state().await;
    for (method, path, body) in [
        ("POST", "/login", r#""email":"ada@example.com","password":"correct horse""#),
        ("POST", "/accounts", r#""email":"eve@example.com","password":"correct horse","role":"customer""#),
        ("PUT", "/me/password", r#""current_password":"correct horse","new_password":"battery staple""#),
        ("PUT", "/products/PEN-1", r#""name":"Pencil","unit_price":{"amount":"0.01","currency":"EUR"}"#),
    ] {
        let first = body.split(',').next().unwrap();
        for extra in [r#""customer_id":"acct-root""#, r#""role":"admin""#, r#""__proto__":{}"#, first] {
            // A role is a field of a new account, and so is there twice.
            let body = format!("{{{body},{extra}}}");
            let request =
                target.shop.gateway.request(method, path).header("content-type", "application/json");
            Answer::to(request.header("cookie", &target.admin.0).body(body)).await.field_errors();
        }
    }
    assert_eq!(target.state().await, before);
}

#[tokio::test]
async fn an_admin_who_asks_for_a_customer_that_cannot_be_is_told_so() {
    let target = Target::new(&[]).await;
    for customer in ["%00", "a%00b", "%0a", "", "a%20b", "%F0%9F%99%82"] {
        let path = format!("/orders?customer_id={customer}");
        target.shop.gateway.get_as(&target.admin, &path).await.problem(400);
        target.shop.gateway.get_as(&target.ada, &path).await.problem(403);
    }
}

/// A key without what differs from one user, order or product to the other.
fn shape(key: &str) -> String {
    let mut shape = String::new();
    for c in key.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => {
                if !shape.ends_with('x') {
                    shape.push('x');
                }
            }
            other => shape.push(other),
        }
    }
    shape
}

#[tokio::test]
async fn whatever_an_id_is_keys_keep_their_shapes() {
    let flags = ["--orders-per-minute", "1000", "--guest-orders-per-minute", "1000"];
    let target = Target::new(&flags).await;
    let (gateway, store) = (&target.shop.gateway, &target.shop.store);
    let shapes =
        async || -> BTreeSet<String> { store.keys("*").await.iter().map(|key| shape(key)).collect() };
    let use_of = async |text: &str, path: &str| {
        let order = json!({ "customer_id": text, "items": [{ "sku": text, "quantity": 1 }] });
        gateway.post(order).await;
        // Ada's own order, under this key. What no header can hold is not sent.
        let order = gateway.order(json!({ "items": [{ "sku": "PEN-1", "quantity": 1 }] }));
        let _ = order.header("cookie", &target.ada.0).header("idempotency-key", text).send().await;
        gateway.try_login(text, "a wrong guess").await;
        gateway.try_login(&format!("{text}@{text}"), "a wrong guess").await;
        for place in ["/users/", "/products/", "/orders/", "/me/sessions/", "/orders?cursor="] {
            gateway.get_as(&target.ada, &format!("{place}{path}")).await;
        }
        for cookie in
            [format!("{text}.{}", "0".repeat(64)), format!("{}.{text}", "a".repeat(32)), text.into()]
        {
            let cookie = format!("__Host-session={cookie}");
            let _ = gateway.request("GET", "/me").header("cookie", cookie).send().await;
        }
        let product = json!({ "name": text, "unit_price": { "amount": "1.00", "currency": "EUR" } });
        gateway.send_as(&target.admin, "PUT", &format!("/products/{path}"), product).await;
    };
    use_of("PEN-1", "PEN-1").await;
    gateway.get("/products/NONE-1").await;
    gateway.get(&format!("/orders/{}", uuid::Uuid::new_v4())).await;
    let usual = shapes().await;
    assert!(usual.len() >= 8, "{usual:?}");
    for text in [
        "{}",
        "{",
        "}",
        "{0}",
        "a}:{b",
        "a:b",
        "session:{a}",
        "a b",
        " ",
        "a\nb",
        "a\r\nDEL x",
        "a\0b",
        "*",
        "?",
        "[a]",
        "\"",
        "'",
        "\\",
        "$(x)",
        "%",
        "ä",
        "\u{202e}",
        "\x1b[2J",
        "../..",
        "a/b",
        "🙂",
        &"x".repeat(300),
    ] {
        use_of(text, &percent_encoded(text)).await;
        // Each is told from the usual ones as long as it is there, which for an answer that there is nothing is not long.
        let odd: Vec<String> = shapes().await.difference(&usual).cloned().collect();
        assert_eq!(odd, [""; 0], "{text:?}");
    }
    assert!(store.keys("*ada@*").await.is_empty(), "who logs in is nobody's business");
}
