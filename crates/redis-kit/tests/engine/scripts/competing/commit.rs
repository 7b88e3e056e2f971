//! Commits: applied whole and once, each entry of a batch by itself.

use super::{ATTEMPTS, Consumer, Entry, Writes};
use crate::harness::{Bench, GROUP, STREAM};

const VIEW: &str = "view:{t}";

fn set(value: &str) -> Writes {
    Writes::set(VIEW, "status", value)
}

async fn status(bench: &Bench) -> Option<String> {
    bench.run(&["HGET", VIEW, "status"]).await
}

#[tokio::test]
async fn the_answers_come_in_the_order_of_the_entries_and_each_is_its_own() {
    let bench = Bench::holding(4).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.run::<()>(&["SET", "text:{t}", "text"]).await;
    let wrong = Writes::set("half:{t}", "a", "b").and("set", Some("text:{t}"), ["a", "b"]);
    let batch = [
        Entry("4-0", 1, 0, Writes::set("four:{t}", "a", "b")),
        Entry("1-0", 1, 0, wrong),
        Entry("9-0", 1, 0, set("never read")),
        Entry("2-0", 1, 0, Writes::none()),
        Entry("3-0", 1, 0, Writes::set("three:{t}", "a", "b")),
    ];
    let answers = consumer.commit(&batch).await.unwrap();
    assert_eq!(answers, ["1", "WRONGTYPE", "0", "1", "1"]);
    assert_eq!(bench.owners().await, ["1-0 c 1"], "only the entry at fault is left");
    assert_eq!(bench.exist(&["three:{t}", "four:{t}"]).await, 2);
    assert_eq!(bench.exist(&["half:{t}", VIEW]).await, 0);
}

#[tokio::test]
async fn sent_twice_it_is_applied_once() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let batch = || {
        [Entry("1-0", 1, 0, Writes::append("out:{t}", 1)), Entry("2-0", 1, 0, Writes::append("out:{t}", 1))]
    };
    assert_eq!(consumer.commit(&batch()).await.unwrap(), ["1", "1"]);
    assert_eq!(consumer.commit(&batch()).await.unwrap(), ["0", "0"]);
    let twice = [Entry("1-0", 1, 0, set("twice")), Entry("1-0", 1, 0, set("twice"))];
    assert_eq!(consumer.commit(&twice).await.unwrap(), ["0", "0"]);
    assert_eq!(bench.run::<usize>(&["XLEN", "out:{t}"]).await, 2);
}

#[tokio::test]
async fn what_a_refused_entry_would_have_made_does_not_stand_in_the_way_of_the_next() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let batch = [
        Entry("9-0", 1, 0, Writes::set("new:{t}", "a", "b")),
        Entry("1-0", 1, 0, Writes::append("new:{t}", 1)),
    ];
    assert_eq!(consumer.commit(&batch).await.unwrap(), ["0", "1"]);
}

#[tokio::test]
async fn what_an_entry_at_fault_would_have_made_does_not_stand_in_the_way_of_the_next() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    // It makes a key that it then cannot write to.
    let at_fault = Writes::set("new:{t}", "a", "b").and("append", Some("new:{t}"), ["a", "b"]);
    let batch = [Entry("1-0", 1, 0, at_fault), Entry("2-0", 1, 0, Writes::append("new:{t}", 1))];
    assert_eq!(consumer.commit(&batch).await.unwrap(), ["WRONGTYPE", "1"]);
    assert_eq!(bench.owners().await, ["1-0 c 1"]);
}

