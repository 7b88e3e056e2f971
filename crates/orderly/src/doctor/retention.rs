//! Whether entries go that are to be kept no longer.

use std::time::Duration;

use common::{
    names::{groups, services},
    upkeep::RetentionArgs,
};
use jiff::Timestamp;
use redis_kit::{
    Connection, Error, Value, cmd,
    stream::{
        StreamId,
        inspect::{GroupReport, StreamReport, inspect},
    },
};

use super::finding::Finding;
use crate::installation::Installation;

const CHECK: &str = "retention";

/// What is kept beyond the limits, for a while: a round of retention is every ten seconds, and whole nodes of a stream go.
const GRACE: Duration = Duration::from_mins(10);
const NODES: usize = 200;

/// What is to be kept, as of now.
struct Limits {
    age: Duration,
    /// Entries that were appended before this, in Unix milliseconds, are too old.
    since: u64,
    entries: u64,
}

pub(super) async fn examine(
    installation: &Installation,
    args: &RetentionArgs,
) -> Result<Vec<Finding>, Error> {
    let limits = Limits::of(args);
    let common::operations::Installation { names, partitions, .. } = &**installation;
    let mut findings = Vec::new();
    for (streams, owner) in [
        (names.orders_streams(*partitions), services::ORDER_PUBLISHER),
        (names.payments_streams(*partitions), services::PAYMENT_PRODUCER),
    ] {
        findings.extend(first_beyond(&streams, owner, &limits, installation).await?);
    }
    if findings.is_empty() {
        let (days, entries) = (args.retention_days, args.retention_entries);
        findings.push(Finding::ok(CHECK, format!("nothing is beyond {days} days or {entries} entries")));
    }
    Ok(findings)
}

/// What keeps one stream from being trimmed will keep its like, too: the first is told of.
async fn first_beyond(
    streams: &[String],
    owner: &str,
    limits: &Limits,
    installation: &Installation,
) -> Result<Option<Finding>, Error> {
    let mut redis = installation.redis.clone();
    for stream in streams {
        let report = inspect(&mut redis, stream).await?;
        if limits.is_too_long(report.length) || has_too_old(&mut redis, stream, limits).await? {
            return Ok(Some(beyond(stream, owner, &report, limits)));
        }
    }
    Ok(None)
}

impl Limits {
    fn of(args: &RetentionArgs) -> Self {
        let age = Duration::from_hours(24 * u64::from(args.retention_days)) + GRACE;
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Self { age, since: now.saturating_sub(age_ms), entries: args.retention_entries }
    }

    fn is_too_long(&self, length: u64) -> bool {
        length > self.entries + self.entries / 10 + NODES as u64
    }

    /// Whether a group needs what is beyond the limits.
    fn are_held_by(&self, group: &GroupReport) -> bool {
        let has_unread = group.lag.is_none_or(|lag| lag > 0);
        has_unread && group.last_delivered.milliseconds < self.since
            || group.lag.is_some_and(|lag| lag >= self.entries)
            || group.oldest_pending.is_some_and(|age| age > self.age)
    }
}

async fn has_too_old(redis: &mut Connection, stream: &str, limits: &Limits) -> Result<bool, Error> {
    let mut old = cmd("XRANGE");
    old.arg(stream).arg("-").arg(limits.since).arg("COUNT").arg(NODES + 1);
    let old: Vec<(StreamId, Value)> = old.query_async(redis).await?;
    Ok(old.len() > NODES)
}

fn beyond(stream: &str, owner: &str, report: &StreamReport, limits: &Limits) -> Finding {
    let held: Vec<&str> = report
        .groups
        .iter()
        .filter(|group| limits.are_held_by(group))
        .map(|group| group.name.as_str())
        .collect();
    let seen = format!("{stream} has {} entries, and some that were to go are there still", report.length);
    if held.is_empty() {
        let fix = format!(
            "start {owner}, which trims it; it waits for every group that ought to be there, and its log says why else"
        );
        return Finding::warning(CHECK, seen, fix);
    }
    let ours = |group: &&str| groups::owner(group).is_some();
    let fix = match held.iter().find(|group| !ours(group)) {
        Some(stranger) => {
            format!(
                "if nobody reads by {stranger} any more, on every stream: XGROUP DESTROY '{stream}' '{stranger}'"
            )
        }
        None => "see what else is found here of these groups: once they get on, it is trimmed".into(),
    };
    Finding::warning(CHECK, format!("{seen}: {} needs them", held.join(", ")), fix)
}
