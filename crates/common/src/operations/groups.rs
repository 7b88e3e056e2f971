//! The consumer groups, each summed over the partitions of its stream.

use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use redis_kit::{
    Error,
    stream::inspect::{GroupReport, StreamReport, inspect},
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::Installation;
use crate::{control::Paused, names::groups, steadily::steadily};

/// How a group is doing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub group: String,
    /// The stream, without its partitions.
    pub stream: String,
    /// Who reads by it, if that is one of our services.
    pub service: Option<&'static str>,
    /// Entries it has yet to read; nothing is said if Redis does not know, or the group is not there.
    pub lag: Option<u64>,
    /// Entries it has in hand, those that wait for a retry included. Groups that take entries in their order have none.
    pub pending: u64,
    /// How long ago the oldest of these was appended.
    #[serde(rename = "oldest_pending_seconds", serialize_with = "whole_seconds")]
    #[schema(value_type = Option<u64>)]
    pub oldest_pending: Option<Duration>,
    /// How many entries it is done with, of all that were ever appended: between two looks, how many in that time. `None` if the lag
    /// is not known.
    #[serde(skip)]
    pub done: Option<u64>,
    /// Entries it has given up.
    pub dead_letters: u64,
    /// Its consumers, alive or not. Groups that take entries in their order have none.
    pub consumers: u64,
    /// Who has paused it, if anybody has.
    pub paused: Option<Paused>,
    /// The partitions in which it is there.
    #[serde(skip)]
    pub seen_in: usize,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn whole_seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.as_ref().map(Duration::as_secs).serialize(serializer)
}

/// A stream over all its partitions, and the groups that read it.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its name, without the partitions.
    pub name: String,
    /// How many entries it has.
    pub length: u64,
    /// How many entries were ever appended.
    pub appended: u64,
    /// Ours, and behind those whatever other groups read it. Whether they are paused was not looked at.
    pub groups: Vec<Group>,
}

/// The streams of orders and of payments.
pub async fn streams(installation: &Installation) -> Result<[Stream; 2], Error> {
    let Installation { names, partitions, .. } = installation;
    let (orders, payments) = try_join(
        stream(installation, &groups::OF_ORDERS, names.orders_streams(*partitions)),
        stream(installation, &groups::OF_PAYMENTS, names.payments_streams(*partitions)),
    )
    .await?;
    Ok([orders, payments])
}

async fn stream(
    installation: &Installation,
    known: &[&str],
    partitions: Vec<String>,
) -> Result<Stream, Error> {
    let reports = try_join_all(partitions.iter().map(|stream| look(installation, stream))).await?;
    // All are spelled as the first, but for the partition.
    let name = partitions[0].trim_end_matches(":{0}").to_owned();
    Ok(Stream {
        length: reports.iter().map(|report| report.length).sum(),
        appended: reports.iter().map(|report| report.appended).sum(),
        groups: summed(known, &name, &reports),
        name,
    })
}

/// Our groups, and behind those of each stream whatever other groups read it.
pub async fn all(installation: &Installation) -> Result<Vec<Group>, Error> {
    let streams = streams(installation).await?;
    let mut found: Vec<Group> = streams.into_iter().flat_map(|stream| stream.groups).collect();
    for group in found.iter_mut().filter(|group| group.service.is_some()) {
        group.paused = paused(installation, &group.group).await?;
    }
    Ok(found)
}

async fn look(installation: &Installation, stream: &str) -> Result<StreamReport, Error> {
    let look = || async { inspect(&mut installation.redis.clone(), stream).await };
    steadily(Error::is_transient, look).await
}

async fn paused(installation: &Installation, group: &str) -> Result<Option<Paused>, Error> {
    let key = installation.names.pause(group);
    let look = || async { Paused::read(&mut installation.redis.clone(), &key).await };
    steadily(Error::is_transient, look).await
}

/// The groups of one stream, of which each partition has told.
fn summed(known: &[&str], stream: &str, partitions: &[StreamReport]) -> Vec<Group> {
    let mut groups: Vec<Group> =
        known.iter().map(|group| Group::new(group, stream, groups::owner(group))).collect();
    let reports = partitions.iter().flat_map(|stream| stream.groups.iter().map(move |group| (stream, group)));
    for (stream_report, report) in reports {
        if groups.iter().all(|group| group.group != report.name) {
            groups.push(Group::new(&report.name, stream, None));
        }
        groups
            .iter_mut()
            .filter(|group| group.group == report.name)
            .for_each(|group| group.add(report, stream_report.appended));
    }
    groups.into_iter().map(|group| group.finish(partitions.len())).collect()
}

impl Group {
    fn new(group: &str, stream: &str, service: Option<&'static str>) -> Self {
        Self {
            group: group.into(),
            stream: stream.into(),
            service,
            lag: Some(0),
            pending: 0,
            oldest_pending: None,
            done: Some(0),
            dead_letters: 0,
            consumers: 0,
            paused: None,
            seen_in: 0,
        }
    }

    /// Adds what one partition's stream tells.
    fn add(&mut self, report: &GroupReport, appended: u64) {
        let left = report.lag.map(|lag| lag + report.pending);
        self.done = self.done.zip(left).map(|(all, left)| all + appended.saturating_sub(left));
        self.lag = self.lag.zip(report.lag).map(|(all, here)| all + here);
        self.pending += report.pending;
        self.oldest_pending = self.oldest_pending.max(report.oldest_pending);
        self.dead_letters += report.dead_letters;
        self.consumers += report.consumers;
        self.seen_in += 1;
    }

    /// What is not there in every partition has not read what is in the others.
    fn finish(mut self, partitions: usize) -> Self {
        self.lag = self.lag.filter(|_| self.seen_in == partitions);
        self.done = self.done.filter(|_| self.seen_in == partitions);
        self
    }
}
