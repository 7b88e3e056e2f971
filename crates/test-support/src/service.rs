use std::time::Duration;

use clap::{Args, Parser};
use local_redis::{Durability, Server};
use redis_kit::{Connection, Redis};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than a service gives itself to drain.
const END: Duration = Duration::from_secs(20);

/// One service that runs inside the test, on a Redis of its own. Dropped, it is asked to stop.
pub struct ServiceUnderTest {
    /// Its Redis.
    pub server: Server,
    /// A connection to that.
    pub redis: Connection,
    running: JoinHandle<anyhow::Result<()>>,
    shutdown: DropGuard,
}

/// Reads a service's configuration from its flags.
///
/// # Panics
/// If the service does not know them.
pub fn config<Config: Args>(flags: &[&str]) -> Config {
    let words = [&["service"], flags].concat();
    let CommandLine { config } = CommandLine::try_parse_from(words).expect("the flags are the service's");
    config
}

#[derive(Parser)]
struct CommandLine<Config: Args> {
    #[command(flatten)]
    config: Config,
}

impl ServiceUnderTest {
    /// Starts a service by its `run`, with `flags` beside the one that names its Redis, which is new.
    ///
    /// # Panics
    /// If there is no server, or the service does not know the flags.
    pub async fn start<Config, Run, Running>(run: Run, flags: &[&str]) -> Self
    where
        Config: Args,
        Run: FnOnce(Config, CancellationToken) -> Running,
        Running: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let server = Server::ephemeral(Durability::Volatile).await.expect("a Redis server can be started");
        Self::start_on(server, run, flags)
    }

    /// The same on a Redis that is there already, such as one that [`ServiceUnderTest::stop`] left.
    ///
    /// # Panics
    /// If the service does not know the flags.
    pub fn start_on<Config, Run, Running>(server: Server, run: Run, flags: &[&str]) -> Self
    where
        Config: Args,
        Run: FnOnce(Config, CancellationToken) -> Running,
        Running: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let url = server.url();
        let flags = [&["--redis-url", &url], flags].concat();
        let shutdown = CancellationToken::new();
        let redis = Redis::open(&url).and_then(|redis| redis.commands()).expect("the server has a URL");
        Self {
            server,
            redis,
            running: tokio::spawn(run(config(&flags), shutdown.clone())),
            shutdown: shutdown.drop_guard(),
        }
    }

    /// Asks the service to stop, and waits until it has. Its Redis stays.
    ///
    /// # Panics
    /// If it does not end in time, or ends with an error.
    pub async fn stop(self) -> Server {
        drop(self.shutdown);
        let ended = timeout(END, self.running).await.expect("the service ends when it is told to");
        ended.expect("the service does not panic").expect("the service ends well");
        self.server
    }
}
