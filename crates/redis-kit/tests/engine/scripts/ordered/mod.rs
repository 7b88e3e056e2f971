//! The scripts of ordered delivery.

mod contend;
mod pass;

use std::{collections::HashMap, sync::LazyLock};

use redis::Script;

use super::{ATTEMPTS, Answer, DEAD, LEASE, Writes, call, script};
use crate::harness::{Bench, GROUP, STREAM};

static CONTEND: LazyLock<Script> =
    script!("lua/check.lua", "ordered/lua/held.lua", "ordered/lua/contend.lua");
static GIVE: LazyLock<Script> = script!("ordered/lua/give.lua");
static PASS: LazyLock<Script> = script!(
    "lua/check.lua",
    "lua/writes.lua",
    "lua/failures.lua",
    "ordered/lua/held.lua",
    "ordered/lua/pass.lua"
);
static FAIL: LazyLock<Script> = script!(
    "lua/check.lua",
    "lua/writes.lua",
    "lua/failures.lua",
    "ordered/lua/held.lua",
    "ordered/lua/fail.lua"
);

const AN_HOUR: &str = "3600000";

/// An instance that does what a test tells it, and believes that it holds the partition by `fence`.
#[derive(Clone, Copy)]
struct Instance<'a> {
    bench: &'a Bench,
    name: &'a str,
    fence: &'a str,
}

/// One entry: its id, how many attempts had failed before, and what became of it then.
struct Entry<'a>(&'a str, u32, Became<'a>);

enum Became<'a> {
    /// Nothing is written for it, nor for so many before it.
    PassedWith(usize),
    Applied(Writes),
    Rejected(&'a str),
}

impl<'a> Instance<'a> {
    fn new(bench: &'a Bench, name: &'a str) -> Self {
        Self { bench, name, fence: "" }
    }

    fn by_fence(self, fence: &'a str) -> Self {
        Self { fence, ..self }
    }

    /// One that has taken the partition for the first time.
    async fn holding(bench: &'a Bench, name: &'a str) -> Self {
        assert_eq!(Self::new(bench, name).contend().await.unwrap()[..2], ["taken", "1"]);
        Self::new(bench, name).by_fence("1")
    }

    async fn contend(self) -> Answer<Vec<String>> {
        self.contend_for(STREAM, 0).await
    }

    /// Contends for the partition of that number.
    async fn contend_for(self, stream: &str, partition: usize) -> Answer<Vec<String>> {
        let lease = format!("{stream}:lease:{GROUP}");
        let args = [GROUP, self.name, self.fence, AN_HOUR, &partition.to_string()];
        call(self.bench, &CONTEND, &[stream, &lease], &args).await
    }

    /// Lets its sign of life grow old.
    async fn expire(self) {
        self.bench.run::<()>(&["HSET", LEASE, &format!("member:{}", self.name), "1"]).await;
    }

    /// Gives away what it believes to hold.
    async fn give(self) -> Answer<u8> {
        call(self.bench, &GIVE, &[STREAM, LEASE], &[GROUP, self.name, self.fence]).await
    }

    /// Goes away.
    async fn leave(self) -> Answer<u8> {
        self.by_fence("").give().await
    }

    /// Passes entries from `cursor` on. Returns where it stands then, and the code of what is wrong, if anything is.
    async fn pass(self, cursor: &str, entries: &[Entry<'_>]) -> Answer<Option<(String, String)>> {
        self.pass_as("kept", cursor, entries).await
    }

    /// The same, but moves the cursor in memory alone.
    async fn pass_in_memory(self, cursor: &str, entries: &[Entry<'_>]) -> Answer<Option<(String, String)>> {
        self.pass_as("", cursor, entries).await
    }

    async fn pass_as(
        self,
        kept: &str,
        cursor: &str,
        entries: &[Entry<'_>],
    ) -> Answer<Option<(String, String)>> {
        let mut keys = vec![STREAM, LEASE, ATTEMPTS, DEAD];
        let last = entries.last().map_or("", |Entry(id, ..)| id);
        let mut args = [GROUP, self.name, self.fence, cursor, last, kept].map(str::to_owned).to_vec();
        for Entry(id, failed, outcome) in entries {
            let before = if let Became::PassedWith(before) = outcome { *before } else { 0 };
            args.extend([(*id).to_owned(), (before + 1).to_string(), failed.to_string()]);
            match outcome {
                Became::PassedWith(_) => args.extend(["", "0"].map(str::to_owned)),
                Became::Applied(writes) => {
                    keys.extend(writes.keys.iter().map(String::as_str));
                    args.push(String::new());
                    args.extend(writes.args());
                }
                Became::Rejected(reason) => args.push((*reason).to_owned()),
            }
        }
        let answer: Option<(String, String, bool)> = call(self.bench, &PASS, &keys, &args).await?;
        let code = |wrong: String| wrong.split(' ').next().unwrap_or_default().to_owned();
        Ok(answer.map(|(cursor, wrong, is_kept)| {
            assert!(!is_kept || kept == "kept", "kept at {cursor} without being asked to");
            (cursor, code(wrong))
        }))
    }

    async fn fail(self, id: &str, reason: &str, failed: u32) -> Answer<Option<u8>> {
        self.fail_with(id, reason, failed, Writes::none()).await
    }

    async fn fail_with(self, id: &str, reason: &str, failed: u32, writes: Writes) -> Answer<Option<u8>> {
        let mut keys = vec![STREAM, LEASE, ATTEMPTS];
        keys.extend(writes.keys.iter().map(String::as_str));
        let first_delivered = "1";
        let mut args = [GROUP, self.name, self.fence, id, reason, &failed.to_string(), first_delivered]
            .map(str::to_owned)
            .to_vec();
        args.extend(writes.args());
        call(self.bench, &FAIL, &keys, &args).await
    }
}

impl Bench {
    /// What Redis knows of the group.
    async fn group(&self) -> HashMap<String, redis::Value> {
        let mut groups: Vec<HashMap<String, redis::Value>> = self.run(&["XINFO", "GROUPS", STREAM]).await;
        groups.remove(0)
    }

    /// How many entries the group has not passed, if Redis knows.
    pub(crate) async fn lag(&self) -> Option<u64> {
        redis::from_redis_value_ref(&self.group().await["lag"]).unwrap()
    }

    /// How far the group has come.
    pub(crate) async fn cursor(&self) -> String {
        redis::from_redis_value_ref(&self.group().await["last-delivered-id"]).unwrap()
    }
}
