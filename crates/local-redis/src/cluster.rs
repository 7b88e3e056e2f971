//! A real Redis Cluster of three masters for tests: one each, gone with the value.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisResult};
use tokio::time::{Instant, sleep};

use crate::port::ReservedPort;
use crate::probe::{connect, field};
use crate::{Durability, Error, Server, Settings};

/// The fewest that a cluster can lose one of and still agree on it.
const MASTERS: usize = 3;

/// How many hash slots there are, in every cluster.
const SLOTS: usize = 16384;

/// How long a node may be silent before the others say that it failed. Short, so that tests about that are; long enough
/// for a busy machine, on which three processes may get no turn for a while.
const NODE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one question to a node may take.
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// How long the nodes may take to agree. A master that has just started waits two seconds by itself before it serves.
const AGREE_LIMIT: Duration = Duration::from_secs(30);

/// Between two looks whether they do.
const POLL: Duration = Duration::from_millis(20);

/// Three masters on 127.0.0.1, each with a third of the slots: the first node has the lowest, the last the highest.
///
/// Like a [`Server`] it does not outlive its owner. There are no replicas, so the slots of a node that is down are down.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
    /// Where they talk to each other.
    buses: [ReservedPort; MASTERS],
}

impl Cluster {
    /// A cluster on free ports with temporary directories; killed, and its directories removed, when dropped. It serves
    /// all slots when this returns, which takes a little more than two seconds: a master that starts waits that long.
    ///
    /// Its servers are the ones that [`ServerChoice::from_env`](crate::ServerChoice::from_env) means.
    ///
    /// # Errors
    /// As for [`Server::ephemeral`]; [`Error::Cluster`] if a node refuses to join, [`Error::Late`] if they do not agree.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use local_redis::{Cluster, Durability};
    ///
    /// let cluster = Cluster::ephemeral(Durability::Volatile).await?;
    /// assert_eq!(cluster.nodes().len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn ephemeral(durability: Durability) -> Result<Self, Error> {
        let (first, second, third) =
            tokio::try_join!(start_node(durability), start_node(durability), start_node(durability))?;
        let buses = [first.bus, second.bus, third.bus];
        let cluster = Self { nodes: vec![first.server, second.server, third.server], buses };
        cluster.join().await?;
        cluster.until_it_serves().await?;
        Ok(cluster)
    }

    /// Where clients connect to: every node, first to last, separated by commas.
    pub fn url(&self) -> String {
        self.urls().join(",")
    }

    /// The address of every node, first to last.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// The nodes, in the order of their slots.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The same, to stop, kill and restart one of them.
    pub fn nodes_mut(&mut self) -> &mut [Server] {
        &mut self.nodes
    }

    /// Kills every node (SIGKILL): a power cut, for tests.
    ///
    /// # Errors
    /// [`Error::Process`] if the system refuses.
    pub async fn crash_all(&mut self) -> Result<(), Error> {
        for node in &mut self.nodes {
            node.kill().await?;
        }
        Ok(())
    }

    /// Starts every node again on the same port and directory, and returns when the cluster serves all slots again.
    ///
    /// # Errors
    /// As for [`Cluster::ephemeral`].
    pub async fn restart_all(&mut self) -> Result<(), Error> {
        for node in &mut self.nodes {
            node.restart().await?;
        }
        self.until_it_serves().await
    }

    /// Waits until every node says that the cluster is well and all slots are served, as after the restart of one.
    ///
    /// # Errors
    /// [`Error::Late`] if that takes longer than half a minute.
    pub async fn until_it_serves(&self) -> Result<(), Error> {
        let started = Instant::now();
        for node in &self.nodes {
            while let Err(reason) = serves(node).await {
                if started.elapsed() > AGREE_LIMIT {
                    let log = node.last_log_lines().await;
                    return Err(Error::Late { limit: AGREE_LIMIT, reason, log });
                }
                sleep(POLL).await;
            }
        }
        Ok(())
    }

    async fn join(&self) -> Result<(), Error> {
        // First of all nodes: one that has been met does not take an epoch any more.
        for (n, node) in self.nodes.iter().enumerate() {
            take_slots(node, n).await.map_err(|source| Error::Cluster { port: node.port(), source })?;
        }
        for (n, node) in self.nodes.iter().enumerate() {
            // Each meets all that come after it: by gossip alone they would know each other later.
            for (other, bus) in self.nodes.iter().zip(&self.buses).skip(n + 1) {
                let met = meet(node, other.port(), bus.number()).await;
                met.map_err(|source| Error::Cluster { port: node.port(), source })?;
            }
        }
        Ok(())
    }
}

struct Node {
    server: Server,
    bus: ReservedPort,
}

async fn start_node(durability: Durability) -> Result<Node, Error> {
    let bus = ReservedPort::free()?;
    let adjust = |settings: &mut Settings| {
        settings.durability = durability;
        settings.extra.extend(cluster_settings(bus.number()));
    };
    let server = Server::ephemeral_with(adjust).await?;
    Ok(Node { server, bus })
}

fn cluster_settings(bus: u16) -> [(String, String); 4] {
    [
        ("cluster-enabled", "yes".to_owned()),
        // By default it is the port plus 10000, which for a random port may be none.
        ("cluster-port", bus.to_string()),
        ("cluster-announce-ip", "127.0.0.1".to_owned()),
        ("cluster-node-timeout", NODE_TIMEOUT.as_millis().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

/// Gives the `n`-th node its third of the slots. Its epoch differs from the others', so that they need not settle that.
async fn take_slots(node: &Server, n: usize) -> RedisResult<()> {
    let mut node = ask_on(node).await?;
    let (first, after) = (SLOTS * n / MASTERS, SLOTS * (n + 1) / MASTERS);
    redis::cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(n + 1).exec_async(&mut node).await?;
    redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(after - 1).exec_async(&mut node).await
}

async fn meet(node: &Server, port: u16, bus: u16) -> RedisResult<()> {
    let mut node = ask_on(node).await?;
    redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(port).arg(bus).exec_async(&mut node).await
}

/// Why this node does not serve, or does not know of all slots.
async fn serves(node: &Server) -> Result<(), String> {
    let info = cluster_info(node).await.map_err(|error| error.to_string())?;
    let (masters, slots) = (MASTERS.to_string(), SLOTS.to_string());
    let expected =
        [("cluster_state", "ok"), ("cluster_known_nodes", &*masters), ("cluster_slots_ok", &*slots)];
    for (name, value) in expected {
        let found = field(&info, name).unwrap_or("(nothing)");
        if found != value {
            return Err(format!("the node on port {} says {name}:{found}, not {value}", node.port()));
        }
    }
    Ok(())
}

async fn cluster_info(node: &Server) -> RedisResult<String> {
    redis::cmd("CLUSTER").arg("INFO").query_async(&mut ask_on(node).await?).await
}

async fn ask_on(node: &Server) -> RedisResult<MultiplexedConnection> {
    connect(&Client::open(node.url())?, ASK_LIMIT).await
}
