//! The reckoning at the end of a test: what clients were promised, the journal, the payments and the
//! provider's books.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    time::Duration,
};

use common::{
    messages::{OrderId, PaymentId},
    names::{Names, groups},
    partition::Partitions,
};
use futures_util::future::join_all;
use redis::{
    aio::MultiplexedConnection,
    streams::{StreamInfoGroupsReply, StreamRangeReply},
};
use redis_kit::stream::GroupKeys;
use serde_json::Value;
use test_support::{System, eventually};

use crate::clients::Promise;

/// How long the system may take until everything is settled, with debug builds on a busy machine.
const SETTLED: Duration = Duration::from_mins(2);

/// How many partitions `up` keeps its data in.
const PARTITIONS: u16 = 4;

/// What ends an order, and the status by which the gateway shows it.
const ENDS: [(&str, &str); 3] = [
    ("order.paid", "paid"),
    ("order.payment_declined", "payment_declined"),
    ("order.payment_parked", "payment_parked"),
];

/// An entry of a stream.
struct Entry {
    id: String,
    kind: String,
    /// Which order it is about; empty if it is no message of ours.
    order: String,
}

/// Everything that Redis holds of orders, read with nothing in between but time.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// What happened to each order, in its order.
    pub(crate) events: HashMap<String, Vec<String>>,
    /// How often the payment of each order was asked for.
    pub(crate) requests: HashMap<String, usize>,
    /// Dead letters of all groups.
    pub(crate) dead: usize,
}

/// How everything ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) promised: usize,
    pub(crate) paid: usize,
    pub(crate) declined: usize,
    pub(crate) parked: usize,
    pub(crate) dead: usize,
    /// Orders that a client was promised and nobody knows.
    pub(crate) lost: usize,
    /// Money that was moved for an order that nobody knows.
    pub(crate) orphaned_charges: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promised, paid, declined, parked, dead, lost, orphaned_charges } = self;
        write!(
            f,
            "{promised} promised = {paid} paid + {declined} declined + {parked} parked + {lost} lost; \
             {dead} dead letters, {orphaned_charges} charges without an order"
        )
    }
}

impl Tally {
    /// Nothing was lost, and nobody paid for nothing.
    pub(crate) fn is_whole(&self) -> bool {
        self.promised == self.paid + self.declined + self.parked
            && self.lost == 0
            && self.orphaned_charges == 0
    }
}

/// Waits until nothing is under way, and compares all the books. What holds whatever happened is asserted
/// here; what may be lost is counted.
pub(crate) async fn reckon(system: &System, promises: &[Promise]) -> Tally {
    let journal = eventually("every order to be settled", SETTLED, || settled(system)).await;
    let wanted: HashSet<&String> = promises.iter().map(|promise| &promise.order_id).collect();
    assert_eq!(wanted.len(), promises.len(), "each key made an order of its own");
    let charges = money_moved(system).await;
    for (order, events) in &journal.events {
        assert_eq!(journal.requests.get(order), Some(&1), "payments asked for {order}");
        let times = charges.get(order).map_or(0, Vec::len);
        match the_end(order, events) {
            ("order.paid", _) => assert_eq!(times, 1, "{order} is paid, and was charged so often"),
            ("order.payment_declined", _) => assert_eq!(times, 0, "{order} is declined, and was charged"),
            _ => assert!(times <= 1, "{order} is parked, and was charged {times} times"),
        }
    }
    is_shown(system, &journal).await;
    let ended_as = |status: &str| {
        let known = wanted.iter().filter_map(|order| Some((order, journal.events.get(*order)?)));
        known.filter(|(order, events)| the_end(order, events).1 == status).count()
    };
    Tally {
        promised: wanted.len(),
        paid: ended_as("paid"),
        declined: ended_as("payment_declined"),
        parked: ended_as("payment_parked"),
        dead: journal.dead,
        lost: wanted.iter().filter(|order| !journal.events.contains_key(**order)).count(),
        orphaned_charges: charges.keys().filter(|order| !journal.events.contains_key(*order)).count(),
    }
}

