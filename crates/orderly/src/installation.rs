//! The running installation that a command looks at or steers.

use anyhow::{Context, bail};
use clap::Args;
use common::{names::Names, partition::Partitions};
use redis_kit::{Connection, Redis, cmd};

/// Which installation.
#[derive(Args, Clone, Debug)]
pub(crate) struct InstallationArgs {
    /// Its durable Redis, as its services have it; `up` prints it
    #[arg(long, env = "REDIS_URL", default_value = "redis://127.0.0.1:6379", hide_env_values = true)]
    redis_url: String,
    /// What every name of it in Redis begins with
    #[arg(
        long,
        env = "ORDERLY_KEY_PREFIX",
        default_value = "",
        hide_default_value = true,
        value_name = "PREFIX"
    )]
    key_prefix: String,
}

/// An installation that has been reached.
pub(crate) struct Installation {
    /// For more connections.
    pub(crate) server: Redis,
    pub(crate) redis: Connection,
    pub(crate) names: Names,
    pub(crate) partitions: Partitions,
}

impl InstallationArgs {
    /// Connects, and learns how many partitions there are. Fails if Redis does not answer, or holds no installation.
    pub(crate) async fn reach(&self) -> anyhow::Result<Installation> {
        let server = Redis::open(&self.redis_url)?;
        let address = server.address();
        let (mut commands, names) = (server.commands()?, Names::new(&self.key_prefix));
        let count: Option<u16> =
            cmd("GET").arg(names.partitions()).query_async(&mut commands).await.with_context(|| {
                format!("cannot ask Redis at {address}; name another with --redis-url (REDIS_URL)")
            })?;
        let Some(count) = count else {
            bail!(
                "Redis at {address} holds no installation of this name; start the system once, or name another with --redis-url \
                 or --key-prefix"
            );
        };
        Ok(Installation { server, redis: commands, names, partitions: Partitions::new(count) })
    }
}
