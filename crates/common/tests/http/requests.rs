//! Requests as they should be, in unusual company.

use std::io;

use common::http::HttpLimits;

use crate::{
    client::{Client, get},
    harness::Server,
};

#[tokio::test]
async fn requests_that_come_all_at_once_are_answered_one_after_the_other() {
    let server = Server::start(HttpLimits::default()).await;
    let mut client = Client::to(server.address).await;
    let requests: String = (0..200).map(|n| get(if n % 2 == 0 { "/tiny" } else { "/nowhere" })).collect();
    client.send(requests).await;
    for n in 0..200 {
        assert_eq!(client.answer().await.status, if n % 2 == 0 { 200 } else { 404 });
    }
}

#[tokio::test]
async fn a_handler_knows_the_address_of_its_client() {
    let server = Server::start(HttpLimits::default()).await;
    let mut client = Client::to(server.address).await;
    let own = client.address().to_string();
    assert_eq!(client.get("/peer").await.text(), own);
    assert_eq!(client.get("/peer").await.text(), own);
}

#[tokio::test]
async fn what_a_server_began_ends_with_it() {
    let server = Server::start(HttpLimits::default()).await;
    let (mut idle, mut busy) = (Client::to(server.address).await, Client::to(server.address).await);
    assert_eq!(idle.get("/tiny").await.status, 200);
    busy.send(get("/gate")).await;
    server.gate.until_waiting(1).await;
    server.task.abort();
    let gone: io::Result<_> = busy.answer_or_close().await;
    assert!(gone.is_err(), "{gone:?}");
    idle.until_closed().await;
    server.gate.until_waiting(0).await;
}
