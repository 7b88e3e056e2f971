//! A subscription with replay is given the whole journal in order, whatever becomes of live messages, connections and
//! processes; or else it is told.

mod connections;
mod live_messages;
mod positions;
mod resets;

use std::{collections::HashMap, time::Duration};

use redis_kit::{
    Connection, Redis,
    pubsub::{Announcement, Position, ReplayEvent, ReplaySubscription, Since, live},
    stream::{Entry, StreamId, encode},
    trace::TraceContext,
};
use serde::{Deserialize, Serialize};
use test_support::{FaultProxy, eventually};
use tokio::time::{sleep, timeout};

use crate::harness::{Bench, Job, LIMIT};

const CHANNEL: &str = "news";
const STREAMS: [&str; 2] = ["jobs:{0}", "jobs:{1}"];
const NAME: &str = "reader";

/// Everything that is wanted is announced; what is done is nobody's business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct News {
    #[serde(flatten)]
    job: Job,
}

impl Announcement for News {
    type Message = Job;

    fn of(entry: Entry<Job>) -> Option<Self> {
        matches!(entry.message, Job::Wanted { .. }).then_some(Self { job: entry.message })
    }
}

type Event = ReplayEvent<News>;

fn id(n: u64) -> StreamId {
    StreamId { milliseconds: n, sequence: 0 }
}

/// The event of a partition's `n`-th entry, which follows the one before it.
fn nth(partition: usize, n: u64) -> Event {
    let position = Position { partition, prev: id(n - 1), id: id(n) };
    ReplayEvent::Entry { announcement: news(n), position }
}

fn news(n: u64) -> News {
    News { job: Job::wanted(&n.to_string()) }
}

/// The live message of a partition's `n`-th entry.
fn announced(partition: usize, n: u64) -> String {
    live(&news(n), Position { partition, prev: id(n - 1), id: id(n) }).unwrap()
}

/// A server, and who writes the journal. A partition's `n`-th entry has the id `n-0`, and the job's name is the number.
struct Press {
    bench: Bench,
}

impl Press {
    async fn start() -> Self {
        Self { bench: Bench::start().await }
    }

    /// The same on a server that survives a crash with all its data.
    async fn durable() -> Self {
        Self { bench: Bench::durable().await }
    }

    fn redis(&self) -> Redis {
        self.bench.redis()
    }

    async fn proxy(&self) -> (FaultProxy, Redis) {
        self.bench.through_proxy().await
    }

    /// Appends entries whose live messages are lost.
    async fn append(&self, partition: usize, numbers: impl IntoIterator<Item = u64>) {
        self.write(partition, numbers, false).await;
    }

    /// Appends and announces.
    async fn announce(&self, partition: usize, numbers: impl IntoIterator<Item = u64>) {
        self.write(partition, numbers, true).await;
    }

    /// Straight to the node that holds the partition: they are spread over all of them.
    async fn commands(&self, partition: usize) -> Connection {
        self.bench.commands_at(STREAMS[partition]).await
    }

    async fn write(&self, partition: usize, numbers: impl IntoIterator<Item = u64>, announce: bool) {
        let mut writes = redis_kit::pipe();
        writes.atomic();
        for n in numbers {
            let fields = encode(&news(n).job, &TraceContext::root()).unwrap();
            let append = writes.cmd("XADD").arg(STREAMS[partition]).arg(id(n).to_string());
            append.arg(fields.as_slice()).ignore();
            if announce {
                writes.cmd("PUBLISH").arg(CHANNEL).arg(announced(partition, n)).ignore();
            }
        }
        writes.exec_async(&mut self.commands(partition).await).await.unwrap();
    }

    /// Appends any fields as the partition's `n`-th entry.
    async fn append_fields(&self, partition: usize, n: u64, fields: &[String]) {
        let mut append = redis_kit::cmd("XADD");
        append.arg(STREAMS[partition]).arg(id(n).to_string()).arg(fields);
        append.exec_async(&mut self.commands(partition).await).await.unwrap();
    }

    async fn publish(&self, payload: &str) {
        self.bench.run::<()>(&["PUBLISH", CHANNEL, payload]).await;
    }

    async fn publish_again_and_again(&self, payload: &str) -> ! {
        loop {
            self.publish(payload).await;
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn subscribe(&self, since: Since) -> Reader {
        Reader::start(&self.redis(), since).await
    }

    /// Connection ids of those who are subscribed.
    async fn subscribers(&self) -> Vec<String> {
        let clients: String = self.bench.run(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
        clients.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    /// The positions that are kept under a name.
    async fn kept(&self, name: &str) -> Vec<String> {
        let mut kept = Vec::new();
        for stream in STREAMS {
            let groups: Vec<HashMap<String, redis::Value>> =
                self.bench.run(&["XINFO", "GROUPS", stream]).await;
            let text = |value| redis::from_redis_value_ref::<String>(value).unwrap();
            let group = groups.iter().find(|group| text(&group["name"]) == name).expect("the group");
            kept.push(text(&group["last-delivered-id"]));
        }
        kept
    }
}

struct Reader(ReplaySubscription<News>);

impl Reader {
    async fn start(redis: &Redis, since: Since) -> Self {
        let streams = STREAMS.map(str::to_owned);
        let starting = ReplaySubscription::start(redis, CHANNEL, &streams, since);
        Self(timeout(LIMIT, starting).await.expect("a subscription").unwrap())
    }

    async fn next(&mut self) -> Event {
        timeout(LIMIT, self.0.next()).await.expect("an event")
    }

    /// The next events are these entries of a partition, in their order and nothing else.
    async fn hears(&mut self, partition: usize, numbers: impl IntoIterator<Item = u64>) {
        for n in numbers {
            assert_eq!(self.next().await, nth(partition, n));
        }
    }

    /// The same, and says that it is done with each.
    async fn does(&mut self, partition: usize, numbers: impl IntoIterator<Item = u64>) {
        for n in numbers {
            let event = self.next().await;
            assert_eq!(event, nth(partition, n));
            self.0.done(&event);
        }
    }

    /// Reads until it hears the channel.
    async fn listening(press: &Press) -> Self {
        let mut reader = press.subscribe(Since::Now).await;
        let status = reader.0.status();
        let subscribed = eventually("the reader to listen", LIMIT, async || status.check());
        // Nothing is there to be heard yet.
        tokio::select! {
            event = reader.next() => panic!("{event:?}"),
            () = subscribed => {}
        }
        reader
    }

    async fn hears_nothing_but(&mut self, press: &Press, partition: usize, n: u64) {
        press.announce(partition, [n]).await;
        self.hears(partition, [n]).await;
    }
}

fn kept() -> Since {
    Since::Kept(NAME.into())
}
