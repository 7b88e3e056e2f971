//! The system at one moment, as Redis and the services themselves tell it.

use common::{
    instances::{Instance, instances},
    operations::{
        Installation,
        groups::{Group, Stream, streams},
        parked,
    },
};
use futures_util::future::try_join3;
use redis_kit::Error;
use tokio::time::Instant;

/// What was seen.
#[derive(Clone)]
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) streams: [Stream; 2],
    pub(super) instances: Vec<Instance>,
    /// Payments that wait for a person.
    pub(super) parked: u64,
}

impl Look {
    pub(super) async fn take(installation: &Installation) -> Result<Self, Error> {
        let (streams, instances, parked) = try_join3(
            streams(installation),
            instances(&installation.redis, &installation.names),
            parked::count(installation),
        )
        .await?;
        Ok(Self { at: Instant::now(), streams, instances, parked })
    }

    /// Every group.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.streams.iter().flat_map(|stream| &stream.groups)
    }

    /// The instances of a service.
    pub(super) fn of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Instance> {
        self.instances.iter().filter(move |instance| instance.service == service)
    }

    pub(super) fn is_paused(&self, group: &str) -> bool {
        self.instances.iter().any(|instance| instance.paused.iter().any(|paused| paused == group))
    }
}
