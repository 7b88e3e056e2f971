//! A server that is asked to stop while clients are there.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use common::http::HttpLimits;
use futures_util::future::join_all;
use test_support::eventually;
use tokio::task::spawn_blocking;

use crate::{
    client::{Client, get},
    harness::{PATIENCE, SOON, Server},
};

/// How many clients there are at once.
const MANY: usize = 100;

async fn connected(address: SocketAddr) -> Vec<Client> {
    join_all((0..MANY).map(|_| Client::to(address))).await
}

/// Connections that have been used and stay open.
async fn kept(address: SocketAddr) -> Vec<Client> {
    let mut clients = connected(address).await;
    for answer in join_all(clients.iter_mut().map(|client| client.get("/tiny"))).await {
        assert!(answer.status == 200 && !answer.closes());
    }
    clients
}

#[tokio::test]
async fn every_request_in_flight_is_answered_and_its_connection_closed_in_order() {
    let server = Server::start(HttpLimits::default()).await;
    let mut clients = kept(server.address).await;
    clients.append(&mut connected(server.address).await);
    for client in &mut clients {
        client.send(get("/gate")).await;
    }
    server.gate.until_waiting(clients.len()).await;
    server.shutdown.cancel();
    eventually("the listener to close", PATIENCE, || async {
        // Whoever still gets a connection is not in flight.
        let connected = tokio::net::TcpStream::connect(server.address).await;
        if connected.is_err() { Ok(()) } else { Err("clients are still accepted") }
    })
    .await;
    server.gate.open();
    for mut client in clients {
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text(), answer.closes()), (200, "passed", true));
        assert_eq!(client.rest().await, "");
    }
    server.ended().await;
}

#[tokio::test]
async fn a_request_that_was_sent_on_a_kept_connection_before_the_shutdown_is_answered() {
    let server = Server::start(HttpLimits::default()).await;
    let mut streams = Vec::new();
    for client in kept(server.address).await {
        streams.push(client.into_stream());
    }
    // This runtime has one thread: between here and the shutdown the server reads nothing.
    for stream in &streams {
        assert_eq!(stream.try_write(get("/tiny").as_bytes()).unwrap(), get("/tiny").len());
    }
    server.shutdown.cancel();
    for stream in streams {
        let mut client = Client::over(stream);
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.closes()), (200, true));
        assert_eq!(client.rest().await, "");
    }
    server.ended().await;
}

#[tokio::test]
async fn who_asks_one_thing_after_the_other_is_told_that_the_connection_closes() {
    let server = Server::start(HttpLimits::default()).await;
    let asking = kept(server.address).await.into_iter().map(|mut client| async move {
        // A connection that is closed in place of an answer fails this.
        while !client.get("/tiny").await.closes() {}
        client.rest().await
    });
    let stopping = async {
        tokio::task::yield_now().await;
        server.shutdown.cancel();
    };
    let (rests, ()) = tokio::join!(join_all(asking), stopping);
    assert!(rests.iter().all(String::is_empty));
    server.ended().await;
}

#[tokio::test]
async fn who_was_connected_but_not_accepted_yet_is_answered() {
    let server = Server::start(HttpLimits::default()).await;
    // This runtime has one thread: between here and the shutdown the server accepts nobody.
    let mut streams = Vec::new();
    for _ in 0..MANY {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(get("/tiny").as_bytes()).unwrap();
        streams.push(stream);
    }
    server.shutdown.cancel();
    let answers = spawn_blocking(move || {
        let read = |mut stream: TcpStream| {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        };
        streams.into_iter().map(read).collect::<Vec<_>>()
    });
    for answer in answers.await.unwrap() {
        let answer = answer.expect("nobody is reset");
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("tiny"), "{answer:?}");
    }
    server.ended().await;
}

#[tokio::test]
async fn connections_that_ask_nothing_keep_no_server_from_ending() {
    let server = Server::start(HttpLimits::default()).await;
    let (used, unused) = (kept(server.address).await, connected(server.address).await);
    server.shutdown.cancel();
    for mut client in used.into_iter().chain(unused) {
        assert_eq!(client.rest().await, "");
    }
    server.ended().await;
}

#[tokio::test]
async fn an_event_stream_ends_in_order() {
    let server = Server::start(HttpLimits::default()).await;
    let mut client = Client::to(server.address).await;
    client.send(get("/events")).await;
    assert_eq!(client.answer().await.status, 200);
    server.shutdown.cancel();
    // The last chunk is an empty one; without it the client could not tell an end from a break.
    assert!(client.rest().await.ends_with("0\r\n\r\n"));
    server.ended().await;
}

#[tokio::test]
async fn a_handler_that_never_ends_keeps_no_server_for_ever() {
    let server = Server::start(HttpLimits { request_timeout: SOON, ..HttpLimits::default() }).await;
    let mut client = Client::to(server.address).await;
    client.send(get("/gate")).await;
    server.gate.until_waiting(1).await;
    server.shutdown.cancel();
    client.answer().await.is_problem(503);
    server.ended().await;
}
