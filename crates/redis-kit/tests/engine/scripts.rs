//! Each script by itself, called as its header says: the answers and corner cases that a worker hides.

use std::collections::HashMap;

use redis_kit::Script;

use crate::harness::{Bench, GROUP, STREAM};

const ATTEMPTS: &str = "jobs:{t}:attempts:workers";
const RETRY: &str = "jobs:{t}:retry:workers";
const DEAD: &str = "jobs:{t}:dead:workers";

macro_rules! fenced {
    ($name:literal) => {
        Script::new(concat!(
            include_str!("../../src/stream/lua/fence.lua"),
            "\n",
            include_str!(concat!("../../src/stream/lua/", $name))
        ))
    };
}

/// A script's answer, or the code of its error.
type Answer<T> = Result<T, String>;

async fn call<T: redis::FromRedisValue>(
    bench: &Bench,
    script: &Script,
    keys: &[&str],
    args: &[&str],
) -> Answer<T> {
    let mut invocation = script.prepare_invoke();
    for key in keys {
        invocation.key(key);
    }
    let answer = invocation.arg(args).invoke_async(&mut bench.commands()).await;
    answer.map_err(|error: redis::RedisError| error.code().unwrap_or_default().to_owned())
}

/// Calls a fenced script for a delivery to consumer `c`.
async fn settle(
    bench: &Bench,
    script: &Script,
    keys: &[&str],
    delivery: [&str; 2],
    args: &[&str],
) -> Answer<u8> {
    let keys = [&[STREAM, ATTEMPTS, RETRY], keys].concat();
    call(bench, script, &keys, &[&[GROUP, "c"], delivery.as_slice(), args].concat()).await
}

/// Looks for waiting entries as consumer `c`.
async fn claim(bench: &Bench, args: [&str; 3], in_hand: &[&str]) -> (String, Vec<Claimed>, Vec<String>) {
    let script = Script::new(include_str!("../../src/stream/lua/claim.lua"));
    let args = [&[GROUP, "c"], args.as_slice(), in_hand].concat();
    call(bench, &script, &[STREAM, ATTEMPTS, RETRY], &args).await.unwrap()
}

/// Id, fields, failed attempts, deliveries.
type Claimed = (String, Vec<String>, u32, u64);

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|(id, ..)| id.as_str()).collect()
}

/// Entries `1-0`, `2-0`… that were delivered to a consumer.
async fn delivered(consumer: &str, count: usize) -> Bench {
    let bench = Bench::start().await;
    for n in 1..=count {
        bench.run::<String>(&["XADD", STREAM, &format!("{n}-0"), "n", &n.to_string()]).await;
    }
    bench.run::<()>(&["XGROUP", "CREATE", STREAM, GROUP, "0"]).await;
    let read = ["XREADGROUP", "GROUP", GROUP, consumer, "STREAMS", STREAM, ">"];
    bench.run::<redis::Value>(&read).await;
    bench
}

#[tokio::test]
async fn create_group_starts_at_the_first_entry_once_also_on_a_full_redis() {
    let bench = Bench::start().await;
    let script = Script::new(include_str!("../../src/stream/lua/create_group.lua"));
    bench.run::<String>(&["XADD", STREAM, "1-0", "n", "1"]).await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(call(&bench, &script, &[STREAM], &[GROUP]).await, Ok(1));
    assert_eq!(bench.unread().await, 1);
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, "1-0"]).await;
    assert_eq!(call(&bench, &script, &[STREAM], &[GROUP]).await, Ok(0));
    assert_eq!(bench.unread().await, 0, "a group that is there stays as it is");
    assert_eq!(call(&bench, &script, &["new:{t}"], &[GROUP]).await, Ok(1));
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    bench.run::<()>(&["SET", "text:{t}", "text"]).await;
    let refused = call::<u8>(&bench, &script, &["text:{t}"], &[GROUP]).await;
    assert_eq!(refused, Err("WRONGTYPE".into()));
}

#[tokio::test]
async fn claim_takes_what_is_due_first_then_what_is_idle_up_to_its_limit() {
    let bench = delivered("gone", 5).await;
    bench.run::<u64>(&["ZADD", RETRY, "1", "4-0", "9e15", "1-0"]).await;
    bench.run::<u64>(&["HSET", ATTEMPTS, "4-0", "7"]).await;
    let (cursor, claimed, lost) = claim(&bench, ["0", "3", "-"], &["2-0"]).await;
    // 1-0 waits for later, and 2-0 is in hand.
    assert_eq!(ids(&claimed), ["4-0", "3-0", "5-0"]);
    assert_eq!(claimed[0], ("4-0".into(), vec!["n".into(), "4".into()], 7, 2));
    assert_eq!(claimed[1], ("3-0".into(), vec!["n".into(), "3".into()], 0, 2));
    assert_eq!((cursor.as_str(), lost.len()), ("(5-0", 0));
    assert_eq!(bench.run::<Vec<String>>(&["ZRANGE", RETRY, "0", "-1"]).await, ["1-0"]);
    let owners: Vec<String> = bench.pending().await.into_iter().map(|entry| entry.consumer).collect();
    assert_eq!(owners, ["gone", "gone", "c", "c", "c"]);
}

