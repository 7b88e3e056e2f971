//! What is heard on the channel, and what that makes of the journal.

use redis_kit::{
    pubsub::tip,
    stream::{Message, encode},
    trace::TraceContext,
};
use test_support::eventually;

use super::{NAME, Press, Reader, announced, id, kept};
use crate::harness::{Job, LIMIT, same};

#[tokio::test]
async fn a_live_message_that_follows_is_taken_without_asking_the_journal() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    // The journal knows nothing of these. One that comes while it is still being read, as at first, is left to the reading.
    for (n, partition) in [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)] {
        let message = announced(partition, n);
        tokio::select! {
            () = reader.hears(partition, [n]) => {}
            never = press.publish_again_and_again(&message) => never,
        }
    }
    assert_eq!(reader.0.positions(), [id(3), id(3)]);
}

#[tokio::test]
async fn what_comes_twice_late_or_in_disorder_is_given_once_and_in_order() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    press.append(0, 1..=6).await;
    for n in [2, 1, 3, 3, 6, 5, 4, 1, 6] {
        press.publish(&announced(0, n)).await;
    }
    reader.hears(0, 1..=6).await;
    reader.hears_nothing_but(&press, 0, 7).await;
}

#[tokio::test]
async fn lost_messages_are_read_from_the_journal_when_the_next_one_comes() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    press.announce(0, [1]).await;
    press.append(0, 2..=500).await;
    press.announce(0, [501]).await;
    reader.hears(0, 1..=501).await;
    reader.hears_nothing_but(&press, 0, 502).await;
}

#[tokio::test]
async fn a_lost_last_message_is_found_by_the_tip() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    press.announce(0, [1]).await;
    reader.hears(0, [1]).await;
    press.append(0, [2]).await;
    press.publish(&tip(0, id(2))).await;
    reader.hears(0, [2]).await;
    // One that tells nothing new changes nothing.
    press.publish(&tip(0, id(2))).await;
    reader.hears_nothing_but(&press, 0, 3).await;
}

#[tokio::test]
async fn what_is_no_announcement_is_skipped() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    let elsewhere = announced(2, 1);
    for garbage in ["", "{}", "[]", r#"{"partition":-1,"prev":"0-0","id":"1-0"}"#, &elsewhere] {
        press.publish(garbage).await;
    }
    reader.hears_nothing_but(&press, 0, 1).await;
}

#[tokio::test]
async fn a_live_message_that_cannot_be_read_is_left_to_the_journal() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    press.append(0, [1]).await;
    press.publish(r#"{"type":"job.forbidden","partition":0,"prev":"0-0","id":"1-0"}"#).await;
    reader.hears(0, [1]).await;
}

#[tokio::test]
async fn entries_that_are_nothing_to_a_listener_are_passed_over_and_count() {
    let press = Press::start().await;
    let mut reader = press.subscribe(kept()).await;
    let fields = |job: Job| -> Vec<String> {
        let fields = encode(&job, &TraceContext::root()).unwrap();
        fields.into_iter().flat_map(|(name, value)| [name.into(), value]).collect()
    };
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(ToString::to_string).collect() };
    press.announce(0, [1]).await;
    for (n, fields) in [
        (2, [fields(Job::wanted("2")), words(&["replay_for", "workers"])].concat()),
        (3, words(&["garbage", "1"])),
        (4, words(&["type", "job.forbidden", "data", "{}"])),
        (5, fields(Job::Done { name: "5".into() })),
    ] {
        press.append_fields(0, n, &fields).await;
    }
    press.announce(0, [6]).await;
    for heard in [1, 6] {
        let event = reader.next().await;
        assert_eq!(event.place(), (0, id(heard)));
        reader.0.done(&event);
    }
    // Nothing but what is passed over at the end: it is done with, or retention would have to keep it for ever.
    press.append_fields(0, 7, &words(&["garbage", "1"])).await;
    press.publish(&tip(0, id(7))).await;
    let moved = eventually("the position to move on", LIMIT, async || {
        same(&vec!["7-0", "0-0"], &press.kept(NAME).await)
    });
    tokio::select! {
        event = reader.next() => panic!("{event:?}"),
        () = moved => {}
    }
}

#[test]
fn live_messages_and_tips_are_flat_json_with_the_announcements_own_fields() {
    let value = |payload: &str| serde_json::from_str::<serde_json::Value>(payload).unwrap();
    assert_eq!(
        value(&announced(1, 7)),
        serde_json::json!({"type": "job.wanted", "name": "7", "partition": 1, "prev": "6-0", "id": "7-0"})
    );
    assert_eq!(
        value(&tip(1, id(7))),
        serde_json::json!({"type": "tip", "partition": 1, "prev": "7-0", "id": "7-0"})
    );
    assert!(!Job::TYPES.contains(&"tip"));
}
