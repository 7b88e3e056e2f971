//! The Redis that the system runs on: one that is given, or a private one that is found or fetched.

use std::{path::Path, pin::pin, time::Duration};

use local_redis::{Finder, Server, Settings};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, args::UpArgs, console::Console, restart::restart_pause};

/// How long services may go on with Redis after `up` itself was killed: enough to finish what they have in hand.
const LINGER: Duration = Duration::from_secs(3);

/// How long Redis may take to load its data: a journal of many gigabytes is read in this time.
const LOADED_WITHIN: Duration = Duration::from_mins(10);

/// The Redis of one `up`.
pub(super) enum RedisServer {
    /// It was there before, and stays.
    Given { url: String },
    /// It was started here, is restarted if it dies, and is stopped last.
    Private { url: String, description: String, stop: CancellationToken, keeper: JoinHandle<()> },
}

impl RedisServer {
    pub(super) async fn start(args: &UpArgs, console: &Console) -> anyhow::Result<Self> {
        if let Some(url) = &args.redis_url {
            return Ok(Self::Given { url: url.clone() });
        }
        let told = console.clone();
        let finder = Finder::new(args.redis_server.clone());
        let binary = finder.find(&move |step| told.say(&format!("redis: {step}"))).await?;
        let directory = args.data_dir.redis()?;
        let mut settings = Settings::new(&directory);
        settings.port = args.redis_port;
        settings.linger = LINGER;
        settings.ready_within = LOADED_WITHIN;
        let server = patiently(console, &directory, Server::start(&binary, settings)).await?;
        let url = server.url();
        let description = format!("{url}   {binary}, data in {}", server.directory().display());
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(keep_running(server, console.clone(), stop.clone()));
        Ok(Self::Private { url, description, stop, keeper })
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Given { url } | Self::Private { url, .. } => url,
        }
    }

    /// Where it is and what it is, without the credentials that a given URL may carry.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Given { url } => {
                let scheme = url.split("://").next().unwrap_or_default();
                let address = redis_kit::Redis::open(url).map(|redis| redis.address()).unwrap_or_default();
                format!("{scheme}://{address}   given by --redis-url or REDIS_URL")
            }
            Self::Private { description, .. } => description.clone(),
        }
    }

    pub(super) async fn stop(self) {
        if let Self::Private { stop, keeper, .. } = self {
            stop.cancel();
            // A panic in there has been printed.
            let _ = keeper.await;
        }
    }
}

async fn keep_running(mut server: Server, console: Console, stop: CancellationToken) {
    let mut deaths = 0;
    let mut started = Instant::now();
    loop {
        let Some(exit) = stop.run_until_cancelled(server.wait()).await else { break };
        let status = exit.map_or_else(|error| error.to_string(), |status| status.to_string());
        let pause = restart_pause(&mut deaths, started.elapsed());
        console.say(&format!("warning: redis ended ({status}); starting it again in {pause:?}"));
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            break;
        }
        started = Instant::now();
        let directory = server.directory().to_owned();
        let restart = patiently(&console, &directory, server.restart());
        match stop.run_until_cancelled(restart).await {
            None => break,
            Some(Ok(())) => {}
            Some(Err(error)) => console.say(&format!("warning: cannot start redis: {error}")),
        }
    }
    if let Err(error) = server.stop().await {
        console.say(&format!("warning: cannot stop redis: {error}"));
    }
}

/// Waits for Redis to start, and tells those who wait.
async fn patiently<Started>(
    console: &Console,
    directory: &Path,
    start: impl Future<Output = Started>,
) -> Started {
    let log = directory.join("server.log");
    let mut start = pin!(start);
    loop {
        if let Ok(started) = timeout(PATIENCE, &mut start).await {
            return started;
        }
        console.say(&format!("waiting: redis is still loading its data (its log: {})", log.display()));
    }
}
