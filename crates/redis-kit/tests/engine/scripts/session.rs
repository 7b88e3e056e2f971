//! The scripts of sessions.

use std::sync::LazyLock;

use redis::Script;

use super::{Answer, call};
use crate::harness::Bench;

/// A script made of the same parts as in `session`.
macro_rules! script {
    ($($part:literal),+ $(,)?) => {
        LazyLock::new(|| Script::new(concat!(
            $(include_str!(concat!("../../../src/session/lua/", $part)), "\n"),+
        )))
    };
}

static BEGIN: LazyLock<Script> = script!("read.lua", "touch.lua", "begin.lua");
static LOAD: LazyLock<Script> = script!("allow_oom.lua", "read.lua", "touch.lua", "load.lua");
static SAVE: LazyLock<Script> = script!("read.lua", "save.lua");
static ROTATE: LazyLock<Script> = script!("allow_oom.lua", "read.lua", "touch.lua", "rotate.lua");
static LIST: LazyLock<Script> = script!("read.lua", "list.lua");
static REVOKE: LazyLock<Script> = script!("allow_oom.lua", "read.lua", "revoke.lua");
static REVOKE_ALL: LazyLock<Script> = script!("allow_oom.lua", "read.lua", "revoke_all.lua");

const INDEX: &str = "session:{t}";
const AN_HOUR: &str = "3600000";
const TWO_HOURS: &str = "7200000";

type Told = Option<(String, String, u64, u64, u64)>;

fn key(id: &str) -> String {
    format!("{INDEX}:{id}")
}

impl Bench {
    async fn begin(&self, id: &str) -> Answer<(u64, u64, Vec<String>)> {
        self.begin_with(id, "31", None).await
    }

    async fn begin_with(
        &self,
        id: &str,
        others: &str,
        replaced: Option<&str>,
    ) -> Answer<(u64, u64, Vec<String>)> {
        let mut keys = vec![INDEX.to_owned(), key(id)];
        keys.extend(replaced.map(key));
        let args = [id, "data", "v1", AN_HOUR, TWO_HOURS, others].into_iter().chain(replaced);
        call(self, &BEGIN, &keys, &args.collect::<Vec<_>>()).await
    }

    async fn load(&self, id: &str, unnoted: &str) -> Answer<Told> {
        call(self, &LOAD, &[INDEX, &key(id)], &[id, AN_HOUR, unnoted]).await
    }

    async fn save(&self, id: &str, read: &str, version: &str) -> Answer<i8> {
        call(self, &SAVE, &[INDEX, &key(id)], &[id, read, version, "more"]).await
    }

    async fn rotate(&self, old: &str, new: &str) -> Answer<Told> {
        call(self, &ROTATE, &[INDEX, &key(old), &key(new)], &[old, new, AN_HOUR]).await
    }

    async fn revoke(&self, id: &str) -> Answer<u8> {
        call(self, &REVOKE, &[INDEX, &key(id)], &[id]).await
    }

    async fn revoke_all(&self, except: &str) -> Answer<Vec<String>> {
        call(self, &REVOKE_ALL, &[INDEX], &[except]).await
    }

    /// The index says that the session has expired, though its hash is still there.
    async fn expire(&self, id: &str) {
        self.run::<u8>(&["ZADD", INDEX, "CH", "1000", id]).await;
    }

    async fn ids(&self) -> Vec<String> {
        self.run(&["ZRANGE", INDEX, "0", "-1"]).await
    }
}

#[tokio::test]
async fn a_session_begins_with_both_of_its_times() {
    let bench = Bench::start().await;
    let (now, ends, too_many) = bench.begin("a").await.unwrap();
    assert!((bench.time().await - f64::from(u32::try_from(now / 1000).unwrap()) * 1000.0).abs() < 60_000.0);
    assert_eq!((ends, too_many.len()), (now + 7_200_000, 0));
    let fields: Vec<u64> = bench.run(&["HMGET", &key("a"), "created", "seen", "ends"]).await;
    assert_eq!(fields, [now, now, ends]);
    let expires = now + 3_600_000;
    assert_eq!(bench.run::<u64>(&["PEXPIRETIME", &key("a")]).await, expires);
    assert_eq!(bench.run::<u64>(&["PEXPIRETIME", INDEX]).await, expires);
    assert_eq!(bench.run::<u64>(&["ZSCORE", INDEX, "a"]).await, expires);
}