#[tokio::test]
async fn claim_goes_on_where_it_stopped_and_starts_again_at_the_end() {
    let bench = delivered("gone", 3).await;
    let (cursor, claimed, _) = claim(&bench, ["0", "2", "-"], &[]).await;
    assert_eq!((ids(&claimed), cursor.as_str()), (vec!["1-0", "2-0"], "(2-0"));
    // Retries that are due take the whole limit, which must not send the cursor back.
    bench.run::<u64>(&["ZADD", RETRY, "1", "1-0"]).await;
    let (cursor, claimed, _) = claim(&bench, ["0", "1", &cursor], &[]).await;
    assert_eq!((ids(&claimed), cursor.as_str()), (vec!["1-0"], "(2-0"));
    let (cursor, claimed, _) = claim(&bench, ["0", "2", &cursor], &[]).await;
    assert_eq!((ids(&claimed), cursor.as_str()), (vec!["3-0"], "(3-0"));
    let (cursor, claimed, _) = claim(&bench, ["0", "2", &cursor], &[]).await;
    assert_eq!((ids(&claimed), cursor.as_str()), (vec![], "-"));
}

#[tokio::test]
async fn claim_takes_nothing_that_is_not_idle_long_enough() {
    let bench = delivered("busy", 2).await;
    let (cursor, claimed, lost) = claim(&bench, ["3600000", "9", "-"], &[]).await;
    assert_eq!((claimed.len(), lost.len(), cursor.as_str()), (0, 0, "-"));
}

#[tokio::test]
async fn claim_reports_each_deleted_entry_once_and_forgets_it() {
    let bench = delivered("gone", 3).await;
    bench.run::<u64>(&["ZADD", RETRY, "1", "2-0"]).await;
    bench.run::<u64>(&["HSET", ATTEMPTS, "1-0", "1", "2-0", "1"]).await;
    bench.run::<u64>(&["XDEL", STREAM, "1-0", "2-0"]).await;
    let (_, claimed, lost) = claim(&bench, ["0", "9", "-"], &[]).await;
    assert_eq!((ids(&claimed), lost), (vec!["3-0"], vec!["2-0".to_owned(), "1-0".to_owned()]));
    assert_eq!(bench.pending().await.len(), 1);
    assert_eq!(bench.run::<u64>(&["EXISTS", RETRY, ATTEMPTS]).await, 0);
    let (.., lost) = claim(&bench, ["0", "9", "-"], &["3-0"]).await;
    assert!(lost.is_empty());
}

#[tokio::test]
async fn claim_passes_over_a_retry_that_was_acknowledged_by_hand() {
    let bench = delivered("gone", 1).await;
    bench.run::<u64>(&["ZADD", RETRY, "1", "1-0"]).await;
    bench.run::<u64>(&["XACK", STREAM, GROUP, "1-0"]).await;
    let (_, claimed, lost) = claim(&bench, ["0", "9", "-"], &[]).await;
    assert_eq!((claimed.len(), lost.len()), (0, 0));
    assert_eq!(bench.run::<u64>(&["EXISTS", RETRY]).await, 0);
}

#[tokio::test]
async fn the_fence_lets_nobody_through_but_the_consumer_of_this_very_delivery() {
    let bench = delivered("c", 1).await;
    bench.run::<redis::Value>(&["XCLAIM", STREAM, GROUP, "c", "0", "1-0"]).await;
    let scripts = [
        (fenced!("commit.lua"), vec![], vec!["publish", "2", "channel", "x"]),
        (fenced!("postpone.lua"), vec![], vec!["1", "1"]),
        (fenced!("reject.lua"), vec![DEAD], vec!["why", "1"]),
    ];
    for (script, keys, args) in &scripts {
        // An earlier and a later delivery, and an entry that is not pending.
        for delivery in [["1-0", "1"], ["1-0", "3"], ["2-0", "1"]] {
            assert_eq!(settle(&bench, script, keys, delivery, args).await, Ok(0), "{delivery:?}");
        }
    }
    bench.run::<redis::Value>(&["XCLAIM", STREAM, GROUP, "other", "0", "1-0", "RETRYCOUNT", "2"]).await;
    for (script, keys, args) in &scripts {
        assert_eq!(settle(&bench, script, keys, ["1-0", "2"], args).await, Ok(0), "it is another's");
    }
    assert_eq!(bench.run::<u64>(&["EXISTS", ATTEMPTS, RETRY, DEAD]).await, 0);
    assert_eq!(bench.pending().await.len(), 1);
    bench.run::<()>(&["XGROUP", "DESTROY", STREAM, GROUP]).await;
    for (script, keys, args) in &scripts {
        assert_eq!(settle(&bench, script, keys, ["1-0", "2"], args).await, Err("NOGROUP".into()));
    }
}

