//! The scripts of a lock.

use std::sync::LazyLock;

use redis::Script;

use super::{Answer, call};
use crate::harness::Bench;

/// A script made of the same parts as in `lock`.
macro_rules! script {
    ($($part:literal),+ $(,)?) => {
        LazyLock::new(|| Script::new(concat!(
            $(include_str!(concat!("../../../src/lock/lua/", $part)), "\n"),+
        )))
    };
}

static ACQUIRE: LazyLock<Script> = script!("acquire.lua");
static RAISE: LazyLock<Script> = script!("allow_oom.lua", "raise.lua");
static RENEW: LazyLock<Script> = script!("allow_oom.lua", "renew.lua");
static RELEASE: LazyLock<Script> = script!("allow_oom.lua", "release.lua");

const LOCK: &str = "lock:{t}";
const FENCE: &str = "lock:{t}:fence";
const WAITERS: &str = "lock:{t}:waiters";
const CHANNEL: &str = "released";
const AN_HOUR: &str = "3600000";
const TWO_HOURS: &str = "7200000";

/// Somebody with an id who calls the scripts in whatever order a test likes.
#[derive(Clone, Copy)]
struct Owner<'a> {
    bench: &'a Bench,
    id: &'a str,
}

impl Owner<'_> {
    /// The token, or how long the lock is another's.
    async fn acquire(self) -> Answer<redis::Value> {
        self.acquire_with(&[LOCK, FENCE]).await
    }

    async fn acquire_or_wait(self) -> Answer<redis::Value> {
        self.acquire_with(&[LOCK, FENCE, WAITERS]).await
    }

    async fn acquire_with(self, keys: &[&str]) -> Answer<redis::Value> {
        let each = keys.len().to_string();
        alone(call(self.bench, &ACQUIRE, keys, &[TWO_HOURS, &each, self.id, AN_HOUR]).await?)
    }

    async fn token(self) -> u64 {
        match self.acquire().await.unwrap() {
            redis::Value::Int(token) => token.unsigned_abs(),
            busy => panic!("{busy:?}"),
        }
    }

    async fn raise(self, token: u64) -> Answer<u8> {
        call(self.bench, &RAISE, &[LOCK, FENCE], &[self.id, &token.to_string(), TWO_HOURS]).await
    }

    async fn renew(self, ttl: &str) -> Answer<u8> {
        call(self.bench, &RENEW, &[LOCK], &[self.id, ttl]).await
    }

    async fn release(self) -> Answer<u8> {
        let (answer,) = call(self.bench, &RELEASE, &[LOCK, WAITERS], &[CHANNEL, self.id]).await?;
        Ok(answer)
    }
}

/// The answer to a call for one lock, or the code of its error.
fn alone((answer,): (redis::Value,)) -> Answer<redis::Value> {
    match answer {
        redis::Value::BulkString(error) => {
            let error = String::from_utf8(error).unwrap();
            Err(error.split(' ').next().unwrap().to_owned())
        }
        answer => Ok(answer),
    }
}

fn owners(bench: &Bench) -> [Owner<'_>; 2] {
    ["a", "b"].map(|id| Owner { bench, id })
}

fn busy_for(answer: &redis::Value) -> i64 {
    redis::from_redis_value_ref::<(i64,)>(answer).unwrap().0
}

#[tokio::test]
async fn the_first_gets_the_lock_and_a_token_and_others_its_time_to_live() {
    let bench = Bench::start().await;
    let [a, b] = owners(&bench);
    let token = a.token().await;
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let micros = token as f64;
    assert!((micros / 1000.0 - bench.time().await).abs() < 60_000.0, "{token} is the time");
    assert_eq!(bench.run::<u64>(&["GET", FENCE]).await, token);
    assert!(bench.run::<i64>(&["PTTL", FENCE]).await > 7_100_000);
    let left = busy_for(&b.acquire().await.unwrap());
    assert!(left > 3_500_000 && left <= 3_600_000, "{left}");
    // Also to the one who has it: an id stands for one acquisition.
    assert!(busy_for(&a.acquire().await.unwrap()) > 3_500_000);
    assert_eq!(bench.run::<u64>(&["GET", FENCE]).await, token);
    assert_eq!(bench.exist(&[WAITERS]).await, 0);
}

