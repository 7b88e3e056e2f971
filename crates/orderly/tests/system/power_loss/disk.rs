//! What is on a disk after the power went, and what a Redis makes of it.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use common::{names::Names, partition::Partitions};
use local_redis::{Server, Settings};
use redis::{aio::MultiplexedConnection, streams::StreamRangeReply};
use serde_json::Value;
use tempfile::TempDir;
use test_support::Options;

use super::trace::FileState;
use crate::{clients::Promise, wrapper::real_server};

/// The data folder of a system that has ended, which its options keep.
pub(super) struct Disk(Options);

/// What a Redis had of orders when it had been started on what was left.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Orders whose acceptance is in the journal.
    journal: HashSet<String>,
    /// Orders that have a hash with a status.
    hashes: HashSet<String>,
    /// The answers in the idempotency records, by order.
    answers: HashMap<String, Vec<u8>>,
}

impl Disk {
    pub(super) fn of(options: Options) -> Self {
        Self(options)
    }

    /// How long the file is that grew.
    pub(super) fn length(&self) -> u64 {
        let growing: Vec<PathBuf> = self.files().into_iter().filter(|file| grows(file)).collect();
        let [file] = &growing[..] else { panic!("Redis began another file: {growing:?}") };
        file.metadata().unwrap().len()
    }

    /// What a Redis finds that is started on what was synced.
    pub(super) async fn at(&self, state: &FileState) -> Left {
        let folder = TempDir::with_prefix("orderly-power-").unwrap();
        self.copy_redis(state, &folder.path().join("redis"));
        let settings = Settings::new(folder.path().join("redis"));
        let server = Server::start(&real_server().await, settings).await.unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        Left::read(&mut redis).await
    }

    /// Makes a data folder of what was left at `moment`, with the books of a provider that stopped there too.
    pub(super) fn copy(&self, state: &FileState, to: &Path, moment: SystemTime) {
        self.copy_redis(state, &to.join("redis"));
        let books = fs::read_to_string(self.0.data().join("charges.jsonl")).unwrap();
        let moment = moment.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let by_then: String = books.split_inclusive('\n').filter(|line| made_at(line) <= moment).collect();
        fs::write(to.join("charges.jsonl"), by_then).unwrap();
    }

    fn copy_redis(&self, state: &FileState, to: &Path) {
        let to = to.join("appendonlydir");
        fs::create_dir_all(&to).unwrap();
        for file in self.files() {
            let mut bytes = fs::read(&file).unwrap();
            if grows(&file) {
                bytes.truncate(usize::try_from(state.synced).unwrap());
            }
            fs::write(to.join(file.file_name().unwrap()), bytes).unwrap();
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.0.data().join("redis/appendonlydir")).unwrap();
        folder.map(|file| file.unwrap().path()).collect()
    }
}

impl Left {
    async fn read(redis: &mut MultiplexedConnection) -> Self {
        let (names, mut left) = (Names::default(), Self::default());
        for partition in Partitions::new(4).all() {
            let journal = names.orders_stream(partition);
            let entries = redis::cmd("XRANGE").arg(journal).arg("-").arg("+").query_async(redis).await;
            let entries: StreamRangeReply = entries.unwrap();
            for entry in entries.ids {
                let data: Value = serde_json::from_str(&entry.get::<String>("data").unwrap()).unwrap();
                if data["type"] == "order.placed" {
                    left.journal.insert(data["order_id"].as_str().unwrap().to_owned());
                }
            }
        }
        for key in keys(redis, "order:*").await {
            let status = redis::cmd("HGET").arg(&key).arg("status").query_async(redis).await;
            let status: Option<String> = status.unwrap();
            if status.is_some() {
                left.hashes.extend(key.rsplit(':').next().map(str::to_owned));
            }
        }
        for key in keys(redis, "idem:*").await {
            let mut get = redis::cmd("HMGET");
            get.arg(key).arg("location").arg("answer");
            let (location, answer): (String, Vec<u8>) = get.query_async(redis).await.unwrap();
            left.answers.insert(location.trim_start_matches("/orders/").to_owned(), answer);
        }
        left
    }

    /// Fails with what is missing of an order that was promised.
    pub(super) fn has(&self, promise: &Promise) -> Result<(), &'static str> {
        let id = &promise.order_id;
        if !self.journal.contains(id) {
            Err("it is not in the journal")
        } else if !self.hashes.contains(id) {
            Err("its hash is missing")
        } else if self.answers.get(id) != Some(&promise.body) {
            Err("its idempotency record is not there, or has another answer")
        } else {
            Ok(())
        }
    }

    /// An order is there whole or not at all, promised or not.
    pub(super) fn has_no_halves(&self) {
        assert_eq!(self.journal, self.hashes);
        assert_eq!(self.journal, self.answers.keys().cloned().collect());
    }
}

fn grows(file: &Path) -> bool {
    file.to_string_lossy().ends_with(".incr.aof")
}

async fn keys(redis: &mut MultiplexedConnection, pattern: &str) -> Vec<String> {
    redis::cmd("KEYS").arg(pattern).query_async(redis).await.unwrap()
}

/// When a charge was made, in milliseconds since 1970.
fn made_at(line: &str) -> u128 {
    let charge: Value = serde_json::from_str(line).unwrap();
    let at: jiff::Timestamp = charge["created_at"].as_str().unwrap().parse().unwrap();
    at.as_millisecond().try_into().unwrap()
}
