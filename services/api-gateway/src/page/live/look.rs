//! The system at one moment, as Redis and the services themselves tell it.

use std::{collections::BTreeMap, time::Duration};

use common::{
    instances::{Instance, instances},
    names::{Names, groups},
    partition::Partitions,
};
use futures_util::future::{try_join, try_join_all};
use redis_kit::{
    Connection, Error, cmd,
    stream::inspect::{GroupReport, StreamReport, inspect},
};
use tokio::time::Instant;

/// Where to look.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) redis: Connection,
    pub(super) names: Names,
    pub(super) partitions: Partitions,
}

/// What was seen.
#[derive(Clone)]
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) orders: StreamSum,
    pub(super) payments: StreamSum,
    pub(super) groups: BTreeMap<&'static str, GroupSum>,
    pub(super) instances: Vec<Instance>,
    /// Payments that wait for a person.
    pub(super) parked: u64,
}

/// A stream over all its partitions.
#[derive(Clone, Default)]
pub(super) struct StreamSum {
    pub(super) length: u64,
    /// How many entries were ever appended.
    pub(super) appended: u64,
}

/// A group over all partitions of its stream.
#[derive(Clone)]
pub(super) struct GroupSum {
    /// `None` if Redis does not know.
    pub(super) lag: Option<u64>,
    pub(super) pending: u64,
    pub(super) oldest: Option<Duration>,
    pub(super) dead: u64,
    /// How many entries it is done with, counted from some time on.
    pub(super) done: Option<u64>,
}

impl Place {
    pub(super) async fn look(&self) -> Result<Look, Error> {
        let (orders, payments) = try_join(
            self.streams(self.names.orders_streams(self.partitions)),
            self.streams(self.names.payments_streams(self.partitions)),
        )
        .await?;
        let of_orders = groups::OF_ORDERS.iter().map(|group| (*group, GroupSum::of(group, &orders)));
        let of_payments = groups::OF_PAYMENTS.iter().map(|group| (*group, GroupSum::of(group, &payments)));
        let (instances, parked) = try_join(instances(&self.redis, &self.names), self.parked()).await?;
        Ok(Look {
            at: Instant::now(),
            groups: of_orders.chain(of_payments).collect(),
            orders: StreamSum::of(&orders),
            payments: StreamSum::of(&payments),
            instances,
            parked,
        })
    }

    async fn streams(&self, names: Vec<String>) -> Result<Vec<StreamReport>, Error> {
        let looks = names.iter().map(|stream| async move { inspect(&mut self.redis.clone(), stream).await });
        try_join_all(looks).await
    }

    async fn parked(&self) -> Result<u64, Error> {
        let counts = self.partitions.all().map(|partition| async move {
            let key = self.names.parked_payments(partition);
            let count: u64 = cmd("HLEN").arg(key).query_async(&mut self.redis.clone()).await?;
            Ok::<_, Error>(count)
        });
        Ok(try_join_all(counts).await?.into_iter().sum())
    }
}

impl Look {
    /// A stream by its name without the partition.
    pub(super) fn streams(&self) -> [(&'static str, &StreamSum); 2] {
        [("orders-stream", &self.orders), ("payments-stream", &self.payments)]
    }

    /// The instances of a service.
    pub(super) fn of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Instance> {
        self.instances.iter().filter(move |instance| instance.service == service)
    }

    pub(super) fn is_paused(&self, group: &str) -> bool {
        self.instances.iter().any(|instance| instance.paused.iter().any(|paused| paused == group))
    }
}

impl StreamSum {
    fn of(reports: &[StreamReport]) -> Self {
        let sum = |figure: fn(&StreamReport) -> u64| reports.iter().map(figure).sum();
        Self { length: sum(|report| report.length), appended: sum(|report| report.appended) }
    }
}

impl GroupSum {
    /// What is not there in every partition has not read what is in the others; how much that is nobody knows.
    fn of(name: &str, reports: &[StreamReport]) -> Self {
        let found: Vec<(&StreamReport, Option<&GroupReport>)> = reports
            .iter()
            .map(|report| (report, report.groups.iter().find(|group| group.name == name)))
            .collect();
        let there = || found.iter().filter_map(|(_, group)| *group);
        let lag = found.iter().map(|(_, group)| group.and_then(|group| group.lag)).sum();
        let done = found.iter().map(|(stream, group)| {
            let group = (*group)?;
            Some(stream.appended.saturating_sub(group.lag?).saturating_sub(group.pending))
        });
        Self {
            lag,
            pending: there().map(|group| group.pending).sum(),
            oldest: there().filter_map(|group| group.oldest_pending).max(),
            dead: there().map(|group| group.dead_letters).sum(),
            done: done.sum(),
        }
    }
}
