//! What the tests run on: chosen by the name of the test target, the same sources for both.

use local_redis::{Cluster, Durability, Server};
use redis_kit::Redis;
use test_support::eventually;

use crate::harness::LIMIT;

/// Whether this test target is the one on a cluster.
pub(crate) const IS_CLUSTER: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"engine_on_cluster");

/// The node of a [`Cluster`] that holds the tag `{t}`, which is slot 15891.
const HOLDER: usize = 2;

pub(crate) enum Topology {
    Single(Box<Server>),
    Cluster(Cluster),
}

impl Topology {
    pub(crate) async fn start(durability: Durability) -> Self {
        if IS_CLUSTER {
            Self::Cluster(crate::ahead::cluster(durability).await)
        } else {
            Self::Single(Box::new(Server::ephemeral(durability).await.unwrap()))
        }
    }

    /// The server that holds the tag `{t}`.
    pub(crate) fn server(&self) -> &Server {
        match self {
            Self::Single(server) => server,
            Self::Cluster(cluster) => &cluster.nodes()[HOLDER],
        }
    }

    /// All of it, the server first.
    pub(crate) fn url(&self) -> String {
        self.urls().join(",")
    }

    /// Each node, the server first.
    pub(crate) fn urls(&self) -> Vec<String> {
        match self {
            Self::Single(server) => vec![server.url()],
            Self::Cluster(cluster) => {
                let mut urls = cluster.urls();
                urls.rotate_left(HOLDER);
                urls
            }
        }
    }

    pub(crate) async fn crash(&mut self) {
        match self {
            Self::Single(server) => drop(server.kill().await.unwrap()),
            Self::Cluster(cluster) => cluster.crash_all().await.unwrap(),
        }
    }

    /// Kills the server alone.
    pub(crate) async fn crash_server(&mut self) {
        let server = match self {
            Self::Single(server) => server,
            Self::Cluster(cluster) => &mut cluster.nodes_mut()[HOLDER],
        };
        server.kill().await.unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        match self {
            Self::Single(server) => server.restart().await.unwrap(),
            Self::Cluster(cluster) => cluster.restart_all().await.unwrap(),
        }
    }

    /// Has all nodes of a cluster say that the server is to be reached at this port, so that who asks them where a key is
    /// goes there. A single server says nothing of the kind.
    pub(crate) async fn announce(&self, port: u16) {
        let Self::Cluster(cluster) = self else { return };
        let port = port.to_string();
        ask::<()>(&self.server().url(), &["CONFIG", "SET", "cluster-announce-port", &port]).await;
        for url in cluster.urls() {
            eventually("a node to hear of the port", LIMIT, || async {
                let nodes: String = ask(&url, &["CLUSTER", "NODES"]).await;
                if nodes.contains(&format!(":{port}@")) { Ok(()) } else { Err(nodes) }
            })
            .await;
        }
    }
}

/// Asks one node.
async fn ask<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> T {
    let mut node = Redis::open_node(url).unwrap().commands().unwrap();
    redis_kit::cmd(words[0]).arg(&words[1..]).query_async(&mut node).await.unwrap()
}
