//! Routes, methods and ids that do not exist.

use crate::{
    harness::{Answer, Shop},
    raw::RawConnection,
};

#[tokio::test]
async fn an_unknown_route_is_404() {
    let shop = Shop::open().await;
    for path in [
        "/index.html",
        "/order",
        "/orders/",
        "/orders/1/2",
        "/ORDERS",
        "/livez/",
        "/%00",
        "/a%0ab",
        "/%ff",
        "//orders",
    ] {
        let problem = shop.gateway.get(path).await.problem(404);
        assert_eq!(problem["detail"], format!("there is nothing at {path}"));
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_take_is_405_with_those_that_it_takes() {
    let shop = Shop::open().await;
    let order = format!("/orders/{}", shop.gateway.place().await);
    for (path, method, allowed) in [
        ("/orders", "PUT", "GET,HEAD,POST"),
        ("/orders", "OPTIONS", "GET,HEAD,POST"),
        ("/orders", "BREW", "GET,HEAD,POST"),
        ("/login", "GET", "POST"),
        (&order, "POST", "GET,HEAD"),
        (&order, "PATCH", "GET,HEAD"),
        (&order, "DELETE", "GET,HEAD"),
        ("/livez", "POST", "GET,HEAD"),
    ] {
        let answer = Answer::to(shop.gateway.request(method, path)).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    assert_eq!(Answer::to(shop.gateway.request("HEAD", &order)).await.status, 200);
}

#[tokio::test]
async fn an_order_that_does_not_exist_is_404() {
    let shop = Shop::open().await;
    let unknown = shop.gateway.get(&format!("/orders/{}", uuid::Uuid::new_v4())).await;
    assert_eq!(unknown.problem(404)["detail"], "no such order");
}

#[tokio::test]
async fn what_is_no_order_id_is_404_and_reaches_no_key() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let before = shop.store.traces().await;
    for text in [
        "1".to_owned(),
        "x".repeat(4000),
        "*".into(),
        "{0}:x".into(),
        "order:{0}:1".into(),
        // Other spellings of an id that exists.
        id.simple().to_string(),
        id.to_string().to_uppercase(),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
        // What would end a line, a string, a path or a header, plain or encoded once or twice.
        format!("{id}%0a"),
        format!("{id}%0d%0aX-Injected:%201"),
        format!("{id}%00"),
        format!("%20{id}"),
        format!("{id}%2f"),
        format!("..%2f..%2f{id}"),
        format!("%25{id}"),
        "%ff%fe".into(),
        "%".into(),
        "%zz".into(),
    ] {
        let problem = shop.gateway.get(&format!("/orders/{text}")).await.problem(404);
        assert_eq!(problem["detail"], "no such order", "{text}");
    }
    assert_eq!(shop.store.traces().await, before);
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused_and_hurt_nobody_else() {
    let shop = Shop::open().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /orders\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n",
        b"POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
    ] {
        let mut connection = RawConnection::to(shop.gateway.address).await;
        connection.send(bytes).await;
        assert_eq!(connection.answer().await.status, 400, "{:?}", String::from_utf8_lossy(bytes));
        assert!(connection.is_closed().await);
    }
    shop.gateway.place().await;
}
