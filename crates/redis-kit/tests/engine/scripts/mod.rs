//! Each script by itself, called as its header says: the answers and corner cases that a worker hides.

mod cache;
mod competing;
mod leaderboard;
mod lock;
mod ordered;
mod rate_limit;
mod session;

use redis::Script;

use crate::harness::{Bench, STREAM};

const ATTEMPTS: &str = "jobs:{t}:attempts:workers";
const RETRY: &str = "jobs:{t}:retry:workers";
const LEASE: &str = "jobs:{t}:lease:workers";
const DEAD: &str = "jobs:{t}:dead:workers";

/// A script made of the same parts as in the engine.
macro_rules! script {
    ($($part:literal),+ $(,)?) => {
        std::sync::LazyLock::new(|| redis::Script::new(concat!(
            $(include_str!(concat!("../../../../src/stream/", $part)), "\n"),+
        )))
    };
}
use script;

/// A script's answer, or the code of its error.
type Answer<T> = Result<T, String>;

async fn call<T, Key, Arg>(bench: &Bench, script: &Script, keys: &[Key], args: &[Arg]) -> Answer<T>
where
    T: redis::FromRedisValue,
    Key: AsRef<str>,
    Arg: AsRef<str>,
{
    let mut invocation = script.prepare_invoke();
    for key in keys {
        invocation.key(key.as_ref());
    }
    for arg in args {
        invocation.arg(arg.as_ref());
    }
    let answer = invocation.invoke_async(&mut bench.commands_at(keys[0].as_ref()).await).await;
    answer.map_err(|error: redis::RedisError| error.code().map_or_else(|| error.to_string(), str::to_owned))
}

/// What a handler returned for one entry, as scripts are given it.
#[derive(Default)]
struct Writes {
    /// The token of the attempt at exclusive work that they are by. Only competing delivery has such.
    token: Option<String>,
    count: usize,
    keys: Vec<String>,
    args: Vec<String>,
}

impl Writes {
    fn none() -> Self {
        Self::default()
    }

    fn set(key: &str, field: &str, value: &str) -> Self {
        Self::none().and("set", Some(key), [field, value])
    }

    /// Appends an entry that has so many fields.
    fn append(key: &str, fields: usize) -> Self {
        let args: Vec<String> = (0..2 * fields).map(|n| n.to_string()).collect();
        Self::none().and("append", Some(key), args.iter().map(String::as_str))
    }

    fn and<'a>(mut self, kind: &str, key: Option<&str>, args: impl IntoIterator<Item = &'a str>) -> Self {
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        self.count += 1;
        self.keys.extend(key.map(str::to_owned));
        self.args.extend([kind.to_owned(), args.len().to_string()]);
        self.args.extend(args);
        self
    }

    fn and_publish(self, channel: &str) -> Self {
        self.and("publish", None, [channel, "x"])
    }

    /// Their number, and each of them.
    fn args(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.count.to_string()).chain(self.args.iter().cloned())
    }

    /// The same behind the token, or `''`.
    fn guarded_args(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.token.clone().unwrap_or_default()).chain(self.args())
    }
}

impl Bench {
    /// Appends entries `1-0`, `2-0`…, each with one field that says its number.
    async fn appended(&self, count: usize) {
        self.appended_after(0, count).await;
    }

    async fn appended_after(&self, last: usize, count: usize) {
        let mut appends = redis_kit::pipe();
        for n in last + 1..=last + count {
            appends.cmd("XADD").arg(STREAM).arg(format!("{n}-0")).arg("n").arg(n).ignore();
        }
        appends.exec_async(&mut self.commands()).await.unwrap();
    }

    /// Leaves no room for what may be refused.
    async fn full(&self) {
        self.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
        let refused = self.try_run::<u8>(&["HSET", "h:{t}", "a", "b"]).await.unwrap_err();
        assert_eq!(refused.code(), Some("OOM"));
    }

    async fn exist(&self, keys: &[&str]) -> usize {
        self.run(&[&["EXISTS"], keys].concat()).await
    }

    /// Each of the group's dead letters, as it stands in Redis.
    async fn letters(&self) -> Vec<Vec<String>> {
        let letters: Vec<(String, Vec<String>)> = self.run(&["XRANGE", DEAD, "-", "+"]).await;
        letters.into_iter().map(|(_, fields)| fields).collect()
    }

    /// The failures on record of one entry: how many, and their reasons.
    async fn failures(&self, id: &str) -> (u64, Vec<String>) {
        let known: String = self.run(&["HGET", ATTEMPTS, id]).await;
        let known: serde_json::Value = serde_json::from_str(&known).unwrap();
        (known["failed"].as_u64().unwrap(), reasons(&known["history"]))
    }
}

fn reasons(history: &serde_json::Value) -> Vec<String> {
    let reason = |failure: &serde_json::Value| failure["reason"].as_str().unwrap().to_owned();
    history.as_array().unwrap().iter().map(reason).collect()
}
