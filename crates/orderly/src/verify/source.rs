//! The installation whose orders are looked at, and how to ask a Redis that may be away for a moment.

use std::time::Duration;

use common::{names::Names, partition::Partitions};
use redis_kit::{Connection, Error, Redis, check_version, cmd};

use crate::installation::{Installation, InstallationArgs};

/// How often a question is asked again after a failure that may pass, and the first pause, which doubles.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Where everything but the provider's books is.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) server: Redis,
    pub(super) redis: Connection,
    pub(super) names: Names,
    pub(super) partitions: Partitions,
    /// Without credentials.
    pub(super) address: String,
}

impl Source {
    /// Connects, and learns how many partitions there are.
    pub(super) async fn open(args: &InstallationArgs) -> anyhow::Result<Self> {
        let Installation { server, redis, names, partitions } = args.reach().await?;
        steadily(Error::is_transient, || check_version(redis.clone())).await?;
        Ok(Self { address: server.address(), server, redis, names, partitions })
    }

    /// How many entries a stream has.
    pub(super) async fn length(&self, stream: &str) -> Result<u64, Error> {
        let length = || async { Ok(cmd("XLEN").arg(stream).query_async(&mut self.redis.clone()).await?) };
        steadily(Error::is_transient, length).await
    }
}

/// Asks again, a few times, where that may help. For questions only: an answer that is lost may have been given.
pub(super) async fn steadily<T, E, Asking>(
    may_pass: impl Fn(&E) -> bool,
    mut ask: impl FnMut() -> Asking,
) -> Result<T, E>
where
    Asking: Future<Output = Result<T, E>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match ask().await {
            Err(error) if may_pass(&error) => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        pause *= 2;
    }
    ask().await
}