/// Whatever a group has acknowledged is recorded. Holds at every moment, so it is looked at again and again
/// while Redis fails.
pub(crate) async fn nothing_acknowledged_is_unrecorded(
    redis: &mut MultiplexedConnection,
) -> anyhow::Result<()> {
    let names = Names::default();
    for partition in Partitions::new(PARTITIONS).all() {
        let (journal, payments) = (names.orders_stream(partition), names.payments_stream(partition));
        // What was acknowledged first, what was recorded afterwards: the other way round the work may have
        // been done between.
        let requested = acknowledged(redis, &journal, groups::PAYMENT_PRODUCER).await?;
        let charged = acknowledged(redis, &payments, groups::PAYMENT_WORKERS).await?;
        let requests: HashSet<String> = orders(entries(redis, &payments).await?, |_| true);
        let ends: HashSet<String> = orders(entries(redis, &journal).await?, is_end);
        for order in orders(requested, |kind| kind == "order.placed") {
            anyhow::ensure!(
                requests.contains(&order),
                "{order} was acknowledged, and no payment is asked for"
            );
        }
        for order in orders(charged, |kind| kind == "payment.requested") {
            anyhow::ensure!(
                ends.contains(&order),
                "the payment of {order} was acknowledged, and not recorded"
            );
        }
    }
    Ok(())
}

/// Reads what Redis holds of orders.
pub(crate) async fn journal(redis: &mut MultiplexedConnection) -> anyhow::Result<Journal> {
    let (names, mut journal) = (Names::default(), Journal::default());
    for partition in Partitions::new(PARTITIONS).all() {
        for Entry { kind, order, .. } in entries(redis, &names.orders_stream(partition)).await? {
            journal.events.entry(order).or_default().push(kind);
        }
        for Entry { kind, order, .. } in entries(redis, &names.payments_stream(partition)).await? {
            if kind == "payment.requested" {
                *journal.requests.entry(order).or_default() += 1;
            }
        }
        for (stream, group) in streams(&names, partition) {
            let dead = GroupKeys::new(&stream, group).dead;
            journal.dead += redis::cmd("XLEN").arg(dead).query_async::<usize>(redis).await?;
        }
    }
    Ok(journal)
}

/// Every group of one partition, with its stream.
fn streams(names: &Names, partition: u16) -> Vec<(String, &'static str)> {
    let orders = groups::OF_ORDERS.map(|group| (names.orders_stream(partition), group));
    let payments = groups::OF_PAYMENTS.map(|group| (names.payments_stream(partition), group));
    orders.into_iter().chain(payments).collect()
}

/// The journal, once every order has ended and no group has anything before it or in hand.
pub(crate) async fn settled(system: &System) -> anyhow::Result<Journal> {
    let mut redis = system.redis().await?;
    let (names, found) = (Names::default(), journal(&mut redis).await?);
    let open = found.events.iter().filter(|(_, events)| !events.iter().any(|kind| is_end(kind)));
    let open: Vec<_> = open.take(3).collect();
    anyhow::ensure!(
        open.is_empty(),
        "these orders have not ended, or others: {open:?}; the log ends:\n{}",
        tail(system)
    );
    for partition in Partitions::new(PARTITIONS).all() {
        for (stream, group) in streams(&names, partition) {
            let state = group_of(&mut redis, &stream, group).await?;
            anyhow::ensure!(state.pending == 0, "{group} has {} entries of {stream} pending", state.pending);
            let last = entries(&mut redis, &stream).await?.pop().map_or("0-0".to_owned(), |entry| entry.id);
            let at = &state.last_delivered_id;
            anyhow::ensure!(id(at) >= id(&last), "{group} is at {at} of {stream}, which ends with {last}");
        }
    }
    Ok(found)
}

/// The end of a log, for whoever looks why a test failed.
fn tail(system: &System) -> String {
    let log = system.log();
    log[log.len().saturating_sub(40)..].join("\n")
}

fn id(id: &str) -> (u64, u64) {
    let (ms, seq) = id.split_once('-').expect("a stream id");
    (ms.parse().expect("a number"), seq.parse().expect("a number"))
}

fn is_end(kind: &str) -> bool {
    ENDS.iter().any(|(end, _)| *end == kind)
}

/// How an order ended, after checking that it began once and ended once.
fn the_end(order: &str, events: &[String]) -> (&'static str, &'static str) {
    let placed = events.iter().filter(|kind| *kind == "order.placed").count();
    assert_eq!((placed, events[0].as_str()), (1, "order.placed"), "{order}: {events:?}");
    let ends: Vec<_> = ENDS.iter().filter(|(end, _)| events.iter().any(|kind| kind == end)).collect();
    let count = events.iter().filter(|kind| is_end(kind)).count();
    assert_eq!((ends.len(), count), (1, 1), "{order}: {events:?}");
    *ends[0]
}

