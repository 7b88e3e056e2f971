//! The bootstrap of every service that works on Redis: one way to connect, to agree on partitions, to be probed, and to
//! be seen.

use std::{net::SocketAddr, process::id as process_id, time::Duration};

use anyhow::Context;
use clap::Args;
use redis_kit::{
    Connection, Redis, check_version, patiently,
    stream::{Handler, Mode, Worker, WorkerOptions},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;
use uuid::Uuid;

use crate::{
    control::{self, GroupActions, Operator, Pauses},
    first_written::first_written,
    health::Health,
    heartbeat,
    http::{self, HttpArgs, Mount},
    names::Names,
    partition::Partitions,
    seconds::seconds,
};

/// Which installation: where its data is, and under which names.
#[derive(Args, Clone, Debug)]
pub struct InstallationArgs {
    /// The durable Redis: `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS
    #[arg(long, env = "REDIS_URL", default_value = "redis://127.0.0.1:6379", hide_env_values = true)]
    pub redis_url: String,
    /// What every name in Redis begins with, so that installations can share one server
    #[arg(
        long,
        env = "ORDERLY_KEY_PREFIX",
        default_value = "",
        hide_default_value = true,
        value_name = "PREFIX"
    )]
    pub key_prefix: String,
}

/// What every service that works on Redis is told.
#[derive(Args, Clone, Debug)]
pub struct ServiceArgs {
    /// Where its data is
    #[command(flatten)]
    pub installation: InstallationArgs,
    /// How many partitions orders are spread over; fixed once there is data
    #[arg(long, env = "ORDERLY_PARTITIONS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub partitions: u16,
    /// The name of this instance among those of its service; by default the service's with random digits
    #[arg(long, env = "ORDERLY_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    #[command(flatten)]
    /// Where it listens
    pub http: HttpArgs,
}

/// After how long another instance takes over the partitions of one that died, at most. It may be shorter than that of payments in
/// hand: what follows the journal does nothing elsewhere that could not be done twice, so who is only slow does no harm.
const ORDERED_LEASE: Duration = Duration::from_secs(5);

/// How a service's consumers read; flags that every consuming service has.
#[derive(Args, Clone, Debug)]
pub struct ConsumerArgs {
    /// Seconds without a sign of life after which others take over what a consumer has in hand; 5 at most for what follows the
    /// journal
    #[arg(long, env = "LEASE_SECONDS", default_value = "15", value_name = "SECONDS", value_parser = seconds)]
    pub lease: Duration,
}

impl ConsumerArgs {
    /// The worker's options, to be refined by the service.
    pub fn options(&self) -> WorkerOptions {
        WorkerOptions { lease: self.lease, ..WorkerOptions::default() }
    }

    /// The same for what follows a stream in its order, where an entry is never given up: the next one waits for it.
    pub fn ordered(&self) -> WorkerOptions {
        WorkerOptions {
            mode: Mode::Ordered,
            lease: self.lease.min(ORDERED_LEASE),
            max_attempts: None,
            ..self.options()
        }
    }
}

/// A service that listens, has reached Redis and agreed with it on the partitions. It is ready once
/// [`Service::run`] was called and every part of its [`Health`] is well.
pub struct Service {
    /// Where Redis is.
    pub redis: Redis,
    /// A shared connection for commands that answer at once.
    pub commands: Connection,
    /// Every name in Redis.
    pub names: Names,
    /// The partitions of the data.
    pub partitions: Partitions,
    /// The parts that must be well.
    pub health: Health,
    /// The name of this instance among those of its service.
    pub instance: String,
    name: &'static str,
    address: SocketAddr,
    mount: Mount,
    server: JoinHandle<std::io::Result<()>>,
    // Dropped, it lets the server finish and end.
    server_stop: DropGuard,
    shutdown: CancellationToken,
    pauses: Pauses,
}

impl Service {
    /// Listens for probes at once, then waits for Redis, for as long as it takes.
    ///
    /// Fails if the port is taken, the URL is none, the server is too old, or the data has another number of partitions.
    /// `None` if `shutdown` came first.
    pub async fn start(
        name: &'static str,
        args: &ServiceArgs,
        default_port: u16,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let listener = args.http.bind(default_port).await?;
        Self::start_on(listener, name, args, shutdown).await
    }

