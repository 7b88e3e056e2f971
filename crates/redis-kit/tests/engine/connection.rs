//! Connections that recover by themselves.

use std::collections::HashMap;

use redis_kit::{Error, check_version};
use test_support::eventually;

use crate::harness::{Bench, LIMIT, same};

#[tokio::test]
async fn a_command_whose_answer_is_lost_is_sent_once_and_the_next_one_works() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let mut connection = redis.commands().unwrap();
    let mut appended = async |n: u32| {
        let mut append = redis_kit::cmd("XADD");
        append.arg("log:{t}").arg("*").arg("n").arg(n);
        append.exec_async(&mut connection).await.map_err(Error::from)
    };
    for round in 0..3 {
        appended(2 * round).await.unwrap();
        proxy.drop_replies();
        let reset = async {
            eventually("the entry to be appended", LIMIT, || async {
                same(&(2 * round + 2), &bench.run::<u32>(&["XLEN", "log:{t}"]).await)
            })
            .await;
            proxy.pass();
            proxy.reset_connections();
        };
        let (lost, ()) = tokio::join!(appended(2 * round + 1), reset);
        let lost = lost.unwrap_err();
        assert!(lost.is_transient(), "{lost}");
    }
    appended(6).await.unwrap();
    assert_eq!(bench.run::<u32>(&["XLEN", "log:{t}"]).await, 7);
}

#[tokio::test]
async fn a_pipeline_whose_keys_carry_two_tags_is_refused_and_not_sent() {
    let bench = Bench::start().await;
    let mut sets = redis_kit::pipe();
    sets.cmd("SET").arg("key:{t}").arg(1).cmd("SET").arg("key:{u}").arg(1);
    let mut redis = bench.redis().commands().unwrap();
    let refused = Error::from(sets.exec_async(&mut redis).await.unwrap_err());
    assert!(!refused.is_transient(), "{refused}");
    assert!(refused.to_string().contains("key:{u}"), "{refused}");
    assert_eq!(bench.run::<u64>(&["EXISTS", "key:{t}"]).await, 0);
}

#[tokio::test]
async fn a_pipeline_that_a_full_server_refuses_is_worth_another_try() {
    let bench = Bench::start().await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let mut sets = redis_kit::pipe();
    sets.cmd("SET").arg("a:{t}").arg(1).cmd("SET").arg("b:{t}").arg(1);
    let refused = Error::from(sets.exec_async(&mut bench.commands()).await.unwrap_err());
    assert!(refused.is_transient(), "{refused}");
    sets.atomic();
    let refused = Error::from(sets.exec_async(&mut bench.commands()).await.unwrap_err());
    assert!(refused.is_transient(), "{refused}");
}

#[tokio::test]
async fn a_connection_whose_login_was_refused_works_once_it_is_welcome() {
    let bench = Bench::start().await;
    let mut connection = bench.redis().commands().unwrap();
    let () = bench.run(&["CONFIG", "SET", "requirepass", "secret"]).await;
    let mut read = redis_kit::cmd("GET");
    read.arg("key:{t}");
    for _ in 0..3 {
        let refused = read.exec_async(&mut connection).await.unwrap_err();
        assert!(!redis_kit::Error::from(refused).is_transient(), "waiting does not help");
    }
    // The test's own connection was made before there was a password.
    let () = bench.run(&["CONFIG", "SET", "requirepass", ""]).await;
    eventually("the connection to work", LIMIT, || async { read.exec_async(&mut connection.clone()).await })
        .await;
}

#[tokio::test]
async fn every_server_that_has_keys_can_be_asked_about_itself() {
    let bench = Bench::start().await;
    let nodes = bench.redis().nodes().await.unwrap();
    let mut found = Vec::new();
    for node in &nodes {
        let mut port = redis_kit::cmd("CONFIG");
        port.arg("GET").arg("port");
        let port: HashMap<String, u16> = port.query_async(&mut node.commands().unwrap()).await.unwrap();
        let port = port["port"];
        assert_eq!(node.address(), format!("127.0.0.1:{port}"), "another answers in its place");
        found.push(format!("redis://127.0.0.1:{port}"));
    }
    let mut expected = bench.topology.urls();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_servers_we_test_on_are_new_enough() {
    let bench = Bench::start().await;
    check_version(bench.commands()).await.unwrap();
}