#[tokio::test]
async fn of_those_that_are_too_many_the_first_to_expire_go() {
    let bench = Bench::start().await;
    for id in ["a", "b", "c"] {
        bench.begin(id).await.unwrap();
    }
    bench.run::<f64>(&["ZINCRBY", INDEX, "-1000000", "b"]).await;
    // The new one may be the first to expire itself.
    for id in ["a", "c"] {
        bench.run::<f64>(&["ZINCRBY", INDEX, "1000000", id]).await;
    }
    assert_eq!(bench.begin_with("d", "2", None).await.unwrap().2, ["b"]);
    assert_eq!(bench.begin_with("e", "2", None).await.unwrap().2, ["d"]);
    assert_eq!(bench.begin_with("f", "0", None).await.unwrap().2, ["e", "a", "c"]);
    assert_eq!(bench.ids().await, ["f"]);
}

#[tokio::test]
async fn the_replaced_one_goes_and_makes_room() {
    let bench = Bench::start().await;
    bench.begin("a").await.unwrap();
    bench.begin("b").await.unwrap();
    for _ in 0..2 {
        assert!(bench.begin_with("c", "1", Some("a")).await.unwrap().2.is_empty(), "twice is once");
        assert_eq!(bench.exist(&[&key("a"), &key("b"), &key("c")]).await, 2);
        assert_eq!(bench.ids().await.len(), 2);
    }
}

#[tokio::test]
async fn what_the_index_does_not_name_is_no_session() {
    let bench = Bench::start().await;
    for end in ["expire", "forget"] {
        bench.begin("a").await.unwrap();
        match end {
            "expire" => bench.expire("a").await,
            _ => bench.run(&["ZREM", INDEX, "a"]).await,
        }
        assert_eq!(bench.load("a", "0").await.unwrap(), None, "{end}");
        assert_eq!(bench.save("a", "v1", "v2").await.unwrap(), -1, "{end}");
        assert_eq!(bench.rotate("a", "b").await.unwrap(), None, "{end}");
        let listed: Vec<Told> = call(&bench, &LIST, &[INDEX, &key("a")], &["a"]).await.unwrap();
        assert_eq!(listed, [None], "{end}");
        assert_eq!(bench.exist(&[&key("a"), &key("b")]).await, 1, "{end}");
        assert_eq!(bench.revoke("a").await.unwrap(), 0, "{end}");
        assert_eq!(bench.exist(&[&key("a"), INDEX]).await, 0, "{end}");
    }
}

#[tokio::test]
async fn nor_is_what_has_lost_its_hash() {
    let bench = Bench::start().await;
    bench.begin("a").await.unwrap();
    bench.run::<u8>(&["DEL", &key("a")]).await;
    assert_eq!(bench.load("a", "0").await.unwrap(), None);
    assert_eq!(bench.save("a", "v1", "v2").await.unwrap(), -1);
    assert_eq!(bench.rotate("a", "b").await.unwrap(), None);
    assert_eq!(bench.exist(&[&key("a"), &key("b")]).await, 0);
}

#[tokio::test]
async fn a_use_is_noted_when_it_is_due() {
    let bench = Bench::start().await;
    let (now, ends, _) = bench.begin("a").await.unwrap();
    let told = |seen| Some(("data".to_owned(), "v1".to_owned(), now, seen, ends));
    assert_eq!(bench.load("a", AN_HOUR).await.unwrap(), told(now));
    bench.run::<i64>(&["HINCRBY", &key("a"), "seen", "-3600000"]).await;
    let seen = bench.load("a", AN_HOUR).await.unwrap().unwrap().3;
    assert!(seen >= now);
    assert_eq!(bench.run::<u64>(&["HGET", &key("a"), "seen"]).await, seen);
    assert_eq!(bench.run::<u64>(&["PEXPIRETIME", &key("a")]).await, seen + 3_600_000);
    // A clock that was set back is none that went on.
    bench.run::<i64>(&["HINCRBY", &key("a"), "seen", "3600000"]).await;
    assert_eq!(bench.load("a", "1000").await.unwrap(), told(seen + 3_600_000));
}

