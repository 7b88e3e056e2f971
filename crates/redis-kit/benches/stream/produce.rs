//! Appending: pipelines of 1000 `XADD`s, two in flight on one connection, against two tasks with a producer.

use std::time::Instant;

use redis_kit::{
    stream::{Producer, encode},
    trace::TraceContext,
};
use test_support::Table;

use crate::rig::{Order, Rig, STREAM};

const ABOUT: &str = "3 produce, entries/s";
const PIPELINE: usize = 1000;

pub(crate) async fn run(rig: &Rig, table: &mut Table) {
    if rig.wants(ABOUT, "limit") {
        rig.empty().await;
        let begun = Instant::now();
        limit(rig).await;
        table.add(ABOUT, "limit", rig.rate(begun));
    }
    if rig.wants(ABOUT, "engine") {
        rig.empty().await;
        let begun = Instant::now();
        producer(rig).await;
        table.add(ABOUT, "engine", rig.rate(begun));
    }
}

/// The same pipeline again and again, written beforehand.
async fn limit(rig: &Rig) {
    let connection = rig.bare().await;
    let fields = encode(&Order::sample(), &TraceContext::root()).expect("fields");
    let mut pipeline = redis::pipe();
    for _ in 0..PIPELINE {
        pipeline.cmd("XADD").arg(STREAM).arg("*").arg(fields.as_slice()).ignore();
    }
    let half = async |pipeline: &redis::Pipeline| {
        for _ in 0..rig.entries / PIPELINE / 2 {
            pipeline.exec_async(&mut connection.clone()).await.expect("appends");
        }
    };
    tokio::join!(half(&pipeline), half(&pipeline));
}

async fn producer(rig: &Rig) {
    let producer = Producer::new(rig.commands(), STREAM);
    let orders = vec![Order::sample(); PIPELINE];
    let half = async || {
        for _ in 0..rig.entries / PIPELINE / 2 {
            producer.append_all(&orders, &TraceContext::root()).await.expect("appends");
        }
    };
    tokio::join!(half(), half());
}