#[tokio::test]
async fn commit_writes_nothing_if_any_of_it_is_not_permitted() {
    let bench = delivered("c", 1).await;
    let write = ["set", "2", "status", "new", "publish", "2", "news", "x"];
    let rules = ["ACL", "SETUSER", "default", "resetchannels", "&other"];
    bench.run::<()>(&rules).await;
    let refused = settle(&bench, &fenced!("commit.lua"), &["view:{t}"], ["1-0", "1"], &write).await;
    assert_eq!(refused, Err("NOPERM".into()));
    bench.run::<()>(&["ACL", "SETUSER", "default", "allchannels", "-xack"]).await;
    let refused = settle(&bench, &fenced!("commit.lua"), &["view:{t}"], ["1-0", "1"], &write).await;
    assert_eq!(refused, Err("NOPERM".into()));
    assert_eq!(bench.run::<u64>(&["EXISTS", "view:{t}"]).await, 0);
    bench.run::<()>(&["ACL", "SETUSER", "default", "+xack"]).await;
    let applied = settle(&bench, &fenced!("commit.lua"), &["view:{t}"], ["1-0", "1"], &write).await;
    assert_eq!(applied, Ok(1));
    assert_eq!(bench.run::<String>(&["HGET", "view:{t}", "status"]).await, "new");
    assert!(bench.pending().await.is_empty());
}

#[tokio::test]
async fn commit_and_reject_write_nothing_if_the_groups_own_keys_are_of_another_type() {
    let bench = delivered("c", 1).await;
    for key in [ATTEMPTS, RETRY] {
        bench.run::<()>(&["SET", key, "text"]).await;
        let write = ["set", "2", "status", "new"];
        let commit = settle(&bench, &fenced!("commit.lua"), &["view:{t}"], ["1-0", "1"], &write).await;
        assert_eq!(commit, Err("WRONGTYPE".into()), "{key}");
        let reject = settle(&bench, &fenced!("reject.lua"), &[DEAD], ["1-0", "1"], &["why", "1"]).await;
        assert_eq!(reject, Err("WRONGTYPE".into()), "{key}");
        assert_eq!(bench.run::<u64>(&["EXISTS", "view:{t}", DEAD]).await, 0);
        bench.run::<u64>(&["DEL", key]).await;
    }
    assert_eq!(bench.pending().await.len(), 1);
}

#[tokio::test]
async fn postpone_counts_a_failure_once_however_often_it_is_sent() {
    let bench = delivered("c", 2).await;
    let postpone = fenced!("postpone.lua");
    for _ in 0..2 {
        assert_eq!(settle(&bench, &postpone, &[], ["1-0", "1"], &["60000", "1"]).await, Ok(1));
        assert_eq!(settle(&bench, &postpone, &[], ["2-0", "1"], &["1", "0"]).await, Ok(1));
    }
    let counted: HashMap<String, u32> = bench.run(&["HGETALL", ATTEMPTS]).await;
    assert_eq!(counted, HashMap::from([("1-0".to_owned(), 1)]));
    let due: Vec<(String, f64)> = bench.run(&["ZRANGE", RETRY, "0", "-1", "WITHSCORES"]).await;
    assert_eq!(due.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["2-0", "1-0"]);
    assert!((due[1].1 - due[0].1 - 59_999.0).abs() < 5_000.0, "{due:?}");
    assert_eq!(bench.pending().await.len(), 2);
}

#[tokio::test]
async fn reject_tells_where_a_letter_came_from_even_if_the_entry_is_gone() {
    let bench = delivered("c", 2).await;
    bench.run::<u64>(&["XDEL", STREAM, "1-0"]).await;
    let reject = fenced!("reject.lua");
    for id in ["1-0", "2-0"] {
        assert_eq!(settle(&bench, &reject, &[DEAD], [id, "1"], &["why", "3"]).await, Ok(1));
        assert_eq!(settle(&bench, &reject, &[DEAD], [id, "1"], &["why", "3"]).await, Ok(0));
    }
    let letters: Vec<(String, Vec<String>)> = bench.run(&["XRANGE", DEAD, "-", "+"]).await;
    assert_eq!(letters[0].1, ["origin", "1-0", "reason", "why", "attempts", "3"]);
    assert_eq!(letters[1].1, ["origin", "2-0", "reason", "why", "attempts", "3", "n", "2"]);
    assert!(bench.pending().await.is_empty());
}

#[tokio::test]
async fn leave_removes_a_consumer_only_if_nothing_is_pending_on_it() {
    let bench = delivered("c", 2).await;
    let leave = Script::new(include_str!("../../src/stream/lua/leave.lua"));
    let asked = |consumer| {
        let bench = &bench;
        let leave = &leave;
        async move { call::<u8>(bench, leave, &[STREAM], &[GROUP, consumer]).await }
    };
    assert_eq!(asked("c").await, Ok(0));
    bench.run::<u64>(&["XACK", STREAM, GROUP, "1-0"]).await;
    assert_eq!(asked("c").await, Ok(0));
    bench.run::<u64>(&["XACK", STREAM, GROUP, "2-0"]).await;
    assert_eq!(asked("c").await, Ok(1));
    assert!(bench.consumers().await.is_empty());
    assert_eq!(asked("unknown").await, Ok(1));
}
