//! Handlers that take their time.

use common::http::HttpLimits;
use tokio::io::AsyncReadExt;

use crate::{
    client::Client,
    harness::{SOON, Server},
};

async fn impatient() -> Server {
    Server::start(HttpLimits { request_timeout: SOON, ..HttpLimits::default() }).await
}

#[tokio::test]
async fn a_handler_that_never_ends_is_503_and_the_connection_goes_on() {
    let mut client = Client::to(impatient().await.address).await;
    client.get("/never").await.is_problem(503);
    assert_eq!(client.get("/tiny").await.text(), "tiny");
}

#[tokio::test]
async fn a_handler_that_does_not_come_to_reading_the_body_is_not_the_clients_fault() {
    let server = impatient().await;
    let mut client = Client::to(server.address).await;
    client.send("POST /never HTTP/1.1\r\nhost: shop\r\ncontent-length: 1\r\n\r\n").await;
    client.answer().await.is_problem(503);
}

#[tokio::test]
async fn a_handler_that_was_given_up_is_dropped() {
    let server = impatient().await;
    let mut client = Client::to(server.address).await;
    client.get("/gate").await.is_problem(503);
    server.gate.until_waiting(0).await;
}

#[tokio::test]
async fn an_event_stream_may_go_on_for_longer_than_a_handler() {
    let server = impatient().await;
    let mut client = Client::to(server.address).await;
    client.send(crate::client::get("/events")).await;
    assert_eq!(client.answer().await.headers["content-type"], "text/event-stream");
    // The events follow: a chunk of nine bytes.
    let (mut chunk, mut stream) = (vec![0; 14], client.into_stream());
    stream.read_exact(&mut chunk).await.unwrap();
    assert_eq!(chunk, b"9\r\ndata: 1\n\n\r\n");
}
