//! The consumer groups, each summed over the partitions of its stream.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis_kit::{
    Error,
    stream::inspect::{GroupReport, StreamReport, inspect},
};
use serde::Serialize;
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
    pub oldest_pending_seconds: Option<u64>,
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

/// Our groups, and behind those of each stream whatever other groups read it.
pub async fn all(installation: &Installation) -> Result<Vec<Group>, Error> {
    let Installation { names, partitions, .. } = installation;
    let mut found = Vec::new();
    for (known, streams) in [
        (groups::OF_ORDERS.as_slice(), names.orders_streams(*partitions)),
        (groups::OF_PAYMENTS.as_slice(), names.payments_streams(*partitions)),
    ] {
        let reports = try_join_all(streams.iter().map(|stream| look(installation, stream))).await?;
        // All are spelled as the first, but for the partition.
        found.extend(summed(known, streams[0].trim_end_matches(":{0}"), &reports));
    }
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
    for report in partitions.iter().flat_map(|partition| &partition.groups) {
        if groups.iter().all(|group| group.group != report.name) {
            groups.push(Group::new(&report.name, stream, None));
        }
        groups.iter_mut().filter(|group| group.group == report.name).for_each(|group| group.add(report));
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
            oldest_pending_seconds: None,
            dead_letters: 0,
            consumers: 0,
            paused: None,
            seen_in: 0,
        }
    }

    /// Adds what one partition's stream tells.
    fn add(&mut self, report: &GroupReport) {
        self.lag = self.lag.zip(report.lag).map(|(all, here)| all + here);
        self.pending += report.pending;
        self.oldest_pending_seconds =
            self.oldest_pending_seconds.max(report.oldest_pending.as_ref().map(Duration::as_secs));
        self.dead_letters += report.dead_letters;
        self.consumers += report.consumers;
        self.seen_in += 1;
    }

    /// What is not there in every partition has not read what is in the others.
    fn finish(mut self, partitions: usize) -> Self {
        self.lag = self.lag.filter(|_| self.seen_in == partitions);
        self
    }
}
