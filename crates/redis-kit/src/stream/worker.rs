use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{Handler, WorkerOptions, lane::Lane, scripts::Membership, settler::Settler};
use crate::{Error, LastSeen, Redis, patiently};

/// One member of a consumer group: reads its streams side by side and hands each entry to a handler.
///
/// Starting and running are apart: once [`Worker::start`] has returned, the groups exist and nothing that is appended
/// from then on is missed; [`Worker::run`] does the work.
pub struct Worker<H> {
    lanes: Vec<Lane<H>>,
    status: WorkerStatus,
}

impl<H: Handler> Worker<H> {
    /// Joins `group` on every one of `streams` as `consumer`, creating groups that are missing at the start of their
    /// stream, and waiting for Redis for as long as it takes. `consumer` must be a new name for every process that ever
    /// runs, or a crash goes unseen.
    pub async fn start(
        redis: &Redis,
        streams: &[String],
        group: &str,
        consumer: &str,
        handler: H,
        options: WorkerOptions,
    ) -> Result<Self, Error> {
        let commands = redis.commands()?;
        let handler = Arc::new(handler);
        let status = WorkerStatus::new(streams.len(), options.block);
        let mut lanes = Vec::with_capacity(streams.len());
        for (partition, stream) in streams.iter().enumerate() {
            let member = Membership::new(stream, group, consumer);
            patiently(|| member.create_group(commands.clone())).await?;
            let reader = redis.blocking(options.block)?;
            let settler = Settler::new(member, commands.clone(), Arc::clone(&handler), options.clone());
            lanes.push(Lane::new(partition, settler, reader, status.clone()));
        }
        Ok(Self { lanes, status })
    }

    /// Tells, while the worker runs, whether it still gets answers from Redis.
    pub fn status(&self) -> WorkerStatus {
        self.status.clone()
    }

    /// Works until `shutdown`, then lets handlers finish for [`WorkerOptions::grace`], hands back what they did not
    /// finish, and leaves the group.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut lanes = JoinSet::new();
        for lane in self.lanes {
            lanes.spawn(lane.run(shutdown.clone()));
        }
        lanes.join_all().await;
        info!("drained");
    }
}

/// When each of a worker's streams was last polled with success. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkerStatus {
    /// By partition.
    polled: Arc<[LastSeen]>,
    late: Duration,
}

impl WorkerStatus {
    fn new(partitions: usize, block: Duration) -> Self {
        Self {
            polled: (0..partitions).map(|_| LastSeen::default()).collect(),
            // A read takes as long as it blocks; ten in a row without an answer are no coincidence.
            late: block * 10,
        }
    }

    pub(super) fn polled(&self, partition: usize) {
        self.polled[partition].touch();
    }

    /// Fails with the reason when a stream has not been polled for ten times as long as one read may block. A worker
    /// whose slots are all busy polls with a `PING`.
    pub fn check(&self) -> Result<(), String> {
        for (partition, polled) in self.polled.iter().enumerate() {
            let ago = polled.ago();
            if ago > self.late {
                return Err(format!("partition {partition} has not been polled for {} s", ago.as_secs()));
            }
        }
        Ok(())
    }
}
