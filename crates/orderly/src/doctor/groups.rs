//! Whether each consumer group is there, has somebody who works, and gets on.

use std::time::Duration;

use common::{
    instances::Instance,
    names::{groups, services},
    operations::groups::Group,
};
use jiff::{SignedDuration, Timestamp};
use redis_kit::{
    Connection, Error, Value, cmd,
    stream::{
        StreamId,
        inspect::{GroupReport, inspect},
    },
};

use super::finding::{Finding, counted};
use crate::{groups::paused as paused_by, installation::Installation};

/// How long work may wait, retries included, before somebody should look.
const LATE: Duration = Duration::from_mins(10);

pub(super) async fn examine(
    rows: &[Group],
    instances: &[Instance],
    installation: &Installation,
) -> Result<Vec<Finding>, Error> {
    let ours: Vec<&Group> = rows.iter().filter(|row| row.service.is_some()).collect();
    let partitions = usize::from(installation.partitions.count());
    let mut findings: Vec<Finding> = missing(&ours, partitions).into_iter().collect();
    findings.extend(without_consumers(&ours, instances));
    findings.extend(ours.iter().filter_map(|row| paused(row)));
    findings.extend(late(&ours, installation).await?);
    if findings.is_empty() {
        let waiting = entries_wait(ours.iter().map(|row| waiting(row)).sum());
        let seen = format!("{} have consumers and get on; {waiting}", counted(ours.len(), "group"));
        findings.push(Finding::ok("groups", seen));
    }
    Ok(findings)
}

fn missing(ours: &[&Group], partitions: usize) -> Option<Finding> {
    let missing: Vec<&&Group> = ours.iter().filter(|row| row.seen_in < partitions).collect();
    let names = |name: fn(&Group) -> &str| -> String {
        let mut names: Vec<&str> = missing.iter().map(|row| name(row)).collect();
        names.dedup();
        names.join(", ")
    };
    let seen = || {
        let groups = names(|row| row.group.as_str());
        format!("{groups}: not there on every stream. Retention removes nothing until they are")
    };
    let fix = || format!("start {}: each makes its groups", names(|row| row.service.unwrap_or_default()));
    (!missing.is_empty()).then(|| Finding::problem("groups-missing", seen(), fix()))
}

fn without_consumers(ours: &[&Group], instances: &[Instance]) -> Vec<Finding> {
    const CHECK: &str = "groups-without-consumers";
    let finding = |work: u64, seen: String, fix: String| match work {
        0 => Finding::warning(CHECK, format!("{seen}: what comes will wait"), fix),
        work => Finding::problem(CHECK, format!("{seen}, and {}", entries_wait(work)), fix),
    };
    // What is paused waits by somebody's will.
    let work = |service: Option<&str>| {
        let of = |row: &&&Group| row.paused.is_none() && (service.is_none() || row.service == service);
        ours.iter().filter(of).map(|row| waiting(row)).sum()
    };
    if instances.is_empty() {
        let fix =
            "start the system (orderly up, or its services); if it was started, the log says why it ended";
        return vec![finding(work(None), "no service of this installation runs".into(), fix.into())];
    }
    let absent = |service: &&str| instances.iter().all(|instance| instance.service != *service);
    let of_service = |service: &str| {
        let groups: Vec<&str> = groups::all().filter(|group| groups::owner(group) == Some(service)).collect();
        let seen = format!("no {service} runs, whose groups are {}", groups.join(", "));
        let fix = format!(
            "start {service} (orderly service {service}, or orderly up); if it was started, its log says why it ended"
        );
        finding(work(Some(service)), seen, fix)
    };
    services::ALL.iter().copied().filter(absent).map(of_service).collect()
}

fn waiting(row: &Group) -> u64 {
    row.lag.unwrap_or_default() + row.pending
}

fn entries_wait(count: u64) -> String {
    if count == 1 { "1 entry waits".into() } else { format!("{count} entries wait") }
}

fn paused(row: &Group) -> Option<Finding> {
    let by = paused_by(row.paused.as_ref()?);
    let group = &row.group;
    let seen = format!("{group} is paused {by}; {}", entries_wait(waiting(row)));
    Some(Finding::warning(
        "groups-paused",
        seen,
        format!("orderly groups resume {group}, once the reason is gone"),
    ))
}

/// Groups of which an entry has waited for too long.
async fn late(ours: &[&Group], installation: &Installation) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for row in ours.iter().filter(|row| row.paused.is_none() && waiting(row) > 0) {
        let age = oldest(row, installation).await?;
        let (group, service) = (&row.group, row.service.unwrap_or_default());
        if age > LATE {
            let seen = format!("an entry has waited for {group} for {} min", age.as_secs() / 60);
            let fix = format!(
                "see the log of {service}: it says what fails, and when that is tried again. If nothing does, start more of it"
            );
            findings.push(Finding::warning("groups-late", seen, fix));
        }
    }
    Ok(findings)
}

/// How long the oldest entry that a group has not finished has been waiting.
async fn oldest(row: &Group, installation: &Installation) -> Result<Duration, Error> {
    let mut redis = installation.redis.clone();
    let mut oldest = Duration::ZERO;
    for stream in installation.names.streams_of(&row.group, installation.partitions) {
        let report = inspect(&mut redis, &stream).await?;
        let Some(group) = report.groups.iter().find(|group| group.name == row.group) else { continue };
        oldest = oldest.max(group.oldest_pending.unwrap_or_default());
        oldest = oldest.max(oldest_unread(&mut redis, &stream, group).await?);
    }
    Ok(oldest)
}

/// An ordered group has nothing pending: what holds it up is what it has not read.
async fn oldest_unread(redis: &mut Connection, stream: &str, group: &GroupReport) -> Result<Duration, Error> {
    let mut first = cmd("XRANGE");
    first.arg(stream).arg(format!("({}", group.last_delivered)).arg("+").arg("COUNT").arg(1);
    let first: Vec<(StreamId, Value)> = first.query_async(redis).await?;
    let age = first.first().map(|(id, _)| Timestamp::now().duration_since(id.time()));
    Ok(Duration::try_from(age.unwrap_or(SignedDuration::ZERO)).unwrap_or_default())
}
