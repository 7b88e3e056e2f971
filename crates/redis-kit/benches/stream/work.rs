//! Working: an empty handler, and one whose commit appends one entry, each against a loop written by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{Value, aio::MultiplexedConnection};
use redis_kit::{
    stream::{Commit, Delivery, Failure, Handler, Mode, Worker, WorkerOptions, encode},
    trace::TraceContext,
};
use test_support::Table;
use tokio_util::sync::CancellationToken;

use crate::rig::{OUTPUT, Order, Rig, STREAM};

const EMPTY: &str = "1 empty commit, entries/s";
const OUTPUTS: &str = "2 one fenced output, entries/s";
const GROUP: &str = "workers";
const CONSUMER: &str = "by-hand";

/// The engine's own script, called by hand.
static COMMIT: &str = concat!(
    include_str!("../../src/stream/lua/check.lua"),
    "\n",
    include_str!("../../src/stream/lua/writes.lua"),
    "\n",
    include_str!("../../src/stream/competing/lua/fence.lua"),
    "\n",
    include_str!("../../src/stream/competing/lua/commit.lua"),
);

pub(crate) async fn run(rig: &Rig, table: &mut Table) {
    for (about, step, work) in
        [(EMPTY, Step::Acknowledge, Work::Nothing), (OUTPUTS, Step::Commit, Work::Append)]
    {
        if rig.wants(about, "limit") {
            table.add(about, "limit", by_hand(rig, step).await);
        }
        for (contender, mode) in [("engine", Mode::Competing), ("engine, ordered", Mode::Ordered)] {
            if rig.wants(about, contender) {
                table.add(about, contender, engine(rig, mode, work).await);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Step {
    Acknowledge,
    Commit,
}

/// Two rounds in flight on one connection, each what is to be done with the entries of the round before and the next read.
async fn by_hand(rig: &Rig, step: Step) -> f64 {
    rig.fill().await;
    let mut connection = rig.bare().await;
    group(&mut connection).await;
    let load = redis::cmd("SCRIPT").arg("LOAD").arg(COMMIT).query_async(&mut connection).await;
    let hash: String = load.expect("a script");
    let output: Vec<String> = encode(&Order::sample(), &TraceContext::root())
        .expect("fields")
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
    let begun = Instant::now();
    let rounds = async || {
        let mut connection = connection.clone();
        let mut reply = Value::Nil;
        loop {
            let ids = ids(&reply);
            let mut round = redis::pipe();
            let count = match step {
                Step::Acknowledge => {
                    if !ids.is_empty() {
                        round.cmd("XACK").arg(STREAM).arg(GROUP).arg(ids).ignore();
                    }
                    1000
                }
                Step::Commit => {
                    if !ids.is_empty() {
                        let call = round.cmd("EVALSHA").arg(&hash).arg(2 + ids.len());
                        call.arg(STREAM).arg("jobs:{b}:attempts:workers");
                        for _ in &ids {
                            call.arg(OUTPUT);
                        }
                        call.arg(GROUP).arg(CONSUMER);
                        for id in &ids {
                            call.arg(*id).arg(1).arg(0).arg(1).arg("append").arg(output.len()).arg(&output);
                        }
                        call.ignore();
                    }
                    // As many as the engine commits by one call.
                    512
                }
            };
            let read = round.cmd("XREADGROUP").arg("GROUP").arg(GROUP).arg(CONSUMER).arg("COUNT");
            read.arg(count).arg("STREAMS").arg(STREAM).arg(">");
            (reply,) = round.query_async(&mut connection).await.expect("a round");
            if reply == Value::Nil {
                return;
            }
        }
    };
    tokio::join!(rounds(), rounds());
    drained(&mut connection).await;
    rig.rate(begun)
}

/// The ids of a reply, with a look at every field, as a handler would have.
fn ids(reply: &Value) -> Vec<&[u8]> {
    let Value::Map(streams) = reply else { return Vec::new() };
    let Some((_, Value::Array(entries))) = streams.first() else { return Vec::new() };
    entries
        .iter()
        .filter_map(|entry| match entry {
            Value::Array(entry) => match (&entry[0], &entry[1]) {
                (Value::BulkString(id), Value::Array(fields)) => {
                    std::hint::black_box(fields.len());
                    Some(id.as_slice())
                }
                _ => None,
            },
            _ => None,
        })
        .collect()
}

async fn group(connection: &mut MultiplexedConnection) {
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(STREAM).arg(GROUP).arg("0").arg("MKSTREAM");
    create.exec_async(connection).await.expect("a group");
}

/// What the engine's handler does.
#[derive(Clone, Copy)]
enum Work {
    Nothing,
    Append,
}

struct Counting {
    work: Work,
    output: Order,
    handled: Arc<AtomicUsize>,
}

impl Handler for Counting {
    type Message = Order;

    async fn handle(&self, delivery: Delivery<Order>) -> Result<Commit, Failure> {
        self.handled.fetch_add(1, Ordering::Relaxed);
        std::hint::black_box(&delivery.message);
        match self.work {
            Work::Nothing => Ok(Commit::new()),
            Work::Append => Ok(Commit::new().append(OUTPUT, &self.output, &delivery.trace.child())?),
        }
    }
}

async fn engine(rig: &Rig, mode: Mode, work: Work) -> f64 {
    rig.fill().await;
    let count = Arc::new(AtomicUsize::new(0));
    let handler = Counting { work, output: Order::sample(), handled: Arc::clone(&count) };
    let options = WorkerOptions { mode, concurrency: 4000, ..WorkerOptions::default() };
    let begun = Instant::now();
    let streams = [STREAM.to_owned()];
    let worker =
        Worker::start(&rig.redis, &streams, GROUP, "engine", handler, options).await.expect("a worker");
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    while count.load(Ordering::Relaxed) < rig.entries {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drained(&mut rig.bare().await).await;
    let rate = rig.rate(begun);
    stop.cancel();
    working.await.expect("a worker that stops");
    rate
}

/// Waits until the group has passed every entry and none is pending.
async fn drained(connection: &mut MultiplexedConnection) {
    loop {
        let groups: Vec<std::collections::HashMap<String, Value>> =
            redis::cmd("XINFO").arg("GROUPS").arg(STREAM).query_async(connection).await.expect("groups");
        let number =
            |name: &str| redis::from_redis_value_ref::<Option<i64>>(&groups[0][name]).expect("a number");
        if number("pending") == Some(0) && number("lag") == Some(0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
