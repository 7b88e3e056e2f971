//! What the contenders of several benchmarks share: a server, and tasks that do the same over and over.

use std::{env, time::Instant};

use futures_util::future::join_all;
use local_redis::{Durability, Server};
use redis::{IntoConnectionInfo, ProtocolVersion, aio::MultiplexedConnection, io::tcp::TcpSettings};
use redis_kit::Redis;
use test_support::Table;

use crate::{CYCLES, TASKS};

/// The body of each benchmark's `main`: all of it runs on this thread.
pub(crate) fn run(measure: impl Future<Output = Table>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("\n{}", runtime.block_on(measure));
}

/// `TASKS` is how many tasks there are, and `CYCLES` names the variable that says how many cycles they do in all, and how many
/// they do unless it does.
pub(crate) struct Rig {
    pub(crate) rounds: usize,
    pub(crate) cycles: usize,
    only: String,
    pub(crate) redis: Redis,
    server: Server,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let number = |name, default| env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
        let server = Server::ephemeral(Durability::Volatile).await.expect("a Redis server");
        Self {
            rounds: number("BENCH_ROUNDS", 7),
            cycles: number(CYCLES.0, CYCLES.1),
            only: env::var("BENCH_ONLY").unwrap_or_default(),
            redis: Redis::open(&server.url()).expect("its URL"),
            server,
        }
    }

    pub(crate) fn wants(&self, about: &str) -> bool {
        about.contains(&self.only)
    }

    /// A connection of the client library's own, set up as ours are.
    pub(crate) async fn bare(&self) -> MultiplexedConnection {
        let url = self.server.url().into_connection_info().expect("a URL");
        let settings = url.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true);
        let client = redis::Client::open(url.set_redis_settings(settings).set_tcp_settings(tcp));
        let config = redis::AsyncConnectionConfig::new()
            .set_response_timeout(Some(std::time::Duration::from_secs(5)))
            .set_pipeline_buffer_size(1024);
        let client = client.expect("a client");
        client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection")
    }
}

/// Has all tasks go through so many cycles in all, and returns how many they did in a second.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
pub(crate) async fn rate<Task>(cycles: usize, task: impl Fn(usize, usize) -> Task) -> f64
where
    Task: Future<Output = ()> + Send + 'static,
{
    let each = cycles / TASKS;
    let begun = Instant::now();
    let tasks = join_all((0..TASKS).map(|number| tokio::spawn(task(number, each)))).await;
    for task in tasks {
        task.expect("a task that ends well");
    }
    (each * TASKS) as f64 / begun.elapsed().as_secs_f64()
}
