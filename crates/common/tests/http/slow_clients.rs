//! Clients that take their time.

use std::time::{Duration, Instant};

use common::http::HttpLimits;
use test_support::eventually;
use tokio::io::AsyncReadExt;

use crate::{
    client::Client,
    harness::{PATIENCE, SOON, Server},
};

#[tokio::test]
async fn a_head_that_trickles_in_is_given_up_however_busy_its_bytes() {
    let limits = HttpLimits { header_timeout: SOON, ..HttpLimits::default() };
    let server = Server::start(limits).await;
    let mut client = Client::to(server.address).await;
    let begun = Instant::now();
    client.send("GET /tiny HTTP/1.1\r\nx-name: ").await;
    client.trickle("v").await;
    client.until_closed().await;
    assert!(begun.elapsed() >= SOON);
}

#[tokio::test]
async fn connections_on_which_nothing_comes_are_closed_new_and_kept_ones() {
    let limits = HttpLimits { header_timeout: SOON, ..HttpLimits::default() };
    let server = Server::start(limits).await;
    let (mut new, mut kept) = (Client::to(server.address).await, Client::to(server.address).await);
    assert_eq!(kept.get("/tiny").await.status, 200);
    assert_eq!(new.rest().await, "");
    assert_eq!(kept.rest().await, "");
}

#[tokio::test]
async fn a_body_that_does_not_come_whole_is_408_and_the_connection_closes() {
    let limits = HttpLimits { request_timeout: SOON, ..HttpLimits::default() };
    let server = Server::start(limits).await;
    for (framing, bytes) in [("content-length: 100000", "x"), ("transfer-encoding: chunked", "1\r\nx\r\n")] {
        let mut client = Client::to(server.address).await;
        client.send(format!("POST /length HTTP/1.1\r\nhost: shop\r\n{framing}\r\n\r\n")).await;
        client.trickle(bytes).await;
        let answer = client.answer().await;
        answer.is_problem(408);
        assert!(answer.closes());
        assert_eq!(client.rest().await, "");
    }
}

#[tokio::test]
async fn a_body_that_comes_slowly_but_in_time_is_taken() {
    let server = Server::start(HttpLimits::default()).await;
    let mut client = Client::to(server.address).await;
    client.send("POST /length HTTP/1.1\r\nhost: shop\r\ncontent-length: 4\r\n\r\n").await;
    for _ in 0..4 {
        client.send("x").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(client.answer().await.text(), "4");
    assert_eq!(client.get("/tiny").await.text(), "tiny");
}

#[tokio::test]
async fn a_body_that_nobody_wants_does_not_keep_its_answer_from_being_read() {
    let server = Server::start(HttpLimits::default()).await;
    for framing in ["content-length: 1000000000", "transfer-encoding: chunked"] {
        let mut client = Client::to(server.address).await;
        client.send(format!("POST /tiny HTTP/1.1\r\nhost: shop\r\n{framing}\r\n\r\n")).await;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        // As many clients do: everything first, and then a look at what was answered.
        for _ in 0..100 {
            client.send(&chunk).await;
        }
        assert_eq!(client.answer().await.text(), "tiny");
        assert_eq!(client.rest().await, "");
    }
}

#[tokio::test]
async fn a_client_that_goes_on_sending_what_nobody_wants_is_cut_off() {
    let limits = HttpLimits { max_connections: 1, ..HttpLimits::default() };
    let server = Server::start(limits).await;
    let mut client = Client::to(server.address).await;
    client.send("POST /tiny HTTP/1.1\r\nhost: shop\r\ncontent-length: 1000000000\r\n\r\n").await;
    assert_eq!(client.answer().await.text(), "tiny");
    let sending = async {
        loop {
            client.send_if_open("x").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = sending => {}
        () = until_there_is_room(&server) => {}
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_holds_its_connection_no_longer_than_allowed() {
    let limits = HttpLimits { write_timeout: SOON, max_connections: 1, ..HttpLimits::default() };
    let server = Server::start(limits).await;
    let mut client = Client::to(server.address).await;
    client.send(crate::client::get("/huge")).await;
    let begun = Instant::now();
    until_there_is_room(&server).await;
    assert!(begun.elapsed() >= SOON);
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_comes_whole() {
    let limits = HttpLimits { write_timeout: SOON, ..HttpLimits::default() };
    let server = Server::start(limits).await;
    let mut client = Client::to(server.address).await;
    client.send("GET /huge HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").await;
    let (mut stream, mut megabyte) = (client.into_stream(), vec![0; 1024 * 1024]);
    for _ in 0..30 {
        stream.read_exact(&mut megabyte).await.unwrap();
        tokio::time::sleep(SOON / 15).await;
    }
    assert!(Client::over(stream).rest().await.len() > 34 * 1024 * 1024);
}

#[tokio::test]
async fn who_closes_his_side_while_he_waits_is_gone_and_his_handler_with_him() {
    let limits = HttpLimits { max_connections: 1, ..HttpLimits::default() };
    let server = Server::start(limits).await;
    let mut client = Client::to(server.address).await;
    client.send(crate::client::get("/gate")).await;
    server.gate.until_waiting(1).await;
    client.close_own_side().await;
    server.gate.until_waiting(0).await;
    until_there_is_room(&server).await;
}

/// Waits until the one connection that the server allows is free.
async fn until_there_is_room(server: &Server) {
    eventually("room for a connection", PATIENCE, || async {
        let answer = Client::to(server.address).await.get("/tiny").await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}
