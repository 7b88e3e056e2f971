//! The scripts of a cache.

use std::sync::LazyLock;

use redis::{Script, Value};
use redis_kit::pubsub::{Event, Subscription};
use tokio::time::timeout;

use super::{Answer, call};
use crate::harness::{Bench, LIMIT};

/// A script made of the same parts as in `cache`.
macro_rules! script {
    ($($part:literal),+ $(,)?) => {
        LazyLock::new(|| Script::new(concat!(
            $(include_str!(concat!("../../../src/cache/lua/", $part)), "\n"),+
        )))
    };
}

static READ: LazyLock<Script> = script!("read.lua");
static PUT: LazyLock<Script> = script!("put.lua");
static RELEASE: LazyLock<Script> = script!("release.lua");
static INVALIDATE: LazyLock<Script> = script!("invalidate.lua");

const ENTRY: &str = "entry:{t}";
const LEASE: &str = "entry:{t}:lease";
const KEYS: [&str; 2] = [ENTRY, LEASE];
const SETTLED: &str = "settled";
const INVALIDATED: &str = "invalidated";
const AN_HOUR: &str = "3600000";

/// Somebody with a token who calls the scripts in whatever order a test likes.
#[derive(Clone, Copy)]
struct Loader<'a> {
    bench: &'a Bench,
    token: &'a str,
}

impl Loader<'_> {
    async fn ask(self, beyond: &str, waits: &str) -> Answer<Value> {
        let (answer,) = call(self.bench, &READ, &KEYS, &[self.token, AN_HOUR, beyond, waits]).await?;
        told(answer)
    }

    async fn read(self) -> Value {
        self.ask("0", "0").await.unwrap()
    }

    async fn put(self, entry: &str) -> Answer<u8> {
        call(self.bench, &PUT, &KEYS, &[self.token, entry, AN_HOUR, SETTLED]).await
    }

    async fn release(self, pause: &str) -> Answer<u8> {
        call(self.bench, &RELEASE, &KEYS, &[self.token, pause, SETTLED]).await
    }
}

fn loaders(bench: &Bench) -> [Loader<'_>; 2] {
    ["a", "b"].map(|token| Loader { bench, token })
}

const LEASED: Value = Value::Int(1);

/// What is told of one of several: an error is a text.
fn told(answer: Value) -> Answer<Value> {
    match answer {
        Value::BulkString(error) => {
            let error = String::from_utf8(error).unwrap();
            Err(error.split(' ').next().unwrap().to_owned())
        }
        answer => Ok(answer),
    }
}

fn found(answer: Value) -> (String, i64) {
    redis::from_redis_value(answer).unwrap()
}

fn busy_for(answer: Value) -> i64 {
    redis::from_redis_value::<(i64,)>(answer).unwrap().0
}

impl Bench {
    async fn invalidate(&self) -> Answer<u8> {
        call(self, &INVALIDATE, &KEYS, &[INVALIDATED]).await
    }

    /// Hears what the scripts tell.
    async fn listening(&self) -> Subscription {
        let mut subscription = Subscription::start(&self.redis(), &[SETTLED, INVALIDATED, "end"]);
        assert_eq!(timeout(LIMIT, subscription.next()).await.expect("an event"), Event::Subscribed);
        subscription
    }

    /// What was told until now, as channel and key.
    async fn told(&self, subscription: &mut Subscription) -> Vec<(String, String)> {
        self.run::<u64>(&["PUBLISH", "end", ""]).await;
        let mut told = Vec::new();
        loop {
            match timeout(LIMIT, subscription.next()).await.expect("an event") {
                Event::Message { channel, .. } if channel == "end" => return told,
                Event::Message { channel, payload } => {
                    told.push((channel, String::from_utf8(payload).unwrap()));
                }
                Event::Subscribed => panic!("the subscription was lost"),
            }
        }
    }
}

fn of(channel: &str) -> Vec<(String, String)> {
    vec![(channel.to_owned(), ENTRY.to_owned())]
}

#[tokio::test]
async fn who_finds_nothing_gets_the_lease_and_the_next_is_told_for_how_long() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    assert_eq!(a.read().await, LEASED);
    assert_eq!(bench.run::<String>(&["GET", LEASE]).await, "a");
    let left = busy_for(b.read().await);
    assert!(left > 3_500_000 && left <= 3_600_000, "{left}");
    assert_eq!(a.read().await, LEASED, "it has it");
    assert_eq!(bench.exist(&[ENTRY]).await, 0);
}

