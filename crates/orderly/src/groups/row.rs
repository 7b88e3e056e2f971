//! One consumer group, summed over the partitions of its stream.

use std::time::Duration;

use common::control::Paused;
use jiff::Timestamp;
use redis_kit::stream::inspect::GroupReport;
use serde::Serialize;

use crate::printable::printable;

/// How a group is doing.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) group: String,
    /// The stream, without its partitions.
    pub(crate) stream: String,
    /// Who reads by it, if that is one of our services.
    pub(crate) service: Option<&'static str>,
    /// Entries it has yet to read. `None` if Redis does not know, or the group is not there.
    pub(crate) lag: Option<u64>,
    pub(crate) pending: u64,
    oldest_pending_seconds: Option<u64>,
    pub(crate) dead_letters: u64,
    consumers: u64,
    pub(crate) paused: Option<PausedBy>,
    /// The partitions in which it is there.
    #[serde(skip)]
    pub(crate) seen_in: usize,
}

/// Who has paused it.
#[derive(Serialize)]
pub(crate) struct PausedBy {
    by: String,
    at: Timestamp,
    why: Option<String>,
}

impl PausedBy {
    /// What people read of it.
    pub(crate) fn text(&self) -> String {
        let Self { by, at, why } = self;
        let why = why.as_deref().map(|why| format!(": {}", printable(why))).unwrap_or_default();
        format!("by {} since {at:.0}{why}", printable(by))
    }
}

impl From<Paused> for PausedBy {
    fn from(Paused { by, at, why }: Paused) -> Self {
        Self { by, at, why }
    }
}

impl Row {
    pub(super) fn new(group: &str, stream: &str, service: Option<&'static str>) -> Self {
        Self {
            group: group.into(),
            stream: stream.into(),
            service,
            lag: Some(0),
            pending: 0,
            oldest_pending_seconds: None,
            dead_letters: 0,
            consumers: 0,
            paused: None,
            seen_in: 0,
        }
    }

    /// Adds what one partition's stream tells.
    pub(super) fn add(&mut self, report: &GroupReport) {
        self.lag = self.lag.zip(report.lag).map(|(all, here)| all + here);
        self.pending += report.pending;
        self.oldest_pending_seconds =
            self.oldest_pending_seconds.max(report.oldest_pending.as_ref().map(Duration::as_secs));
        self.dead_letters += report.dead_letters;
        self.consumers += report.consumers;
        self.seen_in += 1;
    }

    /// What is not there in every partition has not read what is in the others.
    pub(super) fn finish(mut self, partitions: usize) -> Self {
        self.lag = self.lag.filter(|_| self.seen_in == partitions);
        self
    }

    pub(super) fn head() -> String {
        line(["GROUP", "STREAM", "LAG", "PENDING", "OLDEST", "DEAD", "CONSUMERS", "PAUSED"].map(String::from))
    }

    /// What people read of it.
    pub(super) fn text(&self) -> String {
        let figure = |figure: Option<u64>| figure.map_or_else(|| "?".into(), |figure| figure.to_string());
        let paused = self.paused.as_ref().map(PausedBy::text);
        line([
            printable(&self.group),
            self.stream.clone(),
            figure(self.lag),
            self.pending.to_string(),
            self.oldest_pending_seconds.map_or_else(|| "-".into(), |seconds| format!("{seconds} s")),
            self.dead_letters.to_string(),
            self.consumers.to_string(),
            paused.unwrap_or_else(|| "-".into()),
        ])
    }
}

fn line([group, stream, lag, pending, oldest, dead, consumers, paused]: [String; 8]) -> String {
    format!("{group:<24} {stream:<16} {lag:>8} {pending:>8} {oldest:>8} {dead:>6} {consumers:>9}  {paused}")
}
