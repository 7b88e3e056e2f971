//! From `XADD` to the handler when nothing else is going on, against a bare blocking `XREADGROUP`.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use redis_kit::{
    stream::{Commit, Delivery, Failure, Handler, Producer, Worker, WorkerOptions, encode},
    trace::TraceContext,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::{
    rig::{Order, Rig, STREAM},
    table::Table,
};

const P50: &str = "4 latency p50, µs";
const P99: &str = "5 latency p99, µs";
const SAMPLES: usize = 1000;
const WARM_UP: usize = 100;

pub(crate) async fn run(rig: &Rig, table: &mut Table) {
    let mut report = |contender, mut micros: Vec<f64>| {
        micros.sort_by(f64::total_cmp);
        table.add(P50, contender, micros[micros.len() / 2]);
        table.add(P99, contender, micros[micros.len() * 99 / 100]);
    };
    if rig.wants(P50, "limit") {
        report("limit", by_hand(rig).await);
    }
    if rig.wants(P50, "engine") {
        report("engine", engine(rig).await);
    }
}

/// Sends messages one at a time, 2 ms apart so that the reader waits, and returns how long each took.
async fn sample<Sending: Future>(
    seen: &mut UnboundedReceiver<Instant>,
    send: impl Fn() -> Sending,
) -> Vec<f64> {
    let mut micros = Vec::with_capacity(SAMPLES);
    for n in 0..WARM_UP + SAMPLES {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let begun = Instant::now();
        let (_, at) = tokio::join!(send(), seen.recv());
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
    let connection = rig.bare().await;
    let fields = encode(&Order::sample(), &TraceContext::root()).expect("fields");
    let micros = sample(&mut seen, || async {
        let mut append = redis::cmd("XADD");
        append.arg(STREAM).arg("*").arg(fields.as_slice());
        append.exec_async(&mut connection.clone()).await.expect("an append");
    })
    .await;
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
    let producer = Producer::new(rig.commands(), STREAM);
    let (order, trace) = (Order::sample(), TraceContext::root());
    let micros = sample(&mut seen, || producer.append(&order, &trace)).await;
    stop.cancel();
    working.await.expect("a worker that stops");
    micros
}