/// For each order for which money was moved, the ids of its charges, after checking that each has the order's
/// one key.
async fn money_moved(system: &System) -> BTreeMap<String, Vec<String>> {
    let mut moved: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for charge in system.charges().await {
        let text = |name: &str| charge[name].as_str().expect("a charge has all its fields").to_owned();
        if text("status") == "succeeded" {
            let order: OrderId = text("reference").parse().expect("a reference is an order's id");
            assert_eq!(text("key"), PaymentId::of(order).to_string(), "the key of {order}'s charge");
            moved.entry(text("reference")).or_default().push(text("id"));
        }
    }
    moved
}

/// The gateway shows of every order how it ended, and the payment's record says the same.
async fn is_shown(system: &System, journal: &Journal) {
    let redis = system.redis().await.expect("Redis is there");
    let checks = journal.events.iter().map(|(order, events)| {
        let mut redis = redis.clone();
        async move {
            let (_, status) = the_end(order, events);
            system.wait_for_status(order, status, SETTLED).await;
            let id: OrderId = order.parse().expect("an order's id");
            let partition = Partitions::new(PARTITIONS).of_order(id);
            let record = Names::default().payment(partition, PaymentId::of(id));
            let state = redis::cmd("HGET").arg(record).arg("state").query_async(&mut redis).await;
            let state: Option<String> = state.expect("Redis answers");
            assert_eq!(state.as_deref(), status.strip_prefix("payment_").or(Some(status)), "{order}");
        }
    });
    // Not all at once: the gateway has one thread, and a connection for each would be too many.
    let mut checks: Vec<_> = checks.collect();
    while !checks.is_empty() {
        let some = checks.split_off(checks.len().saturating_sub(16));
        join_all(some).await;
    }
}

async fn entries(redis: &mut MultiplexedConnection, stream: &str) -> anyhow::Result<Vec<Entry>> {
    let range = redis::cmd("XRANGE").arg(stream).arg("-").arg("+").query_async(redis).await;
    let range: StreamRangeReply = range?;
    Ok(range.ids.iter().map(Entry::read).collect())
}

impl Entry {
    fn read(entry: &redis::streams::StreamId) -> Self {
        let data = entry.get::<String>("data").unwrap_or_default();
        let data: Value = serde_json::from_str(&data).unwrap_or_default();
        let order = data["order_id"].as_str().unwrap_or_default().to_owned();
        Self { id: entry.id.clone(), kind: entry.get("type").unwrap_or_default(), order }
    }
}

fn orders(entries: Vec<Entry>, wanted: impl Fn(&str) -> bool) -> HashSet<String> {
    entries.into_iter().filter(|entry| wanted(&entry.kind)).map(|entry| entry.order).collect()
}

/// What a group of competing consumers has been given and has no longer pending.
async fn acknowledged(
    redis: &mut MultiplexedConnection,
    stream: &str,
    group: &str,
) -> anyhow::Result<Vec<Entry>> {
    // In this order: what is delivered in between is then pending or beyond.
    let last = id(&group_of(redis, stream, group).await?.last_delivered_id);
    let mut pending = redis::cmd("XPENDING");
    pending.arg(stream).arg(group).arg("-").arg("+").arg(100_000);
    let pending: Vec<(String, String, u64, u64)> = pending.query_async(redis).await?;
    let pending: HashSet<String> = pending.into_iter().map(|(id, ..)| id).collect();
    let mut entries = entries(redis, stream).await?;
    entries.retain(|entry| id(&entry.id) <= last && !pending.contains(&entry.id));
    Ok(entries)
}

async fn group_of(
    redis: &mut MultiplexedConnection,
    stream: &str,
    group: &str,
) -> anyhow::Result<redis::streams::StreamInfoGroup> {
    let groups: StreamInfoGroupsReply =
        redis::cmd("XINFO").arg("GROUPS").arg(stream).query_async(redis).await?;
    let found = groups.groups.into_iter().find(|found| found.name == group);
    found.ok_or_else(|| anyhow::anyhow!("{stream} has no group {group}"))
}