#[tokio::test]
async fn what_is_not_permitted_fails_its_entry_and_writes_nothing_of_it() {
    let bench = Bench::holding(3).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.permit(&["resetchannels", "&news"]).await;
    let batch = [
        Entry("1-0", 1, 0, Writes::append("out:{t}", 1).and_publish("news")),
        Entry("2-0", 1, 0, set("new").and_publish("secret")),
        Entry("3-0", 1, 0, Writes::append("out:{t}", 1)),
    ];
    assert_eq!(consumer.commit(&batch).await.unwrap(), ["1", "NOPERM", "1"]);
    assert_eq!(status(&bench).await, None);
    for (forbid, permit) in [("-xack", "+xack"), ("-hset", "+hset")] {
        bench.permit(&[forbid]).await;
        assert_eq!(consumer.commit(&[Entry("2-0", 1, 0, set("new"))]).await.unwrap(), ["NOPERM"]);
        bench.permit(&[permit]).await;
        assert_eq!((status(&bench).await, bench.owners().await), (None, vec!["2-0 c 1".to_owned()]));
    }
    assert_eq!(consumer.commit(&[Entry("2-0", 1, 0, set("new"))]).await.unwrap(), ["1"]);
    assert_eq!(status(&bench).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn nothing_is_written_if_the_groups_own_keys_are_of_another_type() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.run::<()>(&["SET", ATTEMPTS, "text"]).await;
    let batch =
        || [Entry("1-0", 1, 1, set("new")), Entry("9-0", 1, 0, set("new")), Entry("2-0", 1, 0, set("new"))];
    assert_eq!(consumer.commit(&batch()).await.unwrap(), ["WRONGTYPE", "0", "WRONGTYPE"]);
    assert_eq!((status(&bench).await, bench.owners().await.len()), (None, 2));
    bench.run::<u8>(&["DEL", ATTEMPTS]).await;
    assert_eq!(consumer.commit(&batch()).await.unwrap(), ["1", "0", "1"]);
}

#[tokio::test]
async fn a_success_forgets_the_failures_before_it() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    assert_eq!(consumer.postpone("1-0", 1, "1", "not yet").await, Ok(1));
    consumer.seize("1-0").await;
    assert_eq!(consumer.commit(&[Entry("1-0", 2, 1, Writes::none())]).await.unwrap(), ["1"]);
    assert_eq!(bench.exist(&[ATTEMPTS]).await, 0);
}

#[tokio::test]
async fn without_its_group_the_call_fails() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.run::<()>(&["XGROUP", "DESTROY", STREAM, GROUP]).await;
    let answer = consumer.commit(&[Entry("1-0", 1, 0, set("new"))]).await;
    assert_eq!((answer, status(&bench).await), (Err("NOGROUP".into()), None));
}

/// apalis-redis with a batch of 1000: Lua cannot hand over more than some thousand arguments at once.
#[tokio::test]
async fn five_hundred_and_twelve_big_commits_are_one_batch() {
    let bench = Bench::holding(512).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let ids: Vec<String> = (1..=512).map(|n| format!("{n}-0")).collect();
    let fields: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let big = |id: &str| {
        let fields = fields.iter().map(String::as_str);
        Writes::none().and("set", Some(&format!("view:{id}:{{t}}")), fields)
    };
    let batch: Vec<Entry> = ids.iter().map(|id| Entry(id, 1, 0, big(id))).collect();
    assert_eq!(consumer.commit(&batch).await.unwrap(), ["1"; 512]);
    assert_eq!(bench.run::<usize>(&["HLEN", "view:512-0:{t}"]).await, 50);
    assert!(bench.owners().await.is_empty());
}

/// The same.
#[tokio::test]
async fn too_many_fields_to_append_fail_their_entry_alone() {
    let bench = Bench::holding(3).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let batch = [
        Entry("1-0", 1, 0, Writes::append("out:{t}", 3500)),
        Entry("2-0", 1, 0, Writes::append("out:{t}", 3501)),
        Entry("3-0", 1, 0, Writes::append("out:{t}", 3500)),
    ];
    assert_eq!(consumer.commit(&batch).await.unwrap(), ["1", "ERR", "1"]);
    assert_eq!(bench.owners().await, ["2-0 c 1"]);
}

#[tokio::test]
async fn a_full_redis_takes_it() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.full().await;
    let writes = set("new").and("append", Some("out:{t}"), ["a", "b"]);
    assert_eq!(consumer.commit(&[Entry("1-0", 1, 0, writes)]).await.unwrap(), ["1"]);
    assert_eq!(status(&bench).await.as_deref(), Some("new"));
}
