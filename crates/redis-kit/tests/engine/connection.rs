//! Connections that recover by themselves.

use redis_kit::{Redis, check_version};
use test_support::eventually;

use crate::harness::{Bench, LIMIT};

#[tokio::test]
async fn a_connection_whose_login_was_refused_works_once_it_is_welcome() {
    let bench = Bench::start().await;
    let mut connection = Redis::open(&bench.server.url()).unwrap().commands().unwrap();
    let () = bench.run(&["CONFIG", "SET", "requirepass", "secret"]).await;
    for _ in 0..3 {
        let refused = redis_kit::cmd("PING").exec_async(&mut connection).await.unwrap_err();
        assert!(!redis_kit::Error::from(refused).is_transient(), "waiting does not help");
    }
    // The test's own connection was made before there was a password.
    let () = bench.run(&["CONFIG", "SET", "requirepass", ""]).await;
    eventually("the connection to work", LIMIT, || async {
        redis_kit::cmd("PING").exec_async(&mut connection.clone()).await
    })
    .await;
}

#[tokio::test]
async fn the_servers_we_test_on_are_new_enough() {
    let bench = Bench::start().await;
    check_version(bench.commands()).await.unwrap();
}
