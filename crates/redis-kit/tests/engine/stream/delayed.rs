//! Delayed appends: each message enters the stream once, and not before its time.

use std::time::Duration;

use jiff::Timestamp;
use redis::Script;
use redis_kit::{
    Error,
    stream::delayed::{REMEMBERED, append_at, append_at_with_id, append_due, cancel},
    trace::TraceContext,
};
use test_support::{FaultProxy, eventually};
use uuid::Uuid;

use crate::{
    handlers::done,
    harness::{Bench, Job, LIMIT, STREAM, options, same},
};

const DELAYED: &str = "jobs:{t}:delayed";
const FIELDS: &str = "jobs:{t}:delayed:fields";
const PAST: &str = "jobs:{t}:delayed:past";

fn past() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn future() -> Timestamp {
    Timestamp::now() + Duration::from_hours(1)
}

async fn delay(bench: &Bench, name: &str, at: Timestamp) -> Uuid {
    append_at(&mut bench.commands(), STREAM, &Job::wanted(name), &TraceContext::root(), at).await.unwrap()
}

/// Sends a message with an id; whether it was new.
async fn delay_as(bench: &Bench, id: Uuid, name: &str, at: Timestamp) -> bool {
    let (job, trace) = (Job::wanted(name), TraceContext::root());
    append_at_with_id(&mut bench.commands(), STREAM, id, &job, &trace, at).await.unwrap()
}

async fn due(bench: &Bench, limit: usize) -> usize {
    append_due(&mut bench.commands(), STREAM, limit).await.unwrap()
}

/// The names of the jobs in the stream.
async fn appended(bench: &Bench) -> Vec<String> {
    let entries: Vec<(String, Vec<String>)> = bench.run(&["XRANGE", STREAM, "-", "+"]).await;
    let name = |fields: &Vec<String>| serde_json::from_str::<Job>(&fields[9]).unwrap().name().to_owned();
    entries.iter().map(|(_, fields)| name(fields)).collect()
}

#[tokio::test]
async fn a_message_enters_the_stream_when_its_time_has_come_and_not_before() {
    let bench = Bench::start().await;
    delay(&bench, "later", future()).await;
    let soon = Timestamp::now() + Duration::from_millis(300);
    delay(&bench, "soon", soon).await;
    assert_eq!(due(&bench, 10).await, 0);
    eventually("the message to be due", LIMIT, || async { same(&1, &due(&bench, 10).await) }).await;
    let entries: Vec<(String, Vec<String>)> = bench.run(&["XRANGE", STREAM, "-", "+"]).await;
    let id: redis_kit::stream::StreamId = entries[0].0.parse().unwrap();
    assert!(i64::try_from(id.milliseconds).unwrap() >= soon.as_millisecond(), "{entries:?}");
    assert_eq!(appended(&bench).await, ["soon"]);
    assert_eq!(bench.run::<u64>(&["ZCARD", DELAYED]).await, 1);
    assert_eq!(bench.run::<u64>(&["HLEN", FIELDS]).await, 1);
}

#[tokio::test]
async fn an_entry_that_was_delayed_is_one_like_any_other() {
    let bench = Bench::start().await;
    let (job, trace) = (Job::wanted("control \u{1}\0\n\"\\ and \u{1f980} \u{e9}"), TraceContext::root());
    let id = append_at(&mut bench.commands(), STREAM, &job, &trace, past()).await.unwrap();
    due(&bench, 1).await;
    let entries: Vec<(String, Vec<String>)> = bench.run(&["XRANGE", STREAM, "-", "+"]).await;
    let (names, values): (Vec<_>, Vec<_>) = entries[0].1.iter().enumerate().partition(|(n, _)| n % 2 == 0);
    let names: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
    let values: Vec<&str> = values.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(names, ["type", "id", "occurred_at", "traceparent", "data"]);
    assert_eq!((values[0], values[1]), ("job.wanted", id.to_string().as_str()));
    assert_eq!(values[3], trace.to_string());
    assert_eq!(serde_json::from_str::<Job>(values[4]).unwrap(), job);
    let worker = bench.work("w", options(), |job| async move { done(&job) }).await;
    bench.finished(vec![job.name()]).await;
    worker.stop().await;
}

