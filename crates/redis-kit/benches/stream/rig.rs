//! What the contenders share: a server, messages, and a stream full of them.

use std::{env, time::Instant};

use local_redis::{Durability, Server};
use redis::{IntoConnectionInfo, ProtocolVersion, aio::MultiplexedConnection, io::tcp::TcpSettings};
use redis_kit::{
    Connection, Redis,
    stream::{Message, Producer},
    trace::TraceContext,
};
use serde::{Deserialize, Serialize};

pub(crate) const STREAM: &str = "jobs:{b}";
pub(crate) const OUTPUT: &str = "done:{b}";

/// About 120 bytes of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "order")]
pub(crate) struct Order {
    user: String,
    amount: String,
    currency: String,
    reference: String,
}

impl Message for Order {
    const TYPES: &'static [&'static str] = &["order"];

    fn message_type(&self) -> &'static str {
        "order"
    }
}

impl Order {
    pub(crate) fn sample() -> Self {
        Self {
            user: "42".into(),
            amount: "99.00".into(),
            currency: "EUR".into(),
            reference: "0198f3c1-8f7e-7d2a-b1a5-3c9b6a1f0e55".into(),
        }
    }
}

pub(crate) struct Rig {
    pub(crate) rounds: usize,
    pub(crate) entries: usize,
    only: String,
    pub(crate) redis: Redis,
    server: Server,
}

impl Rig {
    pub(crate) async fn start(durability: Durability) -> Self {
        let number = |name, default| env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
        let server = Server::ephemeral(durability).await.expect("a Redis server");
        Self {
            rounds: number("BENCH_ROUNDS", 5),
            entries: number("BENCH_ENTRIES", 200_000),
            only: env::var("BENCH_ONLY").unwrap_or_default(),
            redis: Redis::open(&server.url()).expect("its URL"),
            server,
        }
    }

    /// Entries a second, all of them having taken since `begun`.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    pub(crate) fn rate(&self, begun: Instant) -> f64 {
        self.entries as f64 / begun.elapsed().as_secs_f64()
    }

    pub(crate) fn wants(&self, about: &str, contender: &str) -> bool {
        format!("{about}, {contender}").contains(&self.only)
    }

    pub(crate) fn commands(&self) -> Connection {
        self.redis.commands().expect("a connection")
    }

    /// A connection of the client library's own, as a loop by hand would have.
    pub(crate) async fn bare(&self) -> MultiplexedConnection {
        let url = self.server.url().into_connection_info().expect("a URL");
        let settings = url.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true);
        let client = redis::Client::open(url.set_redis_settings(settings).set_tcp_settings(tcp));
        // Half a second by default, which a blocking read and a busy machine exceed.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let client = client.expect("a client");
        client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection")
    }

    pub(crate) async fn empty(&self) {
        redis_kit::cmd("FLUSHALL").exec_async(&mut self.commands()).await.expect("an empty server");
    }

    /// An empty server with a stream of messages.
    pub(crate) async fn fill(&self) {
        self.empty().await;
        let orders = vec![Order::sample(); self.entries];
        let producer = Producer::new(self.commands(), STREAM);
        producer.append_all(&orders, &TraceContext::root()).await.expect("a full stream");
    }
}
