use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use super::{
    Handler, Mode, WorkerOptions, attempt::Attempts, competing::CompetingLane, metrics::DeliveryMetrics,
    ordered::OrderedLane,
};
use crate::{Error, LastSeen, Redis};

/// One member of a consumer group: reads its streams side by side and hands each entry to a handler.
///
/// Starting and running are apart: once [`Worker::start`] has returned, the groups exist and nothing that is appended
/// from then on is missed; [`Worker::run`] does the work.
pub struct Worker<H> {
    lanes: Vec<Lane<H>>,
    status: WorkerStatus,
}

/// A worker on one of its streams.
enum Lane<H> {
    Competing(CompetingLane<H>),
    Ordered(OrderedLane<H>),
}

impl<H: Handler> Worker<H> {
    /// Joins `group` on every one of `streams`, creating groups that are missing at the start of their stream, and waiting
    /// for Redis for as long as it takes. The group knows this worker as `instance` followed by random digits, new for
    /// every time it joins, so that a crash is never taken for the same consumer going on.
    ///
    /// All members of a group work in the same mode, and a group stays with the mode in which it began: ordered mode has no
    /// pending list, and would never look at what is there. In ordered mode all must be given the same streams in the
    /// same order too, because by a stream's place among them they agree whose turn it is.
    ///
    /// # Errors
    /// Those that waiting does not cure: [`Error::is_transient`] is false.
    pub async fn start(
        redis: &Redis,
        streams: &[String],
        group: &str,
        instance: &str,
        handler: H,
        options: WorkerOptions,
    ) -> Result<Self, Error> {
        let commands = redis.commands()?;
        let handler = Arc::new(handler);
        let status = WorkerStatus::new(streams.len(), options.block.max(options.claim_interval));
        let incarnation = incarnation_of(instance);
        let mut lanes = Vec::with_capacity(streams.len());
        for (partition, stream) in streams.iter().enumerate() {
            let attempts = Attempts {
                stream: stream.clone(),
                group: group.into(),
                partition,
                handler: Arc::clone(&handler),
                options: options.clone(),
                metrics: DeliveryMetrics::of(stream, group),
            };
            let (reader, commands, status) =
                (redis.blocking(options.block)?, commands.clone(), status.clone());
            lanes.push(match options.mode {
                Mode::Competing => {
                    Lane::Competing(CompetingLane::start(instance, attempts, reader, commands, status).await?)
                }
                Mode::Ordered => {
                    Lane::Ordered(OrderedLane::start(&incarnation, attempts, reader, commands, status).await?)
                }
            });
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
            let shutdown = shutdown.clone();
            match lane {
                Lane::Competing(lane) => lanes.spawn(lane.run(shutdown)),
                Lane::Ordered(lane) => lanes.spawn(lane.run(shutdown)),
            };
        }
        lanes.join_all().await;
        info!("drained");
    }
}

/// Logs that Redis could not serve a worker, for so many times in a row.
pub(super) fn report_failure(stream: &str, group: &str, error: &Error, failures: u32) {
    if failures > 1 {
        debug!(stream, group, %error, "still failing");
    } else if error.is_transient() {
        warn!(stream, group, %error, "Redis cannot serve this worker now; waiting for it");
    } else {
        error!(stream, group, %error, "Redis refuses what this worker needs; trying again");
    }
}

/// A name that nobody ever had before.
pub(super) fn incarnation_of(instance: &str) -> String {
    format!("{instance}-{:08x}", Uuid::new_v4().as_fields().0)
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
    /// whose slots are all busy asks for no entries, but asks.
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
