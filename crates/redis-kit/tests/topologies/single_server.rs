//! Every error of a single server that time cures, provoked on one.

use std::{fs, time::Duration};

use local_redis::{Durability, Server};
use redis_kit::Redis;
use test_support::{FaultProxy, eventually};

use crate::support::{LIMIT, ask, connect, transient_code, until_refused};

const WRITE: [&str; 3] = ["SET", "key", "value"];

async fn server() -> Server {
    Server::ephemeral(Durability::Volatile).await.unwrap()
}

/// The code that a command fails with, once the server is configured so.
async fn refusal(server: &Server, name: &str, value: &str, words: &[&str]) -> String {
    let redis = connect(&server.url());
    ask::<()>(&redis, &["CONFIG", "SET", name, value]).await.unwrap();
    transient_code(&ask::<redis::Value>(&redis, words).await.unwrap_err())
}

#[tokio::test]
async fn a_full_server() {
    assert_eq!(refusal(&server().await, "maxmemory", "1", &WRITE).await, "OOM");
}

#[tokio::test]
async fn a_server_without_the_replicas_it_needs() {
    assert_eq!(refusal(&server().await, "min-replicas-to-write", "1", &WRITE).await, "NOREPLICAS");
}

#[tokio::test]
async fn a_server_that_cannot_write_to_its_disk() {
    let server = server().await;
    let redis = connect(&server.url());
    // Its snapshot cannot take the place of a folder.
    fs::create_dir(server.directory().join("dump.rdb")).unwrap();
    ask::<()>(&redis, &["CONFIG", "SET", "save", "3600 1"]).await.unwrap();
    ask::<redis::Value>(&redis, &["BGSAVE"]).await.unwrap();
    until_refused(&redis, &WRITE, "MISCONF").await;
}