#[tokio::test]
async fn what_was_put_is_found_with_its_time_to_live_and_no_lease_is_given() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    a.read().await;
    assert_eq!(a.put("x").await, Ok(1));
    let (entry, left) = found(b.read().await);
    assert_eq!(entry, "x");
    assert!(left > 3_500_000 && left <= 3_600_000, "{left}");
    assert_eq!(bench.exist(&[LEASE]).await, 0);
    assert_eq!(a.put("y").await, Ok(0), "its lease is used up");
    assert_eq!(found(b.read().await).0, "x");
}

#[tokio::test]
async fn of_several_that_are_asked_for_together_each_is_answered_for_itself() {
    let bench = Bench::start().await;
    let names = ["found:{t}", "missing:{t}", "wrong_type:{t}", "leased:{t}", "found:{t}"];
    let keys: Vec<String> =
        names.iter().flat_map(|name| [(*name).to_owned(), format!("{name}:lease")]).collect();
    bench.run::<()>(&["SET", "found:{t}", "x", "PX", AN_HOUR]).await;
    bench.run::<u8>(&["LPUSH", "wrong_type:{t}", "a wrong_type"]).await;
    bench.run::<()>(&["SET", "leased:{t}:lease", "b", "PX", AN_HOUR]).await;
    let args: Vec<&str> = names.iter().flat_map(|_| ["a", AN_HOUR, "0", "0"]).collect();
    let answers: Vec<Value> = call(&bench, &READ, &keys, &args).await.unwrap();
    let [first, missing, wrong_type, leased, last] = answers.try_into().unwrap();
    assert_eq!((found(first).0, found(last).0), ("x".to_owned(), "x".to_owned()));
    assert_eq!((missing, told(wrong_type)), (LEASED, Err("WRONGTYPE".to_owned())));
    assert!(busy_for(leased) > 3_500_000);
    assert_eq!(bench.exist(&["missing:{t}:lease", "wrong_type:{t}:lease"]).await, 1);
}

#[tokio::test]
async fn an_entry_is_replaced_by_whoever_asks_for_one_that_lives_longer() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    bench.run::<()>(&["SET", ENTRY, "old", "PX", "10000"]).await;
    assert_eq!(found(a.ask("1000", "0").await.unwrap()).0, "old");
    assert_eq!(a.ask("10000", "0").await.unwrap(), LEASED);
    assert!(busy_for(b.ask("10000", "0").await.unwrap()) > 0);
    assert_eq!(found(b.read().await).0, "old", "it is there for those who want no better");
    assert_eq!(a.put("new").await, Ok(1));
    assert_eq!(found(b.ask("10000", "0").await.unwrap()).0, "new");
    // What never expires is no entry.
    bench.run::<()>(&["SET", ENTRY, "for ever"]).await;
    assert_eq!(b.read().await, LEASED);
}

#[tokio::test]
async fn only_if_somebody_waits_it_is_told_that_a_load_has_ended() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    let mut subscription = bench.listening().await;
    for waits in ["0", "1"] {
        let expected = if waits == "1" { of(SETTLED) } else { vec![] };
        a.read().await;
        b.ask("0", waits).await.unwrap();
        assert_eq!(a.put("x").await, Ok(1));
        assert_eq!(bench.told(&mut subscription).await, expected);
        bench.invalidate().await.unwrap();
        assert_eq!(bench.told(&mut subscription).await, of(INVALIDATED));
        a.read().await;
        b.ask("0", waits).await.unwrap();
        assert_eq!(a.release("0").await, Ok(1));
        assert_eq!(bench.told(&mut subscription).await, expected);
    }
}

#[tokio::test]
async fn the_mark_of_those_who_wait_takes_neither_the_lease_nor_its_time() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    a.read().await;
    for _ in 0..3 {
        let left = busy_for(b.ask("0", "1").await.unwrap());
        assert!(left > 3_500_000, "{left}");
    }
    assert_eq!(bench.run::<String>(&["GET", LEASE]).await, "a!");
    assert_eq!(a.read().await, LEASED);
    assert_eq!(a.put("x").await, Ok(1));
}

