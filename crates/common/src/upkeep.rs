//! What the service that owns a stream does for it: keeps it from growing without bound, and tells how it is doing.

use std::time::Duration;

use clap::Args;
use redis_kit::{
    Connection,
    stream::{
        inspect::Monitor,
        retention::{Retention, RetentionOptions, RetentionPolicy},
    },
};
use tokio_util::sync::CancellationToken;

use crate::names::{Names, services};

/// How often the metrics of a stream are brought up to date.
const MONITOR_INTERVAL: Duration = Duration::from_secs(5);

/// Entries of the control stream that are kept.
const CONTROL_ENTRIES: u64 = 100_000;

/// How long the entries of a stream are kept. Whatever these say, nothing goes that a consumer group still needs.
#[derive(Args, Clone, Debug)]
pub struct RetentionArgs {
    /// Days that entries are kept
    #[arg(long, env = "RETENTION_DAYS", default_value_t = 7, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    pub retention_days: u16,
    /// Entries that are kept of each partition at most
    #[arg(long, env = "RETENTION_ENTRIES", default_value_t = 1_000_000, value_name = "ENTRIES", value_parser = clap::value_parser!(u64).range(1..))]
    pub retention_entries: u64,
}

impl RetentionArgs {
    fn policy(&self, groups: &[&str]) -> RetentionPolicy {
        RetentionPolicy {
            max_age: Some(Duration::from_hours(24 * u64::from(self.retention_days))),
            max_length: Some(self.retention_entries),
            groups: groups.iter().map(ToString::to_string).collect(),
            ..RetentionPolicy::default()
        }
    }
}

/// The upkeep of some streams.
pub struct Upkeep {
    retention: Retention,
    monitor: Monitor,
}

impl Upkeep {
    /// Of `streams`, of which nothing goes before every one of `groups` is there and has had it.
    pub fn new(redis: &Connection, streams: &[String], groups: &[&str], args: &RetentionArgs) -> Self {
        Self::by(redis, streams, &args.policy(groups))
    }

    /// Of the control stream, of which the last hundred thousand entries are kept, however old: it tells who did what.
    pub fn of_control(redis: &Connection, names: &Names) -> Self {
        let policy = RetentionPolicy {
            max_length: Some(CONTROL_ENTRIES),
            groups: services::ALL.map(String::from).into(),
            ..RetentionPolicy::default()
        };
        Self::by(redis, &[names.control_stream()], &policy)
    }

    fn by(redis: &Connection, streams: &[String], policy: &RetentionPolicy) -> Self {
        let policies = streams.iter().map(|stream| (stream.clone(), policy.clone()));
        Self {
            retention: Retention::new(redis, policies, &RetentionOptions::default()),
            monitor: Monitor::new(redis.clone(), streams.iter().cloned(), MONITOR_INTERVAL),
        }
    }

    /// Until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::join!(self.retention.run(shutdown.clone()), self.monitor.run(shutdown));
    }
}