#[tokio::test]
async fn messages_come_in_the_order_of_their_times_a_batch_at_a_time() {
    let bench = Bench::start().await;
    for n in [3, 1, 5, 2, 4] {
        delay(&bench, &n.to_string(), Timestamp::from_second(n).unwrap()).await;
    }
    for (expected, so_far) in [(2, 2), (2, 4), (1, 5), (0, 5)] {
        assert_eq!((due(&bench, 2).await, appended(&bench).await.len()), (expected, so_far));
    }
    assert_eq!(appended(&bench).await, ["1", "2", "3", "4", "5"]);
    assert_eq!(bench.run::<u64>(&["EXISTS", DELAYED, FIELDS]).await, 0);
}

// A large batch overflows Lua's unpack (as apalis-redis with batches of 1000).
#[tokio::test]
async fn however_many_are_due_and_asked_for_a_call_moves_a_hundred() {
    let bench = Bench::start().await;
    let fill = "for i = 1, 10000 do
        redis.call('ZADD', KEYS[1], i, i)
        redis.call('HSET', KEYS[2], i, '[\"n\",\"x\"]')
        redis.call('ZADD', KEYS[3], i, 'past' .. i)
    end";
    let fill = Script::new(fill);
    fill.key(DELAYED).key(FIELDS).key(PAST).invoke_async::<()>(&mut bench.commands()).await.unwrap();
    let mut total = 0;
    loop {
        match due(&bench, usize::MAX).await {
            0 => break,
            count => {
                assert_eq!(count, 100);
                total += count;
            }
        }
    }
    assert_eq!((total, bench.run::<usize>(&["XLEN", STREAM]).await), (10_000, 10_000));
    // What was long ago is forgotten, and what was appended just now is not.
    assert_eq!(bench.run::<usize>(&["ZCARD", PAST]).await, 10_000);
    let stats: String = bench.run(&["INFO", "commandstats"]).await;
    println!("{}", stats.lines().find(|line| line.starts_with("cmdstat_evalsha")).unwrap());
}

#[tokio::test]
async fn many_movers_at_once_move_each_message_once() {
    let bench = Bench::start().await;
    for n in 0..200 {
        delay(&bench, &n.to_string(), past()).await;
    }
    let movers = (0..8).map(|_| async {
        let mut moved = 0;
        loop {
            match due(&bench, 7).await {
                0 => return moved,
                count => moved += count,
            }
        }
    });
    let moved = futures_util::future::join_all(movers).await;
    assert_eq!(moved.iter().sum::<usize>(), 200, "{moved:?}");
    let mut names = appended(&bench).await;
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 200);
}

#[tokio::test]
async fn a_message_that_is_sent_twice_is_kept_once_as_it_was_at_first() {
    let bench = Bench::start().await;
    let id = Uuid::now_v7();
    assert!(delay_as(&bench, id, "first", past()).await);
    assert!(!delay_as(&bench, id, "second", future()).await);
    assert_eq!(due(&bench, 10).await, 1);
    // Known also when it is in the stream already.
    assert!(!delay_as(&bench, id, "third", past()).await);
    assert_eq!((due(&bench, 10).await, appended(&bench).await), (0, vec!["first".to_owned()]));
}

#[tokio::test]
async fn a_cancelled_message_never_comes_also_if_it_is_sent_again() {
    let bench = Bench::start().await;
    let id = delay(&bench, "cancelled", past()).await;
    let mut redis = bench.commands();
    assert!(cancel(&mut redis, STREAM, id).await.unwrap());
    assert!(!cancel(&mut redis, STREAM, id).await.unwrap());
    assert!(!delay_as(&bench, id, "again", past()).await);
    assert_eq!(due(&bench, 10).await, 0);
    assert_eq!(bench.run::<u64>(&["EXISTS", STREAM, DELAYED, FIELDS]).await, 0);
    let id = delay(&bench, "appended", past()).await;
    due(&bench, 10).await;
    assert!(!cancel(&mut redis, STREAM, id).await.unwrap(), "it is too late");
    assert!(!cancel(&mut redis, STREAM, Uuid::nil()).await.unwrap());
}