#[tokio::test]
async fn nobody_puts_or_releases_by_anothers_lease_or_by_none() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    assert_eq!((a.put("x").await, a.release("0").await), (Ok(0), Ok(0)));
    b.read().await;
    assert_eq!((a.put("x").await, a.release("0").await, a.release("1000").await), (Ok(0), Ok(0), Ok(0)));
    assert_eq!(bench.exist(&[ENTRY]).await, 0);
    assert!(bench.run::<i64>(&["PTTL", LEASE]).await > 3_500_000);
}

#[tokio::test]
async fn a_lease_that_is_given_up_for_later_is_nobodys_until_then() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    a.read().await;
    assert_eq!(a.release("60000").await, Ok(1));
    let left = busy_for(b.read().await);
    assert!(left > 0 && left <= 60_000, "{left}");
}

#[tokio::test]
async fn an_invalidation_removes_the_entry_and_the_lease_and_tells_it() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    let mut subscription = bench.listening().await;
    bench.run::<()>(&["SET", ENTRY, "old", "PX", AN_HOUR]).await;
    assert_eq!(a.ask(AN_HOUR, "0").await.unwrap(), LEASED);
    for _ in 0..2 {
        assert_eq!(bench.invalidate().await, Ok(1));
        assert_eq!(bench.exist(&KEYS).await, 0);
        assert_eq!(bench.told(&mut subscription).await, of(INVALIDATED));
    }
    assert_eq!(a.put("old").await, Ok(0), "it is undone");
    assert_eq!(b.read().await, LEASED);
    assert_eq!(a.put("old").await, Ok(0), "it is undone by another's lease");
}

#[tokio::test]
async fn what_is_no_string_is_refused_and_left_as_it_is() {
    let bench = Bench::start().await;
    let [a, _] = loaders(&bench);
    bench.run::<u8>(&["LPUSH", ENTRY, "a list"]).await;
    assert_eq!(a.ask("0", "0").await, Err("WRONGTYPE".into()));
    assert_eq!(bench.exist(&[LEASE]).await, 0);
    bench.run::<u8>(&["DEL", ENTRY]).await;
    bench.run::<u8>(&["LPUSH", LEASE, "a list"]).await;
    assert_eq!(a.ask("0", "0").await, Err("WRONGTYPE".into()));
    assert_eq!(a.put("x").await, Err("WRONGTYPE".into()));
    assert_eq!(bench.exist(&[ENTRY]).await, 0);
}

#[tokio::test]
async fn a_full_redis_gives_no_lease_and_takes_no_entry_but_gives_and_forgets_what_it_has() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    bench.run::<()>(&["SET", ENTRY, "x", "PX", AN_HOUR]).await;
    assert_eq!(a.ask(AN_HOUR, "0").await.unwrap(), LEASED);
    bench.full().await;
    assert_eq!(found(b.read().await).0, "x");
    assert_eq!(a.put("y").await, Err("OOM".into()));
    assert_eq!(bench.run::<String>(&["GET", LEASE]).await, "a", "nothing was done");
    assert_eq!(a.release("60000").await, Ok(1));
    assert_eq!(a.release("0").await, Ok(1));
    assert_eq!(b.ask(AN_HOUR, "1").await, Err("OOM".into()));
    assert_eq!(bench.invalidate().await, Ok(1));
    assert_eq!(bench.exist(&KEYS).await, 0);
}

/// Who may not tell others is told so, and the entry is gone all the same.
#[tokio::test]
async fn an_invalidation_that_nobody_hears_of_fails_but_one_who_may_not_wake_others_stores() {
    let bench = Bench::start().await;
    let [a, b] = loaders(&bench);
    bench.run::<()>(&["SET", ENTRY, "old", "PX", AN_HOUR]).await;
    bench.permit(&["resetchannels"]).await;
    // Servers differ in how they say that a script may not.
    let error = bench.invalidate().await.unwrap_err();
    assert!(["NOPERM", "ERR"].contains(&&*error), "{error}");
    assert_eq!(bench.exist(&KEYS).await, 0);
    a.read().await;
    b.ask("0", "1").await.unwrap();
    assert_eq!(a.put("x").await, Ok(1));
}