#[tokio::test]
async fn who_will_wait_leaves_a_mark_for_as_long_as_the_lock_stands() {
    let bench = Bench::start().await;
    let [a, b] = owners(&bench);
    assert!(matches!(a.acquire_or_wait().await, Ok(redis::Value::Int(_))));
    assert_eq!(bench.exist(&[WAITERS]).await, 0, "who gets it does not wait");
    let left = busy_for(&b.acquire_or_wait().await.unwrap());
    let marked: i64 = bench.run(&["PTTL", WAITERS]).await;
    assert!(marked <= left && marked > left - 60_000, "{marked} of {left}");
    // A lock that never expires is asked for again after as long as one's own would take.
    bench.run::<()>(&["SET", LOCK, "by hand"]).await;
    assert_eq!(busy_for(&b.acquire_or_wait().await.unwrap()), -1);
    assert!(bench.run::<i64>(&["PTTL", WAITERS]).await > 3_500_000);
}

#[tokio::test]
async fn a_token_is_above_the_counter_and_above_the_clock() {
    let bench = Bench::start().await;
    let [a, b] = owners(&bench);
    let first = a.token().await;
    // 2^53 - 2: what the last token below the limit would be counted from.
    for (counter, least) in [("9007199254740990", 9_007_199_254_740_991), ("17", first + 1), ("", first + 1)]
    {
        a.release().await.unwrap();
        bench.run::<()>(&["DEL", FENCE]).await;
        if !counter.is_empty() {
            bench.run::<()>(&["SET", FENCE, counter]).await;
        }
        let token = a.token().await;
        assert!(token >= least && token < 1 << 53, "{token} after {counter:?}");
        assert_eq!(bench.run::<String>(&["GET", FENCE]).await, token.to_string());
    }
    assert!(b.acquire().await.is_ok());
}

#[tokio::test]
async fn a_fence_that_is_none_fails_and_leaves_no_lock() {
    let bench = Bench::start().await;
    let [a, _] = owners(&bench);
    bench.run::<u8>(&["LPUSH", FENCE, "x"]).await;
    assert_eq!(a.acquire().await, Err("WRONGTYPE".into()));
    assert_eq!(bench.run::<u8>(&["LLEN", FENCE]).await, 1);
    bench.run::<()>(&["SET", FENCE, "text"]).await;
    assert_eq!(a.acquire().await, Err("ERR".into()));
    assert_eq!(bench.exist(&[LOCK]).await, 0);
}

#[tokio::test]
async fn of_several_locks_each_gets_its_own_answer() {
    let bench = Bench::start().await;
    let names: Vec<[String; 3]> =
        (0..4).map(|n| ["", ":fence", ":waiters"].map(|beside| format!("lock:{{t}}:{n}{beside}"))).collect();
    bench.run::<()>(&["SET", &names[1][0], "another", "PX", AN_HOUR]).await;
    bench.run::<u8>(&["LPUSH", &names[2][1], "no counter"]).await;
    let keys: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    let args = [TWO_HOURS, "3", "a", AN_HOUR, "b", AN_HOUR, "c", AN_HOUR, "d", AN_HOUR];
    let answers: Vec<redis::Value> = call(&bench, &ACQUIRE, &keys, &args).await.unwrap();
    let [a, b, c, d] = answers.try_into().unwrap();
    assert!(matches!((&a, &d), (redis::Value::Int(_), redis::Value::Int(_))));
    assert!(busy_for(&b) > 3_500_000);
    assert_eq!(alone((c,)), Err("WRONGTYPE".into()));
    assert_eq!(bench.exist(&[&names[1][2]]).await, 1, "who is refused waits");
    assert_eq!(bench.exist(&[&names[0][2], &names[2][0], &names[3][2]]).await, 0);

    let keys: Vec<&str> = names.iter().flat_map(|[lock, _, waiters]| [&**lock, waiters]).collect();
    bench.run::<()>(&["SET", &names[3][2], "1"]).await;
    let released: Vec<u8> = call(&bench, &RELEASE, &keys, &[CHANNEL, "a", "b", "c", "d"]).await.unwrap();
    assert_eq!(released, [1, 0, 0, 1]);
    assert_eq!(bench.exist(&[&names[0][0], &names[3][0], &names[3][2]]).await, 0);
    assert_eq!(bench.exist(&[&names[1][0], &names[1][2]]).await, 2);
    assert_eq!(bench.calls("publish").await, 1);
}

