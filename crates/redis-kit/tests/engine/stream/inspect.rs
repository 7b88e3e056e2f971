//! What is said of a stream and its groups, and that what is not known is not made up.

use std::time::Duration;

use redis_kit::stream::{
    StreamId, clock,
    inspect::{GroupReport, Monitor, StreamReport, consumers, inspect},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::gauges::Gauges;
use crate::harness::{Bench, GROUP, LIMIT, STREAM, id};

/// A stream of entries `1-0`, `2-0`… with a group at its start.
async fn stream_of(entries: u64) -> Bench {
    let bench = Bench::start().await;
    bench.run::<()>(&["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"]).await;
    for n in 1..=entries {
        bench.run::<String>(&["XADD", STREAM, &format!("{n}-0"), "n", "x"]).await;
    }
    bench
}

async fn read(bench: &Bench, consumer: &str, count: &str) {
    let read = ["XREADGROUP", "GROUP", GROUP, consumer, "COUNT", count, "STREAMS", STREAM, ">"];
    bench.run::<redis::Value>(&read).await;
}

async fn report(bench: &Bench) -> StreamReport {
    inspect(&mut bench.commands(), STREAM).await.unwrap()
}

async fn only_group(bench: &Bench) -> GroupReport {
    let mut groups = report(bench).await.groups;
    assert_eq!(groups.len(), 1);
    groups.remove(0)
}

async fn lag(bench: &Bench) -> Option<u64> {
    only_group(bench).await.lag
}

#[tokio::test]
async fn a_stream_that_is_missing_has_nothing() {
    let bench = Bench::start().await;
    assert_eq!(report(&bench).await, StreamReport::default());
}

#[tokio::test]
async fn consumers_are_told_by_the_instance_that_became_them_and_what_waits_is_nobodys() {
    let bench = stream_of(4).await;
    let ask = || async { consumers(&mut bench.commands(), STREAM, GROUP).await.unwrap() };
    assert_eq!(ask().await, []);
    for (consumer, count) in [("w-1-00000001", "2"), ("w-1-00000002", "1"), ("waiting", "1")] {
        read(&bench, consumer, count).await;
    }
    let mut told = ask().await;
    told.sort_by_key(|consumer| consumer.pending);
    let told: Vec<_> = told.iter().map(|consumer| (consumer.instance.as_str(), consumer.pending)).collect();
    assert_eq!(told, [("w-1", 1), ("w-1", 2)]);
    for (stream, group) in [(STREAM, "strangers"), ("nowhere:{t}", GROUP)] {
        assert_eq!(consumers(&mut bench.commands(), stream, group).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_streams_clock_is_the_one_that_its_entries_get_their_ids_by() {
    let bench = Bench::start().await;
    let mut redis = bench.commands();
    let before = clock(&mut redis, STREAM).await.unwrap().as_millisecond();
    let id: StreamId = bench.run::<String>(&["XADD", STREAM, "*", "n", "x"]).await.parse().unwrap();
    let after = clock(&mut redis, STREAM).await.unwrap().as_millisecond();
    let appended = i64::try_from(id.milliseconds).unwrap();
    assert!(before <= appended && appended <= after, "{before} {appended} {after}");
}

#[tokio::test]
async fn a_stream_without_groups_is_told_of() {
    let bench = Bench::start().await;
    for entry in ["5-1", "6-0", "7-0"] {
        bench.run::<String>(&["XADD", STREAM, entry, "n", "x"]).await;
    }
    bench.run::<u64>(&["XDEL", STREAM, "7-0"]).await;
    bench.run::<u64>(&["ZADD", "jobs:{t}:delayed", "1", "a", "2", "b"]).await;
    let report = report(&bench).await;
    assert_eq!((report.length, report.first_id, report.last_id), (2, Some(id("5-1")), Some(id("7-0"))));
    // What was deleted was appended all the same.
    assert_eq!((report.appended, report.delayed, report.groups), (3, 2, vec![]));
    assert!(report.bytes > 100, "{}", report.bytes);
}

#[tokio::test]
async fn an_empty_stream_has_a_group_that_has_nothing_to_do() {
    let bench = stream_of(0).await;
    let expected = GroupReport {
        name: GROUP.into(),
        lag: Some(0),
        pending: 0,
        oldest_pending: None,
        consumers: 0,
        waiting: 0,
        dead_letters: 0,
        last_delivered: StreamId::ZERO,
    };
    assert_eq!(only_group(&bench).await, expected);
    assert_eq!(report(&bench).await.last_id, None);
}

#[tokio::test]
async fn a_group_tells_what_it_has_in_hand_and_what_waits() {
    let bench = stream_of(9).await;
    read(&bench, "a", "2").await;
    read(&bench, "b", "2").await;
    // What waits for a retry is put under the name of a consumer that is nobody.
    bench.run::<redis::Value>(&["XCLAIM", STREAM, GROUP, "waiting", "0", "1-0"]).await;
    bench.run::<u64>(&["ZADD", "jobs:{t}:retry:workers", "1", "1-0"]).await;
    for _ in 0..3 {
        bench.run::<String>(&["XADD", "jobs:{t}:dead:workers", "*", "n", "x"]).await;
    }
    let group = only_group(&bench).await;
    assert_eq!((group.lag, group.pending, group.consumers), (Some(5), 4, 2));
    assert_eq!((group.waiting, group.dead_letters, group.last_delivered), (1, 3, id("4-0")));
}

#[tokio::test]
async fn every_group_of_a_stream_is_told_of_by_its_name() {
    let bench = stream_of(3).await;
    bench.run::<()>(&["XGROUP", "CREATE", STREAM, "another", "$"]).await;
    bench.run::<u64>(&["ZADD", "jobs:{t}:retry:another", "1", "1-0", "2", "2-0"]).await;
    let groups = report(&bench).await.groups;
    let told: Vec<_> = groups.iter().map(|group| (group.name.as_str(), group.lag, group.waiting)).collect();
    assert_eq!(told, [("another", Some(0), 2), (GROUP, Some(3), 0)]);
}

#[tokio::test]
async fn the_oldest_pending_entry_is_as_old_as_its_id_however_often_it_was_delivered() {
    let bench = stream_of(0).await;
    let (now, _): (u64, u64) = bench.run(&["TIME"]).await;
    for seconds_ago in [100, 50] {
        bench.run::<String>(&["XADD", STREAM, &format!("{}-0", (now - seconds_ago) * 1000), "n", "x"]).await;
    }
    read(&bench, "a", "2").await;
    bench
        .run::<redis::Value>(&["XCLAIM", STREAM, GROUP, "b", "0", &format!("{}-0", (now - 100) * 1000)])
        .await;
    let age = only_group(&bench).await.oldest_pending.unwrap();
    assert!((100..130).contains(&age.as_secs()), "{age:?}");
}

#[tokio::test]
async fn an_entry_from_the_future_is_no_age_old() {
    let bench = stream_of(0).await;
    bench.run::<String>(&["XADD", STREAM, "99999999999999-0", "n", "x"]).await;
    read(&bench, "a", "1").await;
    assert_eq!(only_group(&bench).await.oldest_pending, Some(Duration::ZERO));
}

// A lag reported as 0 when Redis says null (redis#13337).
#[tokio::test]
async fn a_lag_that_redis_does_not_know_is_unknown_and_not_zero() {
    let bench = stream_of(200).await;
    read(&bench, "a", "2").await;
    bench.run::<u64>(&["XDEL", STREAM, "150-0"]).await;
    assert_eq!(lag(&bench).await, None);
    // Once there is little left it is known again.
    read(&bench, "a", "98").await;
    assert_eq!(lag(&bench).await, Some(99));
    read(&bench, "a", "99").await;
    assert_eq!(lag(&bench).await, Some(0));
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, "2-0"]).await;
    assert_eq!(lag(&bench).await, None);
}

// As Redis 7.0 says it after a restart from a file that had been rewritten before the entries were read.
#[tokio::test]
async fn a_lag_that_redis_overstates_is_counted() {
    let bench = stream_of(200).await;
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, "197-0", "ENTRIESREAD", "10"]).await;
    assert_eq!(lag(&bench).await, Some(3));
}

