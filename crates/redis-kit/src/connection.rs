use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use redis::{
    Client, Cmd, ErrorKind, IntoConnectionInfo, Pipeline, ProtocolVersion, RedisError, RedisFuture,
    RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use crate::Error;

/// A connection that is cheap to clone, shared by all its clones, and re-established by the next command after it
/// was lost. A command in flight when that happens fails, and is not sent again: whether it was carried out is
/// unknown, and only its sender knows whether it may be repeated.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    client: Client,
    config: ConnectionManagerConfig,
    /// Re-establishes by itself a connection that is known to be lost, but keeps one that is of no use: see
    /// [`is_of_no_use`].
    manager: Mutex<Arc<ConnectionManager>>,
}

/// How long one attempt to connect may take.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// How long an answer may take. Longer than a disk's worst `fsync`, which Redis waits for under `appendfsync always`.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Where Redis is, and how to connect to it: over RESP3, with `TCP_NODELAY`, with keepalive against half-open
/// connections, and failing at once rather than queueing while Redis is away (the caller knows best how to wait).
#[derive(Clone, Debug)]
pub struct Redis {
    client: Client,
}

impl Redis {
    /// Reads a URL: `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. Does not connect yet.
    pub fn open(url: &str) -> Result<Self, Error> {
        // Several TLS providers may be linked in; rustls wants to be told which one. The first caller decides.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15));
        let info = url.into_connection_info().map_err(Error::Url)?;
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        let client = Client::open(info.set_redis_settings(settings).set_tcp_settings(tcp));
        Ok(Self { client: client.map_err(Error::Url)? })
    }

    /// `host:port`, without the credentials that the URL may carry.
    pub fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    /// A connection for commands that answer at once. It connects when first used.
    pub fn commands(&self) -> Result<Connection, Error> {
        Ok(Connection::lazy(&self.client, ANSWER_LIMIT)?)
    }

    /// A connection of its own for a command that blocks up to `block`. A blocking command would hold up everything
    /// behind it on a shared connection, and its answer must be allowed to come later than `block`.
    pub fn blocking(&self, block: Duration) -> Result<Connection, Error> {
        Ok(Connection::lazy(&self.client, block + ANSWER_LIMIT)?)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
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

impl Connection {
    fn lazy(client: &Client, answer_limit: Duration) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(answer_limit))
            .set_number_of_retries(0)
            .set_pipeline_buffer_size(1024);
        let manager = client.get_connection_manager_lazy(config.clone())?;
        let manager = Mutex::new(Arc::new(manager));
        Ok(Self(Arc::new(Shared { client: client.clone(), config, manager })))
    }

    fn manager(&self) -> Arc<ConnectionManager> {
        Arc::clone(&self.0.manager.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces a connection that is of no use, unless another caller already has. What is in flight on it may still be
    /// answered.
    fn check<T>(&self, used: &Arc<ConnectionManager>, result: RedisResult<T>) -> RedisResult<T> {
        if result.as_ref().is_err_and(is_of_no_use) {
            // The configuration was good the first time.
            let fresh = self.0.client.get_connection_manager_lazy(self.0.config.clone())?;
            let mut current = self.0.manager.lock().unwrap_or_else(PoisonError::into_inner);
            if Arc::ptr_eq(&current, used) {
                *current = Arc::new(fresh);
            }
        }
        result
    }
}

/// Whether a new connection may fare better than the one that failed so:
/// - no answer came: the network or a balancer forgot it, which the system's TCP may not notice for a quarter of an hour;
/// - its handshake was refused, which the client library remembers for ever;
/// - it leads to a server that is no master any more, where the address may lead to another one by now.
fn is_of_no_use(error: &RedisError) -> bool {
    let refused = matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::RESP3NotSupported);
    let code = matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "READONLY" | "DENIED"));
    error.is_timeout() || refused || code
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        async move {
            let used = self.manager();
            let answer = ConnectionManager::clone(&used).send_packed_command(command).await;
            self.check(&used, answer)
        }
        .boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        async move {
            let used = self.manager();
            let answers = ConnectionManager::clone(&used).send_packed_commands(pipeline, offset, count).await;
            self.check(&used, answers)
        }
        .boxed()
    }

    fn get_db(&self) -> i64 {
        self.manager().get_db()
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
    }
}
