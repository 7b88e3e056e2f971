//! The running installation that a command looks at or steers.

use std::ops::Deref;

use anyhow::Context;
use common::{names::Names, operations, partition::Partitions, service::InstallationArgs};
use redis_kit::{Connection, Redis, RedisError, cmd};

/// An installation that has been reached.
pub(crate) struct Installation {
    /// For more connections.
    pub(crate) server: Redis,
    data: operations::Installation,
}

impl Deref for Installation {
    type Target = operations::Installation;

    fn deref(&self) -> &operations::Installation {
        &self.data
    }
}

impl Installation {
    /// Connects, and learns how many partitions there are. Fails if Redis does not answer, or holds no installation.
    pub(crate) async fn reach(args: &InstallationArgs) -> anyhow::Result<Self> {
        let server = Redis::open(&args.redis_url)?;
        let (address, redis) = (server.address(), server.commands()?);
        let found = Self::on(server, redis, Names::new(&args.key_prefix)).await.with_context(|| {
            format!("cannot ask Redis at {address}; name another with --redis-url (REDIS_URL)")
        })?;
        found.with_context(|| {
            format!(
                "Redis at {address} holds no installation of this name; start the system once, or name another with --redis-url \
                 or --key-prefix"
            )
        })
    }

    /// The installation of these names, which is there once a service of it has been started.
    pub(crate) async fn on(
        server: Redis,
        mut redis: Connection,
        names: Names,
    ) -> Result<Option<Self>, RedisError> {
        let count: Option<u16> = cmd("GET").arg(names.partitions()).query_async(&mut redis).await?;
        Ok(count.map(|count| {
            let data = operations::Installation { redis, names, partitions: Partitions::new(count) };
            Self { server, data }
        }))
    }
}
