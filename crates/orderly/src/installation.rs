//! The running installation that a command looks at or steers.

use anyhow::Context;
use common::{names::Names, partition::Partitions, service::InstallationArgs};
use redis_kit::{Connection, Error, Redis, cmd};

/// An installation that has been reached.
pub(crate) struct Installation {
    /// For more connections.
    pub(crate) server: Redis,
    pub(crate) redis: Connection,
    pub(crate) names: Names,
    pub(crate) partitions: Partitions,
}

impl Installation {
    /// Connects, and learns how many partitions there are. Fails if Redis does not answer, or holds no installation.
    pub(crate) async fn reach(args: &InstallationArgs) -> anyhow::Result<Self> {
        let server = Redis::open(&args.redis_url)?;
        let address = server.address();
        let found = Self::look(server, Names::new(&args.key_prefix)).await.with_context(|| {
            format!("cannot ask Redis at {address}; name another with --redis-url (REDIS_URL)")
        })?;
        found.with_context(|| {
            format!(
                "Redis at {address} holds no installation of this name; start the system once, or name another with --redis-url \
                 or --key-prefix"
            )
        })
    }

    /// `None` if Redis holds no installation of this name.
    pub(crate) async fn look(server: Redis, names: Names) -> Result<Option<Self>, Error> {
        let mut redis = server.commands()?;
        let count: Option<u16> = cmd("GET").arg(names.partitions()).query_async(&mut redis).await?;
        Ok(count.map(|count| Self { server, redis, names, partitions: Partitions::new(count) }))
    }
}
