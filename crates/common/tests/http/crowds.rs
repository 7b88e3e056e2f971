//! More connections than allowed.

use common::http::{HttpLimits, REFUSALS};
use futures_util::future::join_all;
use test_support::eventually;

use crate::{
    client::{Client, get},
    harness::{PATIENCE, Server},
};

#[tokio::test]
async fn one_connection_too_many_is_told_so_until_another_goes() {
    let server = Server::start(HttpLimits { max_connections: 2, ..HttpLimits::default() }).await;
    let (mut first, mut second) = (Client::to(server.address).await, Client::to(server.address).await);
    assert_eq!((first.get("/tiny").await.status, second.get("/tiny").await.status), (200, 200));

    let mut third = Client::to(server.address).await;
    let refusal = third.get("/tiny").await;
    refusal.is_problem(503);
    assert!(refusal.closes());
    assert_eq!(third.rest().await, "");
    assert_eq!(second.get("/tiny").await.status, 200);

    drop(first);
    eventually("room for a connection", PATIENCE, || async {
        let answer = Client::to(server.address).await.get("/tiny").await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

#[tokio::test]
async fn one_connection_too_many_that_says_nothing_is_closed_soon() {
    let server = Server::start(HttpLimits { max_connections: 1, ..HttpLimits::default() }).await;
    let mut first = Client::to(server.address).await;
    assert_eq!(first.get("/tiny").await.status, 200);
    assert_eq!(Client::to(server.address).await.rest().await, "");
}

#[tokio::test]
async fn a_rush_of_too_many_is_refused_or_closed_and_never_left_waiting() {
    let server = Server::start(HttpLimits { max_connections: 1, ..HttpLimits::default() }).await;
    let mut first = Client::to(server.address).await;
    assert_eq!(first.get("/tiny").await.status, 200);
    // These say nothing, and hold what there is for refusals.
    let silent = join_all((0..REFUSALS).map(|_| Client::to(server.address))).await;
    let mut rush = join_all((0..4 * REFUSALS).map(|_| Client::to(server.address))).await;
    let refusals = join_all(rush.iter_mut().map(|client| async {
        client.send_if_open(get("/tiny")).await;
        client.answer_or_close().await
    }));
    // Whoever is closed without a word is refused as well.
    let told: Vec<_> = refusals.await.into_iter().flatten().collect();
    assert!(told.len() < rush.len(), "all were told, so nothing bounds what refusals cost");
    for refusal in told {
        refusal.is_problem(503);
    }
    assert_eq!(first.get("/tiny").await.status, 200);
    drop((silent, rush));
    eventually("a refusal in words", PATIENCE, || async {
        let mut client = Client::to(server.address).await;
        client.send_if_open(get("/tiny")).await;
        client.answer_or_close().await.map(|refusal| refusal.is_problem(503))
    })
    .await;
}