#[tokio::test]
async fn a_use_does_not_prolong_beyond_the_end() {
    let bench = Bench::start().await;
    bench.begin("a").await.unwrap();
    let ends: i64 = bench.run(&["HINCRBY", &key("a"), "ends", "-5400000"]).await;
    bench.load("a", "0").await.unwrap().unwrap();
    assert_eq!(bench.run::<i64>(&["PEXPIRETIME", &key("a")]).await, ends);
    assert_eq!(bench.run::<i64>(&["PEXPIRETIME", INDEX]).await, ends);
    assert_eq!(bench.run::<i64>(&["ZSCORE", INDEX, "a"]).await, ends);
}

#[tokio::test]
async fn a_save_is_for_the_version_that_was_read_and_twice_is_once() {
    let bench = Bench::start().await;
    bench.begin("a").await.unwrap();
    assert_eq!(bench.save("a", "v0", "v2").await.unwrap(), 0);
    assert_eq!(bench.save("a", "v1", "v2").await.unwrap(), 1);
    assert_eq!(bench.save("a", "v1", "v2").await.unwrap(), 1);
    assert_eq!(bench.save("a", "v1", "v3").await.unwrap(), 0);
    let told = bench.load("a", AN_HOUR).await.unwrap().unwrap();
    assert_eq!((told.0, told.1), ("more".into(), "v2".into()));
}

#[tokio::test]
async fn a_rotation_twice_is_once() {
    let bench = Bench::start().await;
    bench.begin("a").await.unwrap();
    let first = bench.rotate("a", "b").await.unwrap().unwrap();
    let second = bench.rotate("a", "b").await.unwrap().unwrap();
    assert_eq!((first.2, first.4), (second.2, second.4));
    assert_eq!(bench.ids().await, ["b"]);
    assert_eq!(bench.exist(&[&key("a"), &key("b")]).await, 1);
    // Nor does it come back when it was revoked in between.
    bench.revoke("b").await.unwrap();
    assert_eq!(bench.rotate("a", "b").await.unwrap(), None);
}

#[tokio::test]
async fn all_but_one_are_ended() {
    let bench = Bench::start().await;
    for id in ["a", "b", "c", "d"] {
        bench.begin(id).await.unwrap();
    }
    bench.expire("d").await;
    assert_eq!(bench.revoke_all("b").await.unwrap(), ["a", "c"]);
    assert_eq!(bench.ids().await, ["b"]);
    assert!(bench.revoke_all("b").await.unwrap().is_empty());
    assert_eq!(bench.revoke_all("").await.unwrap(), ["b"]);
    assert!(bench.revoke_all("").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_index_that_is_something_else_is_refused_before_anything_is_written() {
    let bench = Bench::start().await;
    bench.begin("a").await.unwrap();
    bench.run::<()>(&["SET", INDEX, "x"]).await;
    let before: Vec<String> = bench.run(&["HVALS", &key("a")]).await;
    let refused = Err("WRONGTYPE".to_owned());
    assert_eq!(bench.begin("b").await.map(|_| ()), refused);
    assert_eq!(bench.load("a", "0").await.map(|_| ()), refused);
    assert_eq!(bench.save("a", "v1", "v2").await.map(|_| ()), refused);
    assert_eq!(bench.rotate("a", "b").await.map(|_| ()), refused);
    assert_eq!(bench.revoke("a").await.map(|_| ()), refused);
    assert_eq!(bench.revoke_all("").await.map(|_| ()), refused);
    assert_eq!(bench.run::<Vec<String>>(&["HVALS", &key("a")]).await, before);
    assert_eq!(bench.exist(&[&key("b")]).await, 0);
}

/// Whoever is logged in stays so and can log out; nobody new logs in.
#[tokio::test]
async fn on_a_full_redis_sessions_go_on_and_none_begin() {
    let bench = Bench::start().await;
    bench.begin("a").await.unwrap();
    bench.begin("b").await.unwrap();
    bench.full().await;
    assert_eq!(bench.begin("c").await.map(|_| ()), Err("OOM".into()));
    assert_eq!(bench.exist(&[&key("c")]).await, 0);
    assert_eq!(bench.save("a", "v1", "v2").await, Err("OOM".into()));
    assert!(bench.load("a", "0").await.unwrap().is_some());
    assert!(bench.rotate("a", "c").await.unwrap().is_some());
    assert_eq!(bench.revoke("c").await.unwrap(), 1);
    assert_eq!(bench.revoke_all("").await.unwrap(), ["b"]);
}