#[tokio::test]
async fn a_server_that_is_a_replica_until_it_is_master_again() {
    let server = server().await;
    let redis = connect(&server.url());
    // Port 1 is nobody's.
    ask::<()>(&redis, &["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    let refused = ask::<()>(&redis, &WRITE).await.unwrap_err();
    assert_eq!(transient_code(&refused), "READONLY");
    ask::<()>(&redis, &["CONFIG", "SET", "replica-serve-stale-data", "no"]).await.unwrap();
    let refused = ask::<redis::Value>(&redis, &["GET", "key"]).await.unwrap_err();
    assert_eq!(transient_code(&refused), "MASTERDOWN");
    ask::<()>(&redis, &["REPLICAOF", "NO", "ONE"]).await.unwrap();
    ask::<()>(&redis, &WRITE).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_busy_with_a_script() {
    let server = server().await;
    let redis = connect(&server.url());
    ask::<()>(&redis, &["CONFIG", "SET", "busy-reply-threshold", "5"]).await.unwrap();
    let looping = connect(&server.url());
    let endless =
        tokio::spawn(async move { ask::<redis::Value>(&looping, &["EVAL", "while true do end", "0"]).await });
    until_refused(&redis, &["GET", "key"], "BUSY").await;
    ask::<()>(&redis, &["SCRIPT", "KILL"]).await.unwrap();
    endless.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_server_that_loads_its_data() {
    let mut server = Server::ephemeral_with(|settings| {
        // Microseconds a key, so loading takes a second; it answers in between every 1024 commands.
        settings.extra.push(("key-load-delay".to_owned(), "200".to_owned()));
    })
    .await
    .unwrap();
    let redis = connect(&server.url());
    let fill = "for i = 1, 5000 do redis.call('SET', i, i) end";
    ask::<redis::Value>(&redis, &["EVAL", fill, "0"]).await.unwrap();
    let restarting = tokio::spawn(async move {
        server.restart().await.unwrap();
        server
    });
    until_refused(&redis, &["GET", "key"], "LOADING").await;
    let _server = restarting.await.unwrap();
    eventually("the server to answer", LIMIT, || ask::<redis::Value>(&redis, &["GET", "key"])).await;
}

#[tokio::test]
async fn a_script_and_a_group_that_are_not_there() {
    let server = server().await;
    let redis = connect(&server.url());
    let unknown = "0".repeat(40);
    let refused = ask::<redis::Value>(&redis, &["EVALSHA", &unknown, "0"]).await.unwrap_err();
    assert_eq!(transient_code(&refused), "NOSCRIPT");
    let read = ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "jobs", ">"];
    let refused = ask::<redis::Value>(&redis, &read).await.unwrap_err();
    assert_eq!(transient_code(&refused), "NOGROUP");
}

#[tokio::test]
async fn a_blocking_read_that_an_operator_ends() {
    let server = server().await;
    let redis = connect(&server.url());
    let reader = Redis::open(&server.url()).unwrap().blocking(LIMIT).unwrap();
    let block = LIMIT.as_millis().to_string();
    let reading = tokio::spawn(async move {
        ask::<redis::Value>(&reader, &["XREAD", "BLOCK", &block, "STREAMS", "jobs", "$"]).await
    });
    let id = eventually("the reader to block", LIMIT, || async {
        let clients: String = ask(&redis, &["CLIENT", "LIST"]).await.unwrap();
        let reader = clients.lines().find(|client| client.contains(" cmd=xread "));
        let id = reader.and_then(|client| client.strip_prefix("id=")?.split(' ').next().map(str::to_owned));
        id.ok_or(clients)
    })
    .await;
    ask::<u64>(&redis, &["CLIENT", "UNBLOCK", &id, "ERROR"]).await.unwrap();
    assert_eq!(transient_code(&reading.await.unwrap().unwrap_err()), "UNBLOCKED");
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let mut server = server().await;
    let redis = connect(&server.url());
    ask::<()>(&redis, &WRITE).await.unwrap();
    server.kill().await.unwrap();
    for _ in 0..3 {
        // The first may find a connection that ended, the others find none.
        assert!(ask::<()>(&redis, &WRITE).await.unwrap_err().is_transient());
    }
    server.restart().await.unwrap();
    eventually("the connection to work", LIMIT, || ask::<()>(&redis, &WRITE)).await;
}

#[tokio::test]
async fn a_connection_that_ended_unused_costs_no_command() {
    let server = server().await;
    let redis = connect(&server.url());
    ask::<()>(&redis, &WRITE).await.unwrap();
    let operator = connect(&server.url());
    for _ in 0..3 {
        ask::<()>(&operator, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await.unwrap();
        eventually("the end to be noticed", LIMIT, || async {
            let clients: String = ask(&operator, &["CLIENT", "LIST"]).await.unwrap();
            if clients.lines().count() == 1 { Ok(()) } else { Err(clients) }
        })
        .await;
        ask::<()>(&redis, &WRITE).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_replaced() {
    let server = server().await;
    let proxy = FaultProxy::start(([127, 0, 0, 1], server.port()).into()).await.unwrap();
    let redis = Redis::open(&proxy.url()).unwrap();
    // A short limit, so that the test is.
    let redis = redis.blocking(Duration::ZERO).unwrap();
    ask::<()>(&redis, &WRITE).await.unwrap();
    proxy.silence();
    let silent = ask::<()>(&redis, &WRITE).await.unwrap_err();
    assert!(silent.is_transient(), "{silent}");
    // What was connected stays half-open for ever.
    proxy.pass();
    ask::<()>(&redis, &WRITE).await.unwrap();
}

#[tokio::test]
async fn several_single_servers_are_refused_because_nobody_knows_which_is_meant() {
    let (one, other) = (server().await, server().await);
    let redis = connect(&format!("{},{}", one.url(), other.url()));
    let refused = ask::<()>(&redis, &WRITE).await.unwrap_err();
    assert!(!refused.is_transient(), "{refused}");
    assert!(refused.to_string().contains("only a cluster can have"), "{refused}");
}
