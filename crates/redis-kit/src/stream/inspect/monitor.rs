use std::{collections::BTreeSet, time::Duration};

use metrics::{Unit, describe_gauge, gauge};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{GroupReport, StreamReport, inspect};
use crate::Connection;

/// Measures streams and their groups every few seconds, as gauges.
///
/// | gauge | labels | says |
/// |---|---|---|
/// | `stream_length`, `stream_bytes`, `stream_delayed` | stream | entries, memory, messages that wait for their time |
/// | `stream_lag` | stream, group | entries not yet read; NaN if Redis does not know |
/// | `stream_pending` | stream, group | entries read and not acknowledged |
/// | `stream_oldest_pending_seconds` | stream, group | how long ago the oldest of them was appended; 0 if there is none |
/// | `stream_retries_waiting` | stream, group | entries that wait for a retry |
/// | `stream_dead_letters` | stream, group | entries given up |
/// | `stream_consumers` | stream, group | consumers, alive or not |
///
/// Those of a group that is gone become NaN. While Redis is away they keep what they last said.
pub struct Monitor {
    redis: Connection,
    streams: Vec<Watched>,
    interval: Duration,
}

/// One stream, and what was known of it.
struct Watched {
    name: String,
    groups: BTreeSet<String>,
    is_failing: bool,
}

impl Monitor {
    /// Will measure `streams`, with a pause of `interval` between two looks. They need not exist yet.
    pub fn new(redis: Connection, streams: impl IntoIterator<Item = String>, interval: Duration) -> Self {
        describe_metrics();
        let watched = |name| Watched { name, groups: BTreeSet::new(), is_failing: false };
        Self { redis, streams: streams.into_iter().map(watched).collect(), interval }
    }

    /// Measures until `shutdown`. It never ends before, whatever Redis does.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let watching = async {
            loop {
                for stream in &mut self.streams {
                    stream.look(&mut self.redis).await;
                }
                sleep(self.interval).await;
            }
        };
        // Only reads, so it may be dropped midway.
        shutdown.run_until_cancelled(watching).await;
    }
}

impl Watched {
    async fn look(&mut self, redis: &mut Connection) {
        match inspect(redis, &self.name).await {
            Ok(report) => {
                self.is_failing = false;
                self.tell(&report);
            }
            Err(error) => {
                if !self.is_failing {
                    warn!(stream = self.name, %error, "the stream cannot be measured; trying again");
                }
                self.is_failing = true;
            }
        }
    }

    fn tell(&mut self, report: &StreamReport) {
        let tell = |name, value| gauge!(name, "stream" => self.name.clone()).set(value);
        tell("stream_length", float(report.length));
        tell("stream_bytes", float(report.bytes));
        tell("stream_delayed", float(report.delayed));
        for group in &report.groups {
            tell_group(&self.name, &group.name, Some(group));
        }
        let present: BTreeSet<String> = report.groups.iter().map(|group| group.name.clone()).collect();
        for gone in self.groups.difference(&present) {
            tell_group(&self.name, gone, None);
        }
        self.groups = present;
    }
}

/// What is not known of a group is NaN; nothing is known of one that is gone.
fn tell_group(stream: &str, name: &str, group: Option<&GroupReport>) {
    let tell = |gauge: &'static str, value: fn(&GroupReport) -> Option<f64>| {
        let labels = [("stream", stream.to_owned()), ("group", name.to_owned())];
        gauge!(gauge, &labels).set(group.and_then(value).unwrap_or(f64::NAN));
    };
    tell("stream_lag", |group| group.lag.map(float));
    tell("stream_pending", |group| Some(float(group.pending)));
    tell("stream_oldest_pending_seconds", |group| {
        Some(group.oldest_pending.unwrap_or_default().as_secs_f64())
    });
    tell("stream_retries_waiting", |group| Some(float(group.waiting)));
    tell("stream_dead_letters", |group| Some(float(group.dead_letters)));
    tell("stream_consumers", |group| Some(float(group.consumers)));
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact up to 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

fn describe_metrics() {
    describe_gauge!("stream_length", "Entries in the stream.");
    describe_gauge!("stream_bytes", Unit::Bytes, "Redis's memory that the stream takes with its groups.");
    describe_gauge!("stream_delayed", "Messages that wait for the time at which they are to be appended.");
    describe_gauge!("stream_lag", "Entries that the group has not read yet; NaN if Redis does not know.");
    describe_gauge!("stream_pending", "Entries that the group has read and not acknowledged.");
    describe_gauge!(
        "stream_oldest_pending_seconds",
        Unit::Seconds,
        "How long ago the oldest pending entry of the group was appended; 0 if there is none."
    );
    describe_gauge!("stream_retries_waiting", "Entries of the group that wait for a retry.");
    describe_gauge!("stream_dead_letters", "Entries that the group has given up.");
    describe_gauge!("stream_consumers", "Consumers of the group, alive or not.");
}