#[tokio::test]
async fn a_group_that_has_read_nothing_lags_by_all_there_is_also_after_deletions() {
    let bench = stream_of(5).await;
    assert_eq!(lag(&bench).await, Some(5));
    bench.run::<u64>(&["XDEL", STREAM, "2-0", "5-0"]).await;
    assert_eq!(lag(&bench).await, Some(3));
}

// Redis counts on as if nothing had been trimmed (redis#13957).
#[tokio::test]
async fn a_lag_is_never_more_than_there_is() {
    let bench = stream_of(5).await;
    read(&bench, "a", "1").await;
    bench.run::<u64>(&["XTRIM", STREAM, "MINID", "4"]).await;
    assert_eq!(lag(&bench).await, Some(2));
    bench.run::<u64>(&["XDEL", STREAM, "4-0", "5-0"]).await;
    assert_eq!(lag(&bench).await, Some(0));
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_says_so() {
    let bench = stream_of(1).await;
    for key in ["jobs:{t}:retry:workers", "jobs:{t}:dead:workers", "jobs:{t}:delayed", STREAM] {
        bench.run::<u64>(&["DEL", key]).await;
        bench.run::<()>(&["SET", key, "text"]).await;
        match inspect(&mut bench.commands(), STREAM).await {
            Err(redis_kit::Error::Redis(error)) => assert_eq!(error.code(), Some("WRONGTYPE"), "{key}"),
            other => panic!("{other:?}"),
        }
        if key != STREAM {
            bench.run::<u64>(&["DEL", key]).await;
        }
    }
}

#[tokio::test]
async fn a_full_redis_can_be_looked_at() {
    let bench = stream_of(3).await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(report(&bench).await.length, 3);
}

#[tokio::test]
async fn the_monitor_measures_what_a_look_tells_and_nothing_of_a_group_that_is_gone() {
    let gauges = Gauges::start();
    let bench = stream_of(200).await;
    read(&bench, "a", "2").await;
    bench.run::<u64>(&["XDEL", STREAM, "150-0"]).await;
    bench.run::<()>(&["SET", "broken:{t}", "text"]).await;
    let streams = ["broken:{t}", STREAM].map(str::to_owned);
    let monitor = Monitor::new(bench.commands(), streams, Duration::from_millis(10));
    let stop = CancellationToken::new();
    let running = tokio::spawn(monitor.run(stop.clone()));

    gauges.until_is(r#"stream_length{stream="jobs:{t}"}"#, 199.0).await;
    let of_group = |name: &str| format!(r#"{name}{{stream="jobs:{{t}}",group="workers"}}"#);
    gauges.until(&of_group("stream_lag"), f64::is_nan).await;
    gauges.until_is(&of_group("stream_pending"), 2.0).await;
    gauges.until_is(&of_group("stream_consumers"), 1.0).await;
    gauges.until(&of_group("stream_oldest_pending_seconds"), |age| age > 1e9).await;
    gauges.until_is(&of_group("stream_retries_waiting"), 0.0).await;
    gauges.until_is(&of_group("stream_dead_letters"), 0.0).await;
    read(&bench, "a", "200").await;
    gauges.until_is(&of_group("stream_lag"), 0.0).await;
    bench.run::<()>(&["XGROUP", "DESTROY", STREAM, GROUP]).await;
    gauges.until(&of_group("stream_pending"), f64::is_nan).await;
    stop.cancel();
    timeout(LIMIT, running).await.expect("it stops in time").unwrap();
}
