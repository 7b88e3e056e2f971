//! The scripts of competing delivery.

mod commit;
mod exclusive;
mod membership;
mod settling;
mod waiting;

use std::sync::LazyLock;

use redis::Script;

use super::{ATTEMPTS, Answer, DEAD, LEASE, RETRY, Writes, call, script};
use crate::harness::{Bench, GROUP, STREAM};

static JOIN: LazyLock<Script> = script!("competing/lua/join.lua");
static HEARTBEAT: LazyLock<Script> = script!("competing/lua/heartbeat.lua");
static ACKNOWLEDGE: LazyLock<Script> = script!("competing/lua/acknowledge.lua");
static BEGIN: LazyLock<Script> = script!(
    "lua/check.lua",
    "competing/lua/fence.lua",
    "competing/lua/exclusive.lua",
    "competing/lua/begin.lua"
);
static COMMIT: LazyLock<Script> = script!(
    "lua/check.lua",
    "lua/writes.lua",
    "competing/lua/fence.lua",
    "competing/lua/exclusive.lua",
    "competing/lua/commit.lua"
);
static POSTPONE: LazyLock<Script> = script!(
    "lua/check.lua",
    "lua/writes.lua",
    "lua/failures.lua",
    "competing/lua/fence.lua",
    "competing/lua/exclusive.lua",
    "competing/lua/postpone.lua"
);
static REJECT: LazyLock<Script> =
    script!("lua/check.lua", "lua/failures.lua", "competing/lua/fence.lua", "competing/lua/reject.lua");
static CLAIM: LazyLock<Script> = script!("competing/lua/claim.lua");
static STRAYS: LazyLock<Script> = script!("competing/lua/strays.lua");
static LEAVE: LazyLock<Script> = script!("competing/lua/release.lua", "competing/lua/leave.lua");
static REAP: LazyLock<Script> = script!("competing/lua/release.lua", "competing/lua/reap.lua");

const WAITING: &str = "waiting";
const RELEASE_KEYS: [&str; 4] = [STREAM, ATTEMPTS, RETRY, LEASE];
const AN_HOUR: &str = "3600000";

/// An entry as scripts give it: id, fields, failures on record, deliveries, milliseconds since the first of them.
type Found = (String, Vec<String>, String, u64, u64);

fn ids(found: &[Found]) -> Vec<&str> {
    found.iter().map(|(id, ..)| id.as_str()).collect()
}

/// The same without its age.
fn ageless((id, fields, failures, deliveries, _): &Found) -> (&str, &[String], &str, u64) {
    (id, fields, failures, *deliveries)
}

/// A consumer that does what a test tells it, also what a worker never would.
#[derive(Clone, Copy)]
struct Consumer<'a> {
    bench: &'a Bench,
    name: &'a str,
}

/// One entry of a commit: its id, deliveries, failures, and what is to be written.
struct Entry<'a>(&'a str, u64, u32, Writes);

impl<'a> Consumer<'a> {
    fn new(bench: &'a Bench, name: &'a str) -> Self {
        Self { bench, name }
    }

    /// One that has joined the group and read everything.
    async fn reading(bench: &'a Bench, name: &'a str) -> Self {
        let consumer = Self::new(bench, name);
        consumer.join().await.unwrap();
        consumer.read().await;
        consumer
    }

    async fn call<T: redis::FromRedisValue>(
        self,
        script: &Script,
        keys: &[&str],
        args: &[&str],
    ) -> Answer<T> {
        call(self.bench, script, keys, &[&[GROUP, self.name], args].concat()).await
    }

    async fn join(self) -> Answer<u8> {
        self.call(&JOIN, &[STREAM, LEASE], &[AN_HOUR]).await
    }

    async fn heartbeat(self) -> Answer<u8> {
        call(self.bench, &HEARTBEAT, &[LEASE], &[self.name, AN_HOUR]).await
    }

    async fn read(self) {
        let read = ["XREADGROUP", "GROUP", GROUP, self.name, "STREAMS", STREAM, ">"];
        self.bench.run::<redis::Value>(&read).await;
    }

    /// Takes an entry as no script would: by hand, without a look at anybody's lease.
    async fn seize(self, id: &str) {
        let claim = ["XCLAIM", STREAM, GROUP, self.name, "0", id];
        self.bench.run::<redis::Value>(&claim).await;
    }

    /// Lets the lease run out.
    async fn expire(self) {
        self.bench.run::<()>(&["HSET", LEASE, self.name, "1"]).await;
    }

