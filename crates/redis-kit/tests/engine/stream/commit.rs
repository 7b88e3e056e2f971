//! What a handler returns is applied whole and once, or not at all.

use std::{collections::HashMap, time::Duration};

use redis_kit::{
    pubsub::{Event, Subscription},
    stream::{Commit, StreamId, WorkerOptions},
};

use crate::{
    handlers::{Notes, done},
    harness::{Bench, DONE, STREAM, id, options},
};

const VIEW: &str = "view:{t}";

fn fields<const N: usize>(pairs: [(&'static str, &str); N]) -> Vec<(&'static str, String)> {
    pairs.map(|(name, value)| (name, value.to_owned())).into()
}

/// Handles one entry with this commit, and returns when it is settled.
async fn commit(bench: &Bench, commit: Commit) {
    bench.want(&["job"]).await;
    let options = WorkerOptions { max_attempts: Some(2), ..options() };
    let worker = bench
        .work("w", options, move |_| {
            let commit = commit.clone();
            async { Ok(commit) }
        })
        .await;
    bench.settled().await;
    worker.stop().await;
}

async fn hash(bench: &Bench, key: &str) -> HashMap<String, String> {
    bench.run(&["HGETALL", key]).await
}

#[tokio::test]
async fn a_commit_writes_appends_publishes_and_acknowledges() {
    let bench = Bench::start().await;
    let mut heard = Subscription::start(&bench.redis(), &["news"]);
    assert_eq!(heard.next().await, Event::Subscribed);
    bench.want(&["a"]).await;
    let worker = bench
        .work("w", options(), |job| async move {
            let status = fields([("status", "done")]);
            Ok(done(&job)?.set_fields(VIEW, status).publish("news", "a is done"))
        })
        .await;
    bench.finished(vec!["a"]).await;
    assert_eq!(hash(&bench, VIEW).await["status"], "done");
    assert_eq!(heard.next().await, Event::Message { channel: "news".into(), payload: b"a is done".into() });
    worker.stop().await;
}

#[tokio::test]
async fn an_empty_commit_acknowledges() {
    let bench = Bench::start().await;
    commit(&bench, Commit::new()).await;
    assert!(bench.dead_letters().await.is_empty());
}

#[tokio::test]
async fn setting_no_fields_writes_nothing() {
    let bench = Bench::start().await;
    commit(&bench, Commit::new().set_fields(VIEW, [])).await;
    assert!(bench.dead_letters().await.is_empty());
    assert!(hash(&bench, VIEW).await.is_empty());
}

#[tokio::test]
async fn a_version_moves_forward_only_and_is_compared_as_numbers() {
    let bench = Bench::start().await;
    // Each is what the view has seen, the event's version, and whether it moves.
    for (seen, event, moves) in [
        ("9-1", "10-0", true),
        ("10-0", "9-1", false),
        ("5-9", "5-10", true),
        ("5-10", "5-9", false),
        ("5-10", "5-10", false),
        ("0-1", "5-10", true),
        // These differ only beyond what a floating-point number can tell apart.
        ("5-9007199254740992", "5-9007199254740993", true),
        ("5-9007199254740993", "5-9007199254740992", false),
        ("18446744073709551615-0", "18446744073709551615-1", true),
    ] {
        bench.run::<()>(&["HSET", VIEW, "version", seen, "status", "old"]).await;
        let advance = Commit::new().advance_fields(VIEW, id(event), fields([("status", "new")]));
        commit(&bench, advance).await;
        let expected = if moves { [event, "new"] } else { [seen, "old"] };
        let view = hash(&bench, VIEW).await;
        assert_eq!([&view["version"], &view["status"]], expected, "{seen} to {event}");
    }
}

#[tokio::test]
async fn a_view_that_is_gone_or_has_no_version_is_not_touched() {
    let bench = Bench::start().await;
    let advance = || Commit::new().advance_fields(VIEW, id("5-0"), fields([("status", "new")]));
    commit(&bench, advance()).await;
    assert_eq!(bench.run::<u64>(&["EXISTS", VIEW]).await, 0);
    for version in [None, Some("newest"), Some("")] {
        bench.run::<()>(&["HSET", VIEW, "status", "old"]).await;
        if let Some(version) = version {
            bench.run::<()>(&["HSET", VIEW, "version", version]).await;
        }
        commit(&bench, advance()).await;
        assert_eq!(hash(&bench, VIEW).await["status"], "old", "{version:?}");
    }
    assert!(bench.dead_letters().await.is_empty());
}

#[tokio::test]
async fn a_key_of_any_type_is_let_go_after_a_time_and_one_that_is_gone_is_no_error() {
    let bench = Bench::start().await;
    bench.run::<()>(&["HSET", VIEW, "status", "old"]).await;
    bench.run::<()>(&["SADD", "set:{t}", "member"]).await;
    let hour = Duration::from_hours(1);
    commit(&bench, Commit::new().expire(VIEW, hour).expire("set:{t}", hour).expire("gone:{t}", hour)).await;
    for key in [VIEW, "set:{t}"] {
        assert!((1..=3_600_000).contains(&bench.run::<i64>(&["PTTL", key]).await), "{key}");
    }
    assert!(bench.dead_letters().await.is_empty());
}

#[tokio::test]
async fn a_view_that_was_set_in_the_same_commit_can_be_advanced() {
    let bench = Bench::start().await;
    let version = StreamId::ZERO.to_string();
    let set = Commit::new().set_fields(VIEW, fields([("version", &version), ("status", "new")]));
    commit(&bench, set.advance_fields(VIEW, id("0-1"), fields([("status", "paid")]))).await;
    let view = hash(&bench, VIEW).await;
    assert_eq!([&view["version"], &view["status"]], ["0-1", "paid"]);
}

#[tokio::test]
async fn ten_thousand_fields_are_set_at_once() {
    let bench = Bench::start().await;
    let names: Vec<String> = (0..10_000).map(|n| format!("field{n}")).collect();
    let many = || names.iter().map(|name| (name.as_str(), "x".to_owned()));
    let created = fields([("version", "0-0")]);
    let set = Commit::new().set_fields("set:{t}", many()).set_fields(VIEW, created);
    commit(&bench, set.advance_fields(VIEW, id("1-0"), many())).await;
    assert_eq!(bench.run::<usize>(&["HLEN", "set:{t}"]).await, 10_000);
    assert_eq!(bench.run::<usize>(&["HLEN", VIEW]).await, 10_001);
}

#[tokio::test]
async fn a_key_of_another_slot_fails_the_attempt_and_writes_nothing() {
    let bench = Bench::start().await;
    let foreign = Commit::new().set_fields(VIEW, fields([("status", "new")]));
    let foreign = foreign.set_fields("view:{u}", fields([("status", "new")]));
    commit(&bench, foreign).await;
    let letters = bench.dead(1).await;
    assert!(letters[0]["reason"].contains("view:{u}"), "{letters:?}");
    assert_eq!(letters[0]["attempts"], "2");
    for key in [VIEW, "view:{u}"] {
        assert_eq!(bench.run::<u64>(&["EXISTS", key]).await, 0, "{key}");
    }
}

#[tokio::test]
async fn a_key_of_another_type_fails_the_attempt_and_writes_nothing() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", "text:{t}", "unchanged"]).await;
    let status = || fields([("status", "new")]);
    let first = || Commit::new().set_fields(VIEW, status()).publish("news", "new");
    let trace = redis_kit::trace::TraceContext::root();
    let job = crate::harness::Job::wanted("x");
    let commits = [
        first().set_fields("text:{t}", status()),
        first().advance_fields("text:{t}", id("1-0"), status()),
        first().append("text:{t}", &job, &trace).unwrap(),
        // The first write would make a key that the second cannot write to.
        first().set_fields("new:{t}", status()).append("new:{t}", &job, &trace).unwrap(),
    ];
    for (count, wrong) in (1..).zip(commits) {
        commit(&bench, wrong).await;
        let letters = bench.dead(count).await;
        let letter = letters.last().unwrap();
        assert!(letter["reason"].contains("WRONGTYPE"), "{letter:?}");
        assert_eq!(letter["attempts"], "2");
        assert_eq!(bench.run::<u64>(&["EXISTS", VIEW, "new:{t}"]).await, 0);
    }
    assert_eq!(bench.run::<String>(&["GET", "text:{t}"]).await, "unchanged");
}

#[tokio::test]
async fn a_commit_that_cannot_be_applied_does_not_hold_up_the_next_entry() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", "text:{t}", "unchanged"]).await;
    bench.want(&["wrong", "right"]).await;
    let options = WorkerOptions { concurrency: 1, ..options() };
    let attempts = Notes::new();
    let noted = attempts.clone();
    let worker = bench
        .work("w", options, move |job| {
            noted.push(job.message.name().to_owned());
            async move {
                let commit = done(&job)?;
                let wrong = job.message.name() == "wrong";
                Ok(if wrong { commit.set_fields("text:{t}", fields([("a", "b")])) } else { commit })
            }
        })
        .await;
    bench.finished(vec!["right"]).await;
    assert_eq!(bench.dead(1).await[0]["attempts"], "3");
    // No attempt was repeated in a hot loop: each failed once.
    assert_eq!(attempts.all().iter().filter(|name| *name == "wrong").count(), 3);
    assert_eq!(bench.run::<usize>(&["XLEN", DONE]).await, 1);
    assert_eq!(bench.run::<usize>(&["XLEN", STREAM]).await, 2);
    worker.stop().await;
}
