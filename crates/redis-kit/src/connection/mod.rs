//! Connections to a single server or to a cluster, by one code path: a single server is a cluster of one node.
//!
//! `topology` knows which node serves which slot, `keys` where a command's key stands, `router` brings the two together, and
//! `link` is one connection to one node. The client library's own cluster client is not used: it sends a command again
//! after its connection broke, so that an `XADD` may append twice.

mod keys;
mod link;
mod router;
mod seeds;
mod slots;
mod topology;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::FutureExt;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

use self::{router::Router, topology::Topology};
use crate::Error;

pub(crate) use self::slots::slot;

/// A connection that is cheap to clone, shared by all its clones, and re-established by the next command after it
/// was lost. A command in flight when that happens fails, and is not sent again: whether it was carried out is
/// unknown, and only its sender knows whether it may be repeated.
///
/// On a cluster it is a connection to each node that it has had to do with. A command goes to the node that holds its first
/// key, and is sent again only where a node said that it did not carry it out but another one will. A command without
/// a key goes to a node that can be reached; `SCRIPT LOAD` goes to all. A pipeline goes to one node, so all its keys must
/// carry the same hash tag: that is checked on a single server too.
#[derive(Clone)]
pub struct Connection(Arc<Router>);

/// How long one attempt to connect may take.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// How long an answer may take. Longer than a disk's worst `fsync`, which Redis waits for under `appendfsync always`.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Where Redis is, and how to connect to it: over RESP3, with `TCP_NODELAY`, with keepalive against half-open
/// connections, and failing at once rather than queueing while Redis is away (the caller knows best how to wait).
///
/// Whether it is a single server or a cluster, the first contact tells.
#[derive(Clone)]
pub struct Redis {
    topology: Arc<Topology>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&self.address()).finish()
    }
}

impl Redis {
    /// Reads a URL: `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. Does not connect yet.
    ///
    /// Of a cluster any node will do, and several, separated by commas, are better: one of them may be down. Only the
    /// address counts of those that follow the first (`redis://user:password@a:6379,b:6379`).
    ///
    /// # Errors
    /// [`Error::Url`] if it is none.
    pub fn open(url: &str) -> Result<Self, Error> {
        Ok(Self { topology: Arc::new(Topology::of(seeds::read(url)?)) })
    }

    /// The one server at this address, even if it is a node of a cluster: what it does not serve it refuses with `MOVED`.
    /// To ask each node about itself.
    pub fn open_node(url: &str) -> Result<Self, Error> {
        let server = seeds::read(url)?.swap_remove(0);
        Ok(Self { topology: Arc::new(Topology::single(server)) })
    }

    /// Each server that has keys, to be asked about itself as by [`Redis::open_node`]: the single server, or every master of
    /// the cluster that serves slots.
    ///
    /// # Errors
    /// As Redis's, if none of the addresses tells.
    pub async fn nodes(&self) -> Result<Vec<Self>, Error> {
        let map = self.topology.map().await?;
        let node = |address: &ConnectionAddr| {
            let server = self.topology.template().clone().set_addr(address.clone());
            Self { topology: Arc::new(Topology::single(server)) }
        };
        Ok(map.nodes().iter().map(node).collect())
    }

    /// `host:port`, or several separated by commas, without the credentials that the URL may carry.
    pub fn address(&self) -> String {
        self.topology.seeds().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// A connection for commands that answer at once. It connects when first used.
    pub fn commands(&self) -> Result<Connection, Error> {
        Ok(self.connection(ANSWER_LIMIT))
    }

    /// A connection of its own for a command that blocks up to `block`. A blocking command would hold up everything
    /// behind it on a shared connection, and its answer must be allowed to come later than `block`.
    pub fn blocking(&self, block: Duration) -> Result<Connection, Error> {
        Ok(self.connection(block + ANSWER_LIMIT))
    }

    fn connection(&self, answer_limit: Duration) -> Connection {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(answer_limit))
            .set_pipeline_buffer_size(1024);
        Connection(Arc::new(Router::new(Arc::clone(&self.topology), config)))
    }

    /// Connects to the first node that lets it: for pub/sub, which reaches all of them.
    pub(crate) async fn connect_anywhere(
        &self,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let map = self.topology.map().await?;
        let mut last = router::nobody("any slot");
        for node in self.topology.by_preference(&map, &[]) {
            let client = Client::open(self.topology.template().clone().set_addr(node.clone()))?;
            match client.get_multiplexed_async_connection_with_config(config).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
            self.topology.doubt();
        }
        Err(last)
    }
}

/// Fails if the server is older than Redis 7.0, which this crate's scripts need. Valkey tells a version of Redis that it is
/// compatible with.
pub async fn check_version(mut connection: Connection) -> Result<(), Error> {
    let info: String = match redis::cmd("INFO").arg("server").query_async(&mut connection).await {
        // An operator who forbids the question has chosen the server.
        Err(error) if error.code() == Some("NOPERM") => return Ok(()),
        answer => answer?,
    };
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(..7) => Err(Error::TooOld { version: version.into() }),
        _ => Ok(()),
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.0.run(command).boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.0.run_all(pipeline, offset, count).boxed()
    }

    fn get_db(&self) -> i64 {
        self.0.database()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_says_what_one_looks_like() {
        let error = Redis::open("localhost").unwrap_err().to_string();
        assert!(error.contains("redis://"), "{error}");
    }

    #[test]
    fn an_address_carries_no_credentials() {
        let redis = Redis::open("redis://user:secret@127.0.0.1:6390/2").unwrap();
        assert_eq!(redis.address(), "127.0.0.1:6390");
        assert_eq!(format!("{redis:?}"), "Redis(\"127.0.0.1:6390\")");
        let redis = Redis::open("redis://user:secret@a:1,b:2").unwrap();
        assert_eq!(redis.address(), "a:1,b:2");
    }
}
