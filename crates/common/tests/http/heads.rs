//! Heads that are not as they should be.

use common::http::HttpLimits;

use crate::{
    client::{Client, get},
    harness::Server,
};

/// What is answered to `head`, after which the connection must be closed in order.
async fn refusal(server: &Server, head: &str) -> u16 {
    let mut client = Client::to(server.address).await;
    client.send(head).await;
    let answer = client.answer().await;
    assert!(answer.closes(), "{answer:?}");
    assert_eq!(client.rest().await, "");
    answer.status
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = Server::start(HttpLimits::default()).await;
    let too_long = "v".repeat(20 * 1024);
    assert_eq!(refusal(&server, &format!("GET /tiny HTTP/1.1\r\nx-long: {too_long}\r\n\r\n")).await, 431);
    assert_eq!(refusal(&server, &get(&format!("/{too_long}"))).await, 431);
    let many = "x-many: v\r\n".repeat(101);
    assert_eq!(refusal(&server, &format!("GET /tiny HTTP/1.1\r\n{many}\r\n")).await, 431);
}

#[tokio::test]
async fn a_head_without_end_is_431_long_before_it_fills_the_memory() {
    let server = Server::start(HttpLimits::default()).await;
    assert_eq!(refusal(&server, &format!("GET /tiny HTTP/1.1\r\nx: {}", "v".repeat(1024 * 1024))).await, 431);
}

#[tokio::test]
async fn a_head_may_be_as_large_as_allowed_and_no_larger() {
    let limits = HttpLimits::default();
    let server = Server::start(limits.clone()).await;
    let head = |length: u32| {
        let rest = length as usize - "GET /tiny HTTP/1.1\r\nx: \r\n\r\n".len();
        format!("GET /tiny HTTP/1.1\r\nx: {}\r\n\r\n", "v".repeat(rest))
    };
    let mut client = Client::to(server.address).await;
    client.send(head(limits.max_header_bytes)).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(refusal(&server, &head(limits.max_header_bytes + 1)).await, 431);
}

#[tokio::test]
async fn a_head_that_is_no_http_is_400() {
    let server = Server::start(HttpLimits::default()).await;
    for head in [
        "hello\r\n\r\n",
        "GET /tiny\r\n\r\n",
        "GET /tiny HTTP/9.9\r\n\r\n",
        "GET /tiny HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /tiny HTTP/1.1\r\nx\0y: v\r\n\r\n",
        // Whoever believes one of these, and a balancer the other, sees another request than that does.
        "POST /tiny HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "POST /tiny HTTP/1.1\r\ncontent-length: one\r\n\r\nx",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n",
    ] {
        assert_eq!(refusal(&server, head).await, 400, "{head:?}");
    }
    assert_eq!(Client::to(server.address).await.get("/tiny").await.status, 200);
}
