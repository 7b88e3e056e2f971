//! What the tests share.

use std::time::Duration;

use local_redis::{Cluster, Durability, Server};
use redis_kit::{Connection, Error, Redis};
use test_support::eventually;

/// How long anything may take, however busy the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Keys in the slots of a cluster's first, second and last node, and those slots.
pub(crate) const KEYS: [(&str, u16); 3] = [("b", 3300), ("c", 7365), ("d", 11298)];

pub(crate) async fn cluster() -> Cluster {
    Cluster::ephemeral(Durability::Volatile).await.unwrap()
}

/// A connection that finds its way.
pub(crate) fn connect(url: &str) -> Connection {
    Redis::open(url).unwrap().commands().unwrap()
}

/// A connection to one node alone.
pub(crate) fn connect_to(node: &Server) -> Connection {
    Redis::open_node(&node.url()).unwrap().commands().unwrap()
}

/// Runs one command, given as words.
pub(crate) async fn ask<T: redis_kit::FromRedisValue>(
    connection: &Connection,
    words: &[&str],
) -> Result<T, Error> {
    let mut command = redis_kit::cmd(words[0]);
    Ok(command.arg(&words[1..]).query_async(&mut connection.clone()).await?)
}

/// The code of an error that is worth waiting for.
pub(crate) fn transient_code(error: &Error) -> String {
    assert!(error.is_transient(), "{error}");
    let Error::Redis(error) = error else { panic!("{error} does not come from Redis") };
    error.code().unwrap_or("none").into()
}

/// Repeats a command until it fails with this code.
pub(crate) async fn until_refused(connection: &Connection, words: &[&str], code: &str) {
    eventually(code, LIMIT, || async {
        match ask::<redis::Value>(connection, words).await {
            Err(error) if transient_code(&error) == code => Ok(()),
            answer => Err(format!("the answer to {words:?} is {answer:?}")),
        }
    })
    .await;
}
