//! Slots move from node to node while clients write and wait.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use local_redis::{Cluster, Server};
use redis::Script;
use redis_kit::{Connection, Error, Redis, patiently};
use test_support::eventually;
use tokio_util::sync::CancellationToken;

use crate::support::{KEYS, LIMIT, ask, cluster, connect, connect_to, transient_code};

/// A slot on its way between two nodes.
struct Move<'a> {
    from: &'a Server,
    to: &'a Server,
    slot: String,
}

impl<'a> Move<'a> {
    /// From here on the old node sends on what it does not have (`ASK`).
    async fn begin(cluster: &'a Cluster, slot: u16, from: usize, to: usize) -> Self {
        let (from, to) = (&cluster.nodes()[from], &cluster.nodes()[to]);
        let slot = slot.to_string();
        tell(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from).await]).await;
        tell(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to).await]).await;
        Self { from, to, slot }
    }

    async fn carry(&self, key: &str) {
        let port = self.to.port().to_string();
        tell(self.from, &["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).await;
    }

    /// Carries over whatever is left. From here on the old node says `MOVED`.
    async fn finish(self) {
        let old = connect_to(self.from);
        loop {
            let keys: Vec<String> =
                ask(&old, &["CLUSTER", "GETKEYSINSLOT", &self.slot, "100"]).await.unwrap();
            if keys.is_empty() {
                break;
            }
            for key in keys {
                self.carry(&key).await;
            }
        }
        let owner = id(self.to).await;
        for node in [self.to, self.from] {
            tell(node, &["CLUSTER", "SETSLOT", &self.slot, "NODE", &owner]).await;
        }
    }
}

async fn tell(node: &Server, words: &[&str]) {
    ask::<()>(&connect_to(node), words).await.unwrap();
}

async fn id(node: &Server) -> String {
    ask(&connect_to(node), &["CLUSTER", "MYID"]).await.unwrap()
}

#[tokio::test]
async fn a_key_is_found_before_during_and_after_its_move() {
    let cluster = cluster().await;
    let redis = connect(&cluster.url());
    let (key, slot) = KEYS[0];
    ask::<()>(&redis, &["SET", key, "0"]).await.unwrap();
    let count = async || ask::<u64>(&redis, &["INCR", key]).await.unwrap();
    let moving = Move::begin(&cluster, slot, 0, 2).await;
    assert_eq!(count().await, 1);
    moving.carry(key).await;
    let asked = ask::<u64>(&connect_to(moving.from), &["INCR", key]).await.unwrap_err();
    assert_eq!(transient_code(&asked), "ASK", "the old node does not have it any more");
    assert_eq!(count().await, 2);
    moving.finish().await;
    assert_eq!(count().await, 3);
    let moved = ask::<u64>(&connect_to(&cluster.nodes()[0]), &["INCR", key]).await.unwrap_err();
    assert_eq!(transient_code(&moved), "MOVED");
    assert_eq!(count().await, 4);
}

#[tokio::test]
async fn a_script_whose_keys_are_half_way_is_to_be_tried_again() {
    let cluster = cluster().await;
    let mut redis = connect(&cluster.url());
    let (tag, slot) = KEYS[0];
    let keys = [format!("a{{{tag}}}"), format!("b{{{tag}}}")];
    for key in &keys {
        ask::<()>(&redis, &["SET", key, "1"]).await.unwrap();
    }
    let script = Script::new("return redis.call('INCR', KEYS[1]) + redis.call('INCR', KEYS[2])");
    let add = |redis: &mut Connection| {
        let mut redis = redis.clone();
        let (script, keys) = (&script, &keys);
        async move { Ok::<u64, Error>(script.key(&keys[0]).key(&keys[1]).invoke_async(&mut redis).await?) }
    };
    assert_eq!(add(&mut redis).await.unwrap(), 4);
    let moving = Move::begin(&cluster, slot, 0, 1).await;
    moving.carry(&keys[0]).await;
    assert_eq!(transient_code(&add(&mut redis).await.unwrap_err()), "TRYAGAIN");
    let patient = patiently(|| add(&mut redis));
    let ((), sum) = tokio::join!(moving.finish(), patient);
    assert_eq!(sum.unwrap(), 6, "it was carried out once");
}

#[tokio::test]
async fn a_pipeline_is_carried_out_once_wherever_its_keys_are() {
    let cluster = cluster().await;
    let mut redis = connect(&cluster.url());
    let (tag, slot) = KEYS[0];
    let keys: Vec<String> = (0..4).map(|n| format!("{n}{{{tag}}}")).collect();
    let mut count = redis_kit::pipe();
    for key in &keys {
        count.cmd("INCR").arg(key);
    }
    let mut counts = async || count.query_async::<Vec<u64>>(&mut redis).await.unwrap();
    assert_eq!(counts().await, [1; 4]);
    let moving = Move::begin(&cluster, slot, 0, 1).await;
    for key in &keys[..2] {
        moving.carry(key).await;
    }
    assert_eq!(counts().await, [2; 4]);
    moving.finish().await;
    assert_eq!(counts().await, [3; 4]);
}

#[tokio::test]
async fn a_transaction_that_comes_too_late_is_not_carried_out_and_the_next_one_is() {
    let cluster = cluster().await;
    let mut redis = connect(&cluster.url());
    let (key, slot) = KEYS[0];
    let mut steps = redis_kit::pipe();
    steps.atomic().cmd("INCR").arg(key);
    assert_eq!(steps.query_async::<Vec<u64>>(&mut redis).await.unwrap(), [1]);
    Move::begin(&cluster, slot, 0, 1).await.finish().await;
    let refused = Error::from(steps.query_async::<Vec<u64>>(&mut redis).await.unwrap_err());
    assert!(refused.is_transient(), "{refused}");
    assert_eq!(steps.query_async::<Vec<u64>>(&mut redis).await.unwrap(), [2]);
}

#[tokio::test]
async fn a_reader_that_waits_hears_from_the_node_that_its_stream_moved_to() {
    let cluster = cluster().await;
    let redis = connect(&cluster.url());
    let (stream, slot) = KEYS[0];
    ask::<()>(&redis, &["XGROUP", "CREATE", stream, "group", "$", "MKSTREAM"]).await.unwrap();
    let reader = Redis::open(&cluster.url()).unwrap().blocking(LIMIT).unwrap();
    let block = LIMIT.as_millis().to_string();
    let reading = tokio::spawn(async move {
        let read = ["XREADGROUP", "GROUP", "group", "me", "BLOCK", &block, "STREAMS", stream, ">"];
        ask::<HashMap<String, redis::Value>>(&reader, &read).await
    });
    let old = connect_to(&cluster.nodes()[0]);
    eventually("the reader to wait", LIMIT, || async {
        let clients: String = ask(&old, &["CLIENT", "LIST"]).await.unwrap();
        if clients.contains("cmd=xreadgroup") { Ok(()) } else { Err(clients) }
    })
    .await;
    Move::begin(&cluster, slot, 0, 1).await.finish().await;
    ask::<String>(&redis, &["XADD", stream, "*", "field", "value"]).await.unwrap();
    match reading.await.unwrap() {
        Ok(read) => assert!(read.contains_key(stream), "{read:?}"),
        // The stream's deletion from the old node may be what ends the wait; a reader then reads again.
        Err(error) => assert!(error.is_transient(), "{error}"),
    }
}

/// What the writers and the test share.
#[derive(Clone, Default)]
struct Writing {
    stop: CancellationToken,
    written: Arc<AtomicU64>,
}

impl Writing {
    /// Waits until the writers have met the slot as it is now.
    async fn goes_on(&self) {
        let before = self.written.load(Ordering::Relaxed);
        eventually("the writers to go on", LIMIT, || async {
            let more = self.written.load(Ordering::Relaxed) - before;
            if more > 50 { Ok(()) } else { Err(format!("they wrote {more}")) }
        })
        .await;
    }
}

/// Appends values, each its own, until told to stop, and returns those that were acknowledged. A value that Redis refused
/// is not written again.
async fn write(redis: Connection, stream: &str, writer: usize, writing: Writing) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        if writing.stop.is_cancelled() {
            break;
        }
        let value = format!("{writer}-{n}");
        match ask::<String>(&redis, &["XADD", stream, "*", "value", &value]).await {
            Ok(_) => {
                acknowledged.push(value);
                writing.written.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    acknowledged
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_doubled_while_slots_move_under_writers() {
    let cluster = cluster().await;
    let writing = Writing::default();
    let (tag, slot) = KEYS[0];
    let streams: Arc<[String]> = (0..4).map(|n| format!("{n}{{{tag}}}")).collect();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let redis = connect(&cluster.urls()[writer % 3]);
        let (streams, writing) = (Arc::clone(&streams), writing.clone());
        writers.spawn(async move { (writer % 4, write(redis, &streams[writer % 4], writer, writing).await) });
    }
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2), (2, 1), (1, 0)] {
        let moving = Move::begin(&cluster, slot, from, to).await;
        for stream in &streams[..] {
            moving.carry(stream).await;
            writing.goes_on().await;
        }
        moving.finish().await;
        writing.goes_on().await;
    }
    writing.stop.cancel();
    let mut expected: Vec<Vec<String>> = vec![Vec::new(); 4];
    for (stream, acknowledged) in writers.join_all().await {
        assert!(acknowledged.len() > 10, "a writer wrote only {acknowledged:?}");
        expected[stream].extend(acknowledged);
    }
    let redis = connect(&cluster.url());
    for (stream, mut expected) in streams.iter().zip(expected) {
        type Entries = Vec<(String, (String, String))>;
        let entries: Entries = ask(&redis, &["XRANGE", stream, "-", "+"]).await.unwrap();
        let mut found: Vec<String> = entries.into_iter().map(|(_, (_, value))| value).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{stream}");
    }
}
