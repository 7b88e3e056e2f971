//! From `XADD` to the handler when nothing else is going on, against a bare blocking `XREADGROUP`. The same `XADD`, written by
//! hand, is sent to both: what is compared is reading. (To encode a message takes [`Producer`](redis_kit::stream::Producer)
//! some 4 µs more.)

use std::time::{Duration, Instant};

use redis_kit::{
    stream::{Commit, Delivery, Failure, Handler, Worker, WorkerOptions, encode},
    trace::TraceContext,
};
use test_support::Table;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::rig::{Order, Rig, STREAM};

const P50: &str = "4 latency p50, µs";
const P99: &str = "5 latency p99, µs";
/// Both take turns, and short ones: how fast a machine wakes who waits changes within seconds, and with it the slowest of
/// a hundred.
const TURNS: usize = 5;
const SAMPLES: usize = 400;
const WARM_UP: usize = 50;

pub(crate) async fn run(rig: &Rig, table: &mut Table) {
    // Redis does its housekeeping on a grid of milliseconds, as the pauses between messages are: ten times a second, some runs
    // would meet it each time and others never.
    housekeeping(rig, 1).await;
    measure(rig, table).await;
    housekeeping(rig, 10).await;
}

/// How often a second Redis does its housekeeping; 10 by default.
async fn housekeeping(rig: &Rig, hz: u32) {
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("hz").arg(hz).exec_async(&mut rig.commands()).await.expect("a setting");
}

async fn measure(rig: &Rig, table: &mut Table) {
    let (mut limit, mut measured) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        if rig.wants(P50, "limit") {
            limit.extend(by_hand(rig).await);
        }
        if rig.wants(P50, "engine") {
            measured.extend(engine(rig).await);
        }
    }
    for (contender, mut micros) in [("limit", limit), ("engine", measured)] {
        micros.sort_by(f64::total_cmp);
        for (what, percent) in [(P50, 50), (P99, 99)] {
            if let Some(&at) = micros.get(micros.len() * percent / 100) {
                table.add(what, contender, at);
            }
        }
    }
}

/// Sends messages one at a time, about 2 ms apart so that the reader waits, and returns how long each took.
async fn sample(rig: &Rig, seen: &mut UnboundedReceiver<Instant>) -> Vec<f64> {
    let mut connection = rig.bare().await;
    let fields = encode(&Order::sample(), &TraceContext::root()).expect("fields");
    let mut micros = Vec::with_capacity(SAMPLES);
    for n in 0..WARM_UP + SAMPLES {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let mut append = redis::cmd("XADD");
        append.arg(STREAM).arg("*").arg(fields.as_slice());
        let begun = Instant::now();
        let (appended, at) = tokio::join!(append.exec_async(&mut connection), seen.recv());
        appended.expect("an append");
        if n >= WARM_UP {
            micros.push((at.expect("a message") - begun).as_secs_f64() * 1e6);
        }
    }
    micros
}

async fn by_hand(rig: &Rig) -> Vec<f64> {
    rig.empty().await;
    let mut reader = rig.bare().await;
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(STREAM).arg("workers").arg("0").arg("MKSTREAM");
    create.exec_async(&mut reader).await.expect("a group");
    let (tell, mut seen) = unbounded_channel();
    let reading = tokio::spawn(async move {
        loop {
            let mut read = redis::cmd("XREADGROUP");
            read.arg(&["GROUP", "workers", "by-hand", "COUNT", "100", "BLOCK", "0", "STREAMS", STREAM, ">"]);
            let reply: redis::streams::StreamReadReply =
                read.query_async(&mut reader).await.expect("a reply");
            let at = Instant::now();
            for entry in &reply.keys[0].ids {
                let _ = tell.send(at);
                let mut acknowledge = redis::cmd("XACK");
                acknowledge.arg(STREAM).arg("workers").arg(&entry.id);
                acknowledge.exec_async(&mut reader).await.expect("an acknowledgement");
            }
        }
    });
    let micros = sample(rig, &mut seen).await;
    reading.abort();
    micros
}

struct Telling(UnboundedSender<Instant>);

impl Handler for Telling {
    type Message = Order;

    async fn handle(&self, _: Delivery<Order>) -> Result<Commit, Failure> {
        let _ = self.0.send(Instant::now());
        Ok(Commit::new())
    }
}

async fn engine(rig: &Rig) -> Vec<f64> {
    rig.empty().await;
    let (tell, mut seen) = unbounded_channel();
    let streams = [STREAM.to_owned()];
    let worker =
        Worker::start(&rig.redis, &streams, "workers", "engine", Telling(tell), WorkerOptions::default());
    let worker = worker.await.expect("a worker");
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    let micros = sample(rig, &mut seen).await;
    stop.cancel();
    working.await.expect("a worker that stops");
    micros
}