    async fn acknowledge(self, ids: &[&str]) -> Answer<i64> {
        self.call(&ACKNOWLEDGE, &[STREAM, LEASE], ids).await
    }

    /// Commits, and returns for each entry `1`, `0`, or the code of its error.
    async fn commit(self, entries: &[Entry<'_>]) -> Answer<Vec<String>> {
        let mut keys = vec![STREAM, ATTEMPTS, RETRY];
        let mut args = vec![GROUP.to_owned(), self.name.to_owned()];
        for Entry(id, deliveries, failed, writes) in entries {
            keys.extend(writes.keys.iter().map(String::as_str));
            args.extend([(*id).to_owned(), deliveries.to_string(), failed.to_string()]);
            args.extend(writes.guarded_args());
        }
        let answers: Vec<String> = call(self.bench, &COMMIT, &keys, &args).await?;
        let code = |answer: &String| answer.split(' ').next().unwrap_or_default().to_owned();
        Ok(answers.iter().map(code).collect())
    }

    async fn postpone(self, id: &str, deliveries: u64, pause: &str, reason: &str) -> Answer<i64> {
        self.postpone_with(id, deliveries, pause, reason, Writes::none()).await
    }

    async fn postpone_with(
        self,
        id: &str,
        deliveries: u64,
        pause: &str,
        reason: &str,
        writes: Writes,
    ) -> Answer<i64> {
        let mut keys = vec![STREAM, ATTEMPTS, RETRY];
        keys.extend(writes.keys.iter().map(String::as_str));
        let deliveries = deliveries.to_string();
        let mut args =
            [GROUP, self.name, id, &deliveries, pause, reason, WAITING].map(str::to_owned).to_vec();
        args.extend(writes.guarded_args());
        call(self.bench, &POSTPONE, &keys, &args).await
    }

    async fn reject(self, id: &str, deliveries: u64, reason: &str) -> Answer<i64> {
        self.call(&REJECT, &[STREAM, ATTEMPTS, DEAD], &[id, &deliveries.to_string(), reason]).await
    }

    /// Claims entries that wait. Returns them, the ids of lost ones, and how many are pending on this consumer then.
    async fn claim(self, limit: usize) -> Answer<Option<(Vec<Found>, Vec<String>, usize)>> {
        self.call(&CLAIM, &RELEASE_KEYS, &[&limit.to_string()]).await
    }

    async fn strays(self, limit: usize, in_hand: &[&str]) -> Answer<(Vec<Found>, Vec<String>)> {
        self.call(&STRAYS, &[STREAM, ATTEMPTS], &[&[limit.to_string().as_str()], in_hand].concat()).await
    }

    async fn leave(self, limit: usize) -> Answer<(usize, Vec<String>)> {
        self.call(&LEAVE, &RELEASE_KEYS, &[WAITING, &limit.to_string()]).await
    }

    /// Reaps consumers that have shown no life for `lease` milliseconds. Returns the revoked ones, how many entries were
    /// handed back, and the ids of lost ones.
    async fn reap(self, limit: usize, lease: &str) -> Answer<Option<(Vec<String>, usize, Vec<String>)>> {
        self.call(&REAP, &RELEASE_KEYS, &[WAITING, &limit.to_string(), lease]).await
    }
}

impl Bench {
    /// A server with entries `1-0`, `2-0`… that nobody has read.
    async fn holding(count: usize) -> Self {
        let bench = Self::start().await;
        bench.appended(count).await;
        bench
    }

    /// What is pending, as `id consumer deliveries`.
    async fn owners(&self) -> Vec<String> {
        let pending = self.pending().await;
        pending.iter().map(|entry| format!("{} {} {}", entry.id, entry.consumer, entry.deliveries)).collect()
    }

    /// The full names of consumers that Redis knows.
    async fn names(&self) -> Vec<String> {
        let consumers: Vec<std::collections::HashMap<String, redis::Value>> =
            self.run(&["XINFO", "CONSUMERS", STREAM, GROUP]).await;
        consumers.iter().map(|info| redis::from_redis_value_ref(&info["name"]).unwrap()).collect()
    }

    /// Ids that wait and when they are due, in Unix milliseconds.
    async fn due(&self) -> Vec<(String, f64)> {
        self.run(&["ZRANGE", RETRY, "0", "-1", "WITHSCORES"]).await
    }
}