#[tokio::test]
async fn an_id_is_forgotten_when_nobody_can_be_sending_it_any_more() {
    let bench = Bench::start().await;
    let (long_ago, just_now) = (delay(&bench, "a", past()).await, delay(&bench, "b", past()).await);
    due(&bench, 10).await;
    let (now, _): (u64, u64) = bench.run(&["TIME"]).await;
    let then = (now - REMEMBERED.as_secs() - 1) * 1000;
    bench.run::<u64>(&["ZADD", PAST, &then.to_string(), &long_ago.to_string()]).await;
    assert_eq!(due(&bench, 10).await, 0);
    let remembered: Vec<String> = bench.run(&["ZRANGE", PAST, "0", "-1"]).await;
    assert_eq!(remembered, [just_now.to_string()]);
}

/// A connection through a proxy, and the proxy.
async fn through_proxy(bench: &Bench) -> (FaultProxy, redis_kit::Connection) {
    let (proxy, redis) = bench.through_proxy().await;
    let mut connection = redis.commands().unwrap();
    // Connects, and makes the script known, so that the reply that is lost is the one that matters.
    append_due(&mut connection, STREAM, 10).await.unwrap();
    (proxy, connection)
}

async fn until_length(bench: &Bench, key: [&str; 2], length: u64) {
    eventually("the request to be carried out", LIMIT, || async {
        same(&length, &bench.run::<u64>(&key).await)
    })
    .await;
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_may_be_sent_again() {
    let bench = Bench::start().await;
    let id = Uuid::now_v7();
    // Another one, so that the script is known.
    delay(&bench, "other", future()).await;
    let (proxy, mut connection) = through_proxy(&bench).await;
    proxy.drop_replies();
    let sending = tokio::spawn(async move {
        let (job, trace) = (Job::wanted("a"), TraceContext::root());
        let first = append_at_with_id(&mut connection, STREAM, id, &job, &trace, past()).await;
        let again =
            || async { append_at_with_id(&mut connection.clone(), STREAM, id, &job, &trace, past()).await };
        (first, eventually("an answer", LIMIT, again).await)
    });
    until_length(&bench, ["ZCARD", DELAYED], 2).await;
    // It is moved before its sender asks again.
    assert_eq!(due(&bench, 10).await, 1);
    proxy.pass();
    proxy.reset_connections();
    let (first, again) = sending.await.unwrap();
    assert!(first.unwrap_err().is_transient() && !again);
    assert_eq!((due(&bench, 10).await, appended(&bench).await), (0, vec!["a".to_owned()]));
}

#[tokio::test]
async fn a_move_whose_answer_was_lost_is_not_done_again() {
    let bench = Bench::start().await;
    let (proxy, mut connection) = through_proxy(&bench).await;
    delay(&bench, "a", past()).await;
    proxy.drop_replies();
    let moving = tokio::spawn(async move { append_due(&mut connection, STREAM, 10).await });
    until_length(&bench, ["XLEN", STREAM], 1).await;
    proxy.reset_connections();
    assert!(moving.await.unwrap().unwrap_err().is_transient());
    assert_eq!((due(&bench, 10).await, appended(&bench).await), (0, vec!["a".to_owned()]));
}

#[tokio::test]
async fn a_message_that_somebody_has_spoilt_is_appended_for_all_to_see_and_holds_up_nothing() {
    let bench = Bench::start().await;
    for (due, spoilt) in ["{", "[]", "7", r#"["one"]"#, r#"{"a":"b"}"#].iter().enumerate() {
        bench.run::<u64>(&["ZADD", DELAYED, &due.to_string(), spoilt]).await;
        bench.run::<u64>(&["HSET", FIELDS, spoilt, spoilt]).await;
    }
    bench.run::<u64>(&["ZADD", DELAYED, "8", "without fields"]).await;
    delay(&bench, "good", Timestamp::from_second(1).unwrap()).await;
    assert_eq!(due(&bench, 10).await, 7);
    let entries: Vec<(String, Vec<String>)> = bench.run(&["XRANGE", STREAM, "-", "+"]).await;
    assert_eq!(entries[0].1, ["id", "{", "fields", "{"]);
    assert_eq!(entries[5].1, ["id", "without fields", "fields", ""]);
    assert_eq!(entries[6].1[0], "type");
}

#[tokio::test]
async fn nothing_is_moved_or_kept_in_part_if_a_key_is_of_another_type_or_a_command_is_forbidden() {
    let bench = Bench::start().await;
    let mut redis = bench.commands();
    let id = delay(&bench, "a", past()).await;
    let state = || async {
        let waiting: (u64, u64) = (bench.run(&["ZCARD", DELAYED]).await, bench.run(&["HLEN", FIELDS]).await);
        (waiting, bench.run::<u64>(&["EXISTS", STREAM]).await)
    };
    let code = |answer: Result<usize, Error>| match answer {
        Err(Error::Redis(error)) => error.code().unwrap_or_default().to_owned(),
        other => panic!("{other:?}"),
    };
    bench.run::<()>(&["SET", PAST, "text"]).await;
    assert_eq!(code(append_due(&mut redis, STREAM, 1).await), "WRONGTYPE");
    assert_eq!(code(cancel(&mut redis, STREAM, id).await.map(usize::from)), "WRONGTYPE");
    bench.run::<u64>(&["DEL", PAST]).await;
    for forbidden in ["zrem", "hdel", "zadd", "xadd"] {
        bench.run::<()>(&["ACL", "SETUSER", "default", &format!("-{forbidden}")]).await;
        assert_eq!(code(append_due(&mut redis, STREAM, 1).await), "NOPERM", "{forbidden}");
        if forbidden != "xadd" {
            assert_eq!(code(cancel(&mut redis, STREAM, id).await.map(usize::from)), "NOPERM", "{forbidden}");
        }
        assert_eq!(state().await, ((1, 1), 0), "{forbidden}");
        bench.run::<()>(&["ACL", "SETUSER", "default", &format!("+{forbidden}")]).await;
    }
    bench.run::<()>(&["ACL", "SETUSER", "default", "-zadd"]).await;
    let (job, trace) = (Job::wanted("b"), TraceContext::root());
    let refused = append_at(&mut redis, STREAM, &job, &trace, past()).await;
    assert_eq!(code(refused.map(|_| 0)), "NOPERM");
    assert_eq!(state().await, ((1, 1), 0));
    bench.run::<()>(&["ACL", "SETUSER", "default", "+zadd"]).await;
    bench.run::<()>(&["SET", STREAM, "text"]).await;
    assert_eq!(code(append_due(&mut redis, STREAM, 1).await), "WRONGTYPE");
    assert_eq!(state().await.0, (1, 1));
}

#[tokio::test]
async fn a_full_redis_takes_no_delayed_message_but_delivers_and_cancels_those_it_has() {
    let bench = Bench::start().await;
    delay(&bench, "a", past()).await;
    let cancelled = delay(&bench, "b", future()).await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let (job, trace) = (Job::wanted("c"), TraceContext::root());
    let refused = append_at(&mut bench.commands(), STREAM, &job, &trace, past()).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    assert!(cancel(&mut bench.commands(), STREAM, cancelled).await.unwrap());
    assert_eq!((due(&bench, 10).await, appended(&bench).await), (1, vec!["a".to_owned()]));
}

#[tokio::test]
async fn a_move_lessens_the_memory_in_use() {
    let bench = Bench::start().await;
    for _ in 0..2000 {
        delay(&bench, "something of the usual length", past()).await;
    }
    let used = || async {
        let mut bytes = 0;
        for key in [STREAM, DELAYED, FIELDS, PAST] {
            let of_key: Option<u64> = bench.run(&["MEMORY", "USAGE", key, "SAMPLES", "0"]).await;
            bytes += of_key.unwrap_or(0);
        }
        bytes
    };
    let before = used().await;
    while due(&bench, 100).await > 0 {}
    let after = used().await;
    println!("{before} bytes before, {after} after");
    assert!(after < before, "{after} bytes after, {before} before");
}