#[tokio::test]
async fn only_its_owner_raises_the_fence_and_nobody_lowers_it() {
    let bench = Bench::start().await;
    let [a, b] = owners(&bench);
    let token = a.token().await;
    assert_eq!(a.raise(token + 1000).await, Ok(1));
    assert_eq!(a.raise(token).await, Ok(1), "it is above that");
    assert_eq!(b.raise(token + 2000).await, Ok(0));
    assert_eq!(bench.run::<u64>(&["GET", FENCE]).await, token + 1000);
    bench.run::<u8>(&["DEL", FENCE]).await;
    assert_eq!(a.raise(token).await, Ok(1));
    assert_eq!(bench.run::<u64>(&["GET", FENCE]).await, token);
    assert!(bench.run::<i64>(&["PTTL", FENCE]).await > 7_100_000);
    a.release().await.unwrap();
    assert_eq!(a.raise(token + 3000).await, Ok(0));
}

#[tokio::test]
async fn only_its_owner_renews_a_lock_and_nobody_revives_one() {
    let bench = Bench::start().await;
    let [a, b] = owners(&bench);
    a.token().await;
    assert_eq!(b.renew(TWO_HOURS).await, Ok(0));
    assert!(bench.run::<i64>(&["PTTL", LOCK]).await <= 3_600_000);
    assert_eq!(a.renew(TWO_HOURS).await, Ok(1));
    assert!(bench.run::<i64>(&["PTTL", LOCK]).await > 7_100_000);
    bench.run::<u8>(&["DEL", LOCK]).await;
    assert_eq!(a.renew(TWO_HOURS).await, Ok(0));
    assert_eq!(bench.exist(&[LOCK]).await, 0);
}

#[tokio::test]
async fn only_its_owner_releases_a_lock() {
    let bench = Bench::start().await;
    let [a, b] = owners(&bench);
    let token = a.token().await;
    bench.run::<()>(&["SET", WAITERS, "1"]).await;
    assert_eq!(b.release().await, Ok(0));
    assert_eq!(bench.exist(&[LOCK, WAITERS]).await, 2);
    assert_eq!(a.release().await, Ok(1));
    assert_eq!(a.release().await, Ok(0), "sent twice");
    assert_eq!(bench.exist(&[LOCK, WAITERS]).await, 0);
    assert_eq!(bench.run::<u64>(&["GET", FENCE]).await, token, "the fence stays");
}

#[tokio::test]
async fn a_release_is_published_only_if_somebody_waits() {
    let bench = Bench::start().await;
    let [a, b] = owners(&bench);
    a.token().await;
    a.release().await.unwrap();
    assert_eq!(bench.calls("publish").await, 0);
    a.token().await;
    b.acquire_or_wait().await.unwrap();
    a.release().await.unwrap();
    assert_eq!(bench.calls("publish").await, 1);
}

#[tokio::test]
async fn on_a_full_server_nothing_is_taken_but_what_was_is_renewed_and_released() {
    let bench = Bench::start().await;
    let [a, b] = owners(&bench);
    let token = a.token().await;
    b.acquire_or_wait().await.unwrap();
    bench.full().await;
    assert_eq!(a.raise(token + 1).await, Ok(1));
    assert_eq!(a.renew(TWO_HOURS).await, Ok(1));
    assert_eq!(a.release().await, Ok(1));
    assert_eq!(b.acquire().await, Err("OOM".into()));
    assert_eq!(bench.exist(&[LOCK]).await, 0);
}

#[tokio::test]
async fn what_is_no_lock_is_left_alone() {
    let bench = Bench::start().await;
    let [a, _] = owners(&bench);
    bench.run::<u8>(&["LPUSH", LOCK, "x"]).await;
    assert_eq!(busy_for(&a.acquire().await.unwrap()), -1);
    assert_eq!(a.renew(AN_HOUR).await, Err("WRONGTYPE".into()));
    assert_eq!(a.release().await, Ok(0));
    assert_eq!(bench.exist(&[LOCK]).await, 1);
}