    /// The same on a listener that the caller has bound, and so knows the address of.
    pub async fn start_on(
        listener: TcpListener,
        name: &'static str,
        args: &ServiceArgs,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let address = listener.local_addr().context("cannot tell the port")?;
        let redis = Redis::open(&args.installation.redis_url)?;
        let instance = args.instance.clone().unwrap_or_else(|| unique(name));
        let (health, mount) = (Health::default(), Mount::default());
        let draining = shutdown.clone();
        health.add("running", move || if draining.is_cancelled() { Err("draining".into()) } else { Ok(()) });
        let starting = http::routes(health.clone(), mount.clone());
        let server_stop = CancellationToken::new();
        let service = Self {
            commands: redis.commands()?,
            redis,
            names: Names::new(&args.installation.key_prefix),
            partitions: Partitions::new(args.partitions),
            health,
            name,
            instance,
            address,
            mount,
            server: tokio::spawn(http::serve(
                listener,
                starting,
                args.http.limits.clone(),
                server_stop.clone(),
            )),
            server_stop: server_stop.drop_guard(),
            shutdown: shutdown.clone(),
            pauses: Pauses::default(),
        };
        info!(service = name, instance = service.instance, %address, redis = service.redis.address(), "starting");
        match shutdown.run_until_cancelled(service.agree_with_redis()).await {
            Some(reached) => reached.map(|()| Some(service)),
            None => Ok(None),
        }
    }

    /// Waits for Redis, and learns whether it is new enough and its data lives in as many partitions as this service
    /// expects.
    async fn agree_with_redis(&self) -> anyhow::Result<()> {
        patiently(|| check_version(self.commands.clone())).await?;
        let (key, count) = (self.names.partitions(), self.partitions.count());
        let stored = patiently(|| first_written(self.commands.clone(), &key, count)).await?;
        Ok(self.partitions.check(stored)?)
    }

    /// Opens the routes that the public may use.
    pub fn open(&self, routes: axum::Router) {
        self.mount.open(routes);
    }

    /// Joins a consumer group on `streams`, lets operators pause it, and makes the service's readiness follow the worker's, as
    /// a part of the group's name.
    pub async fn join<H: Handler>(
        &self,
        streams: &[String],
        group: &'static str,
        handler: H,
        options: WorkerOptions,
    ) -> anyhow::Result<Worker<H>> {
        let pause = self
            .pauses
            .add(group, &self.commands, &self.names)
            .await
            .with_context(|| format!("cannot tell whether the consumer group {group} is paused"))?;
        let options = WorkerOptions { pause, ..options };
        let worker = Worker::start(&self.redis, streams, group, &self.instance, handler, options)
            .await
            .with_context(|| format!("cannot join the consumer group {group}"))?;
        let status = worker.status();
        self.health.add(group, move || status.check());
        Ok(worker)
    }

    /// Announces this instance in Redis, and runs `work` until it ends, which it must do soon after the shutdown. Meanwhile
    /// it carries out what operators ask of the service's groups.
    pub async fn run(self, work: impl Future<Output = ()>) -> anyhow::Result<()> {
        let describe = heartbeat::Description {
            service: self.name,
            instance: self.instance.clone(),
            process: process_id(),
            address: Some(self.address),
        };
        let (health, pauses) = (self.health.clone(), self.pauses.clone());
        let now = move || heartbeat::State { ready: health.is_ready(), paused: pauses.on() };
        let (beating, beat) = heartbeat::start(describe, &self.names, self.commands.clone(), now);
        self.health.add("redis", move || beat.check());
        // A service that opened nothing to the public has started all the same.
        self.mount.open(axum::Router::new().fallback(http::unknown_route));
        let operator = Operator {
            service: self.name,
            instance: self.instance,
            names: self.names.clone(),
            hands: GroupActions {
                redis: self.commands,
                names: self.names,
                partitions: self.partitions,
                pauses: self.pauses,
            },
        };
        tokio::join!(work, control::run(operator, &self.redis, self.shutdown));
        beating.stop().await;
        // The probes answer until the work is done; requests in flight are finished.
        drop(self.server_stop);
        self.server.await.context("the HTTP server panicked")?.context("the HTTP server failed")
    }
}

/// A name that nobody had before.
fn unique(name: &str) -> String {
    format!("{name}-{:08x}", Uuid::new_v4().as_fields().0)
}
