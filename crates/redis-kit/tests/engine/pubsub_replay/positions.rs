//! Where a subscriber begins, and what it is given again after its end.

use std::collections::HashMap;

use redis::Script;
use redis_kit::pubsub::Since;
use test_support::eventually;

use super::{NAME, Press, STREAMS, id, kept};
use crate::harness::{LIMIT, same};

#[tokio::test]
async fn now_is_when_the_subscription_was_started() {
    let press = Press::start().await;
    press.append(0, 1..=3).await;
    let mut reader = press.subscribe(Since::Now).await;
    press.append(0, [4]).await;
    reader.hears(0, [4]).await;
    assert_eq!(reader.0.positions(), [id(4), id(0)]);
}

#[tokio::test]
async fn positions_that_the_caller_keeps_are_gone_on_from() {
    let press = Press::start().await;
    press.append(0, 1..=3).await;
    let mut reader = press.subscribe(Since::Positions(vec![id(1)])).await;
    reader.hears(0, [2]).await;
    let positions = reader.0.positions();
    drop(reader);
    press.announce(0, [4]).await;
    let mut reader = press.subscribe(Since::Positions(positions)).await;
    reader.hears(0, [3, 4]).await;
}

#[tokio::test]
async fn a_position_that_is_kept_in_redis_begins_at_the_start_and_goes_on_after_what_was_done() {
    let press = Press::start().await;
    press.append(0, 1..=3).await;
    press.append(1, 1..=2).await;
    let mut reader = press.subscribe(kept()).await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        let event = reader.next().await;
        reader.0.done(&event);
        heard.push(event.place());
    }
    heard.sort_unstable();
    assert_eq!(heard, [(0, id(1)), (0, id(2)), (0, id(3)), (1, id(1)), (1, id(2))]);
    reader.0.stop().await;
    assert_eq!(press.kept(NAME).await, ["3-0", "2-0"]);
    press.announce(0, 4..=5).await;
    let mut reader = press.subscribe(kept()).await;
    reader.does(0, 4..=5).await;
    reader.hears_nothing_but(&press, 1, 3).await;
}

#[tokio::test]
async fn a_crash_between_taking_and_saving_repeats_and_never_skips() {
    let press = Press::start().await;
    press.append(0, 1..=5).await;
    let mut reader = press.subscribe(kept()).await;
    reader.does(0, 1..=2).await;
    // Taken, and not done.
    reader.hears(0, 3..=4).await;
    drop(reader);
    // The last save of a dropped subscription is made behind its back.
    eventually("the position to be saved", LIMIT, async || {
        same(&vec!["2-0", "0-0"], &press.kept(NAME).await)
    })
    .await;
    let mut reader = press.subscribe(kept()).await;
    reader.hears(0, 3..=5).await;
}

#[tokio::test]
async fn what_is_done_is_saved_while_nothing_else_happens() {
    let press = Press::start().await;
    let mut reader = press.subscribe(kept()).await;
    press.announce(0, 1..=2).await;
    reader.does(0, 1..=2).await;
    eventually("the position to be saved", LIMIT, async || {
        same(&vec!["2-0", "0-0"], &press.kept(NAME).await)
    })
    .await;
}

#[tokio::test]
async fn what_is_done_while_redis_is_away_is_saved_when_it_is_back() {
    let mut press = Press::durable().await;
    let mut reader = press.subscribe(kept()).await;
    press.announce(0, 1..=2).await;
    reader.hears(0, [1]).await;
    let second = reader.next().await;
    press.bench.crash().await;
    reader.0.done(&second);
    press.bench.restart().await;
    eventually("the position to be saved", LIMIT, async || {
        same(&vec!["2-0", "0-0"], &press.kept(NAME).await)
    })
    .await;
}

#[tokio::test]
async fn two_durable_subscribers_are_independent() {
    let press = Press::start().await;
    press.append(0, 1..=3).await;
    let mut one = press.subscribe(kept()).await;
    let mut other = press.subscribe(Since::Kept("other".into())).await;
    one.does(0, 1..=3).await;
    other.does(0, [1]).await;
    one.0.stop().await;
    other.0.stop().await;
    assert_eq!((press.kept(NAME).await[0].as_str(), press.kept("other").await[0].as_str()), ("3-0", "1-0"));
    press.announce(0, [4]).await;
    press.subscribe(kept()).await.hears(0, [4]).await;
    press.subscribe(Since::Kept("other".into())).await.hears(0, 2..=4).await;
}

async fn keep(press: &Press, position: &str) -> redis::RedisResult<String> {
    let script = Script::new(include_str!("../../../src/pubsub/lua/keep_position.lua"));
    script.key(STREAMS[0]).arg(NAME).arg(position).invoke_async(&mut press.commands(0).await).await
}

#[tokio::test]
async fn keep_position_moves_forward_only_by_numbers_and_not_by_text() {
    let press = Press::start().await;
    for (asked, now) in [
        ("0-0", "0-0"),
        ("9-1", "9-1"),
        ("10-0", "10-0"),
        ("9-9", "10-0"),
        ("10-9007199254740993", "10-9007199254740993"),
        ("10-9007199254740992", "10-9007199254740993"),
        ("10-9007199254740994", "10-9007199254740994"),
    ] {
        assert_eq!(keep(&press, asked).await.unwrap(), now, "{asked}");
    }
    press.bench.run::<()>(&["XGROUP", "CREATE", STREAMS[0], "other", "1-0"]).await;
    assert_eq!(keep(&press, "11-0").await.unwrap(), "11-0");
    let groups: Vec<HashMap<String, redis::Value>> = press.bench.run(&["XINFO", "GROUPS", STREAMS[0]]).await;
    let other = groups.iter().find(|group| group["name"] == redis::Value::BulkString("other".into()));
    let position: String = redis::from_redis_value_ref(&other.unwrap()["last-delivered-id"]).unwrap();
    assert_eq!(position, "1-0");
}

#[tokio::test]
async fn keep_position_works_on_a_full_redis_and_fails_on_what_is_no_stream() {
    let press = Press::start().await;
    press.bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(keep(&press, "1-0").await.unwrap(), "1-0");
    assert_eq!(keep(&press, "2-0").await.unwrap(), "2-0");
    press.bench.run::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    press.bench.run::<()>(&["SET", STREAMS[0], "no stream"]).await;
    assert_eq!(keep(&press, "3-0").await.unwrap_err().code(), Some("WRONGTYPE"));
}
