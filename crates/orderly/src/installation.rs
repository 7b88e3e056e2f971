//! The running installation that a command looks at or steers.

use std::ops::Deref;

use anyhow::{Context, bail};
use common::{names::Names, operations, partition::Partitions, service::InstallationArgs};
use redis_kit::{Redis, cmd};

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
        let address = server.address();
        let (mut commands, names) = (server.commands()?, Names::new(&args.key_prefix));
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
        let data = operations::Installation { redis: commands, names, partitions: Partitions::new(count) };
        Ok(Self { server, data })
    }
}
