//! Fencing tokens: each holder's is higher than all before, whatever was lost.

use std::time::Duration;

use redis::Script;

use super::{FENCE, KEY, elsewhere, lasting, lock, take};
use crate::harness::Bench;

/// A write that is refused if it has seen a higher token.
const WRITE: &str =
    "if tonumber(redis.call('HGET', KEYS[1], 'fence') or 0) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'value', ARGV[2])
return 1";

async fn write(bench: &Bench, token: u64, value: &str) -> bool {
    let script = Script::new(WRITE);
    let mut write = script.key("account:{t}");
    write.arg(token).arg(value).invoke_async(&mut bench.commands()).await.unwrap()
}

async fn next_token(bench: &Bench) -> u64 {
    let guard = take(&elsewhere(bench, lasting())).await;
    let token = guard.token();
    assert!(guard.release().await.unwrap());
    token
}

#[tokio::test]
async fn every_holder_gets_a_higher_token_than_the_one_before() {
    let bench = Bench::start().await;
    let mine = lock(&bench.redis(), lasting());
    let mut last = 0;
    for _ in 0..200 {
        let guard = take(&mine).await;
        assert!(guard.token() > last && guard.token() < 1 << 53, "{} after {last}", guard.token());
        last = guard.token();
        guard.release().await.unwrap();
    }
}

#[tokio::test]
async fn a_token_is_never_given_twice_when_holders_follow_within_a_microsecond_or_the_clock_is_set_back() {
    let bench = Bench::start().await;
    let ahead = next_token(&bench).await + 3_600_000_000;
    // The counter stands where the clock was before somebody set it back by an hour.
    bench.run::<()>(&["SET", FENCE, &ahead.to_string(), "PX", "600000"]).await;
    assert_eq!([next_token(&bench).await, next_token(&bench).await], [ahead + 1, ahead + 2]);
}

/// As after a failover to a replica that had heard of neither the lock nor its counter.
#[tokio::test]
async fn tokens_grow_also_when_redis_lost_all_its_data() {
    let bench = Bench::start().await;
    let mine = lock(&bench.redis(), lasting());
    let zombie = take(&mine).await;
    bench.run::<()>(&["FLUSHALL"]).await;
    let heir = take(&elsewhere(&bench, lasting())).await;
    assert!(heir.token() > zombie.token());
    assert!(write(&bench, heir.token(), "heir's").await);
    assert!(
        !write(&bench, zombie.token(), "zombie's").await,
        "both believe that they hold it; one may write"
    );
    assert!(write(&bench, heir.token(), "heir's again").await, "so a write is to be idempotent besides");
}

#[tokio::test]
async fn the_counter_does_not_stay_for_ever() {
    let bench = Bench::start().await;
    let last = next_token(&bench).await;
    let left = Duration::from_millis(bench.run(&["PTTL", FENCE]).await);
    assert!(left > Duration::from_mins(9) && left <= Duration::from_mins(10), "{left:?}");
    bench.run::<u8>(&["DEL", FENCE]).await;
    assert!(next_token(&bench).await > last, "nor is it needed");
    assert_eq!(bench.run::<Vec<String>>(&["KEYS", &format!("{}*", KEY.replace('{', "?"))]).await, [FENCE]);
}
