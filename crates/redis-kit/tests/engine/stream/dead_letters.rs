//! Dead letters: what is shown of them, and that each comes back once, as it was.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use redis_kit::{
    Error,
    stream::{
        Failure, StreamId,
        dead_letters::{DeadLetters, Filter},
        encode,
    },
    trace::TraceContext,
};
use test_support::eventually;

use crate::{
    handlers::done,
    harness::{Bench, GROUP, Job, LIMIT, STREAM, id, options},
};

const DEAD: &str = "jobs:{t}:dead:workers";
const HISTORY: &str = r#"[{"at":1700000000123,"consumer":"w-1","reason":"no 1"}]"#;

/// As fast as it goes.
const FAST: NonZeroU32 = NonZeroU32::MAX;

fn per_second(rate: u32) -> NonZeroU32 {
    NonZeroU32::new(rate).unwrap()
}

fn letters(bench: &Bench) -> DeadLetters {
    DeadLetters::new(bench.commands(), STREAM, GROUP)
}

/// Writes a dead letter as an engine does, with the fields of the entry as bytes.
async fn letter_of(bench: &Bench, letter: &str, origin: &str, reason: &str, fields: &[&[u8]]) -> StreamId {
    let mut append = redis_kit::cmd("XADD");
    append.arg(DEAD).arg(letter).arg(&["origin", origin, "reason", reason]);
    append.arg(&["attempts", "3", "history", HISTORY]).arg(fields);
    let letter: String = append.query_async(&mut bench.commands()).await.unwrap();
    id(&letter)
}

/// Writes the letter of a job, with ids that need no clock.
async fn dead_job(bench: &Bench, letter: &str, origin: &str, reason: &str) -> StreamId {
    let fields = encode(&Job::wanted(origin), &TraceContext::root()).unwrap();
    let fields: Vec<&[u8]> =
        fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
    letter_of(bench, letter, origin, reason, &fields).await
}

/// All entries of a stream, as bytes.
async fn entries(bench: &Bench, stream: &str) -> Vec<(String, Vec<Vec<u8>>)> {
    bench.run(&["XRANGE", stream, "-", "+"]).await
}

fn bytes(fields: &[&[u8]]) -> Vec<Vec<u8>> {
    fields.iter().map(|field| field.to_vec()).collect()
}

/// The ids of the letters that fit.
async fn found(bench: &Bench, filter: Filter) -> Vec<String> {
    let page = letters(bench).list(None, 1000, &filter).await.unwrap();
    let ids: Vec<String> = page.letters.iter().map(|letter| letter.id.to_string()).collect();
    assert_eq!(letters(bench).count(&filter).await.unwrap(), ids.len() as u64);
    ids
}

#[tokio::test]
async fn a_letter_shows_everything_that_is_known_of_it() {
    let bench = Bench::start().await;
    let trace = TraceContext::root();
    let fields = encode(&Job::wanted("a"), &trace).unwrap();
    let raw: Vec<&[u8]> =
        fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
    let letter = letter_of(&bench, "9-1", "5-0", "no 3", &raw).await;
    let shown = letters(&bench).show(letter).await.unwrap().unwrap();
    assert_eq!((shown.id, shown.origin), (letter, Some(id("5-0"))));
    assert_eq!((shown.reason.as_str(), shown.attempts), ("no 3", 3));
    assert_eq!(serde_json::to_string(&shown.history).unwrap(), HISTORY);
    assert_eq!((shown.message_type(), shown.trace()), (Some("job.wanted"), Some(trace)));
    assert_eq!(shown.text("data"), Some(fields[4].1.as_str()));
    assert_eq!(shown.fields.len(), 5);
    assert_eq!(letters(&bench).show(id("9-2")).await.unwrap(), None);
}

#[tokio::test]
async fn a_group_without_dead_letters_has_an_empty_list() {
    let bench = Bench::start().await;
    let (letters, all) = (letters(&bench), Filter::default());
    assert_eq!(letters.list(None, 10, &all).await.unwrap().letters, []);
    assert_eq!(letters.count(&all).await.unwrap(), 0);
    assert_eq!(letters.drop_all(&all).await.unwrap(), 0);
    assert_eq!(letters.replay_all(&all, FAST).await.unwrap().count, 0);
    assert_eq!(letters.replay(id("1-0")).await.unwrap(), None);
    assert!(!letters.drop(id("1-0")).await.unwrap());
    assert_eq!(bench.run::<u64>(&["EXISTS", STREAM, DEAD]).await, 0);
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let bench = Bench::start().await;
    // More than one command fetches.
    for n in 1..=250 {
        dead_job(&bench, &format!("{n}-0"), "1-0", if n % 2 == 0 { "even" } else { "odd" }).await;
    }
    let even = Filter { reason_contains: Some("even".into()), ..Filter::default() };
    let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = letters(&bench).list(after, 60, &even).await.unwrap();
        seen.extend(page.letters.iter().map(|letter| letter.id.milliseconds));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=125).map(|n| 2 * n).collect::<Vec<u64>>());
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn a_page_reads_no_more_than_it_is_told_though_nothing_fits() {
    let bench = Bench::start().await;
    for n in 1..=5 {
        dead_job(&bench, &format!("{n}-0"), "1-0", if n == 4 { "rare" } else { "usual" }).await;
    }
    let rare = Filter { reason_contains: Some("rare".into()), ..Filter::default() };
    let (mut after, mut pages) = (None, Vec::new());
    for _ in 0..3 {
        let page = letters(&bench).page(after, 2, &rare).await.unwrap();
        pages.push((page.letters.len(), page.next));
        after = page.next;
    }
    assert_eq!(pages, [(0, Some(id("2-0"))), (1, Some(id("4-0"))), (0, None)]);
}

#[tokio::test]
async fn filters_find_what_they_name() {
    let bench = Bench::start().await;
    dead_job(&bench, "10000-0", "1000-0", "timed out").await;
    dead_job(&bench, "20000-0", "2000-0", "timed out again").await;
    dead_job(&bench, "30000-0", "3000-0", "refused").await;
    letter_of(&bench, "40000-0", "4000-0", "unknown", &[b"type", b"job.other"]).await;
    bench.run::<String>(&["XADD", DEAD, "50000-0", "some", "thing"]).await;

    let seconds = |seconds: i64| Some(jiff::Timestamp::from_second(seconds).unwrap());
    let all = Filter::default;
    let cases = [
        (all(), vec!["10000-0", "20000-0", "30000-0", "40000-0", "50000-0"]),
        (Filter { message_type: Some("job.other".into()), ..all() }, vec!["40000-0"]),
        (Filter { message_type: Some("job.wanted".into()), ..all() }, vec!["10000-0", "20000-0", "30000-0"]),
        (Filter { reason_contains: Some("timed out".into()), ..all() }, vec!["10000-0", "20000-0"]),
        (Filter { min_attempts: Some(3), since: seconds(30), ..all() }, vec!["30000-0", "40000-0"]),
        (Filter { min_attempts: Some(4), ..all() }, vec![]),
        (Filter { since: seconds(20), until: seconds(30), ..all() }, vec!["20000-0", "30000-0"]),
        (
            Filter { appended_since: seconds(2), appended_until: seconds(3), ..all() },
            vec!["20000-0", "30000-0"],
        ),
        (Filter { appended_since: seconds(4), ..all() }, vec!["40000-0"]),
        (Filter { reason_contains: Some("no dead letter".into()), ..all() }, vec!["50000-0"]),
    ];
    for (filter, expected) in cases {
        assert_eq!(found(&bench, filter.clone()).await, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_replay_appends_the_entry_for_its_group_and_deletes_the_letter() {
    let bench = Bench::start().await;
    let letter = letter_of(&bench, "9-1", "5-0", "no", &[b"type", b"job", b"data", b"{}"]).await;
    let replayed = letters(&bench).replay(letter).await.unwrap().unwrap();
    let copy: &[&[u8]] = &[b"type", b"job", b"data", b"{}", b"replay_for", b"workers", b"origin", b"5-0"];
    assert_eq!(entries(&bench, STREAM).await, [(replayed.to_string(), bytes(copy))]);
    assert_eq!(bench.run::<u64>(&["XLEN", DEAD]).await, 0);
    assert_eq!(letters(&bench).replay(letter).await.unwrap(), None, "it is gone");
    assert_eq!(bench.run::<u64>(&["XLEN", STREAM]).await, 1);
}

#[tokio::test]
async fn what_is_no_text_survives_a_replay_byte_for_byte() {
    let bench = Bench::start().await;
    let fields: &[&[u8]] = &[
        &[0xff, 0x00, 0xfe],
        b"",
        b"type",
        &[0xc3, 0x28],
        b"data",
        b"\r\n\"\\",
        // The same name twice, in this order, and a name of the letter's own.
        b"data",
        b"x",
        b"reason",
        b"mine",
    ];
    let letter = letter_of(&bench, "9-1", "5-0", "undecodable", fields).await;
    let shown = letters(&bench).show(letter).await.unwrap().unwrap();
    assert_eq!(shown.fields.iter().flat_map(|(name, value)| [name, value]).collect::<Vec<_>>(), fields);
    letters(&bench).replay(letter).await.unwrap().unwrap();
    assert_eq!(entries(&bench, STREAM).await[0].1[..fields.len()], bytes(fields));
}

#[tokio::test]
async fn a_letter_of_a_replayed_entry_keeps_its_first_origin() {
    let bench = Bench::start().await;
    let marks: &[&[u8]] = &[b"type", b"job", b"replay_for", b"workers", b"origin", b"5-0"];
    let letter = letter_of(&bench, "9-1", "8-0", "no again", marks).await;
    assert_eq!(letters(&bench).show(letter).await.unwrap().unwrap().origin, Some(id("5-0")));
    letters(&bench).replay(letter).await.unwrap().unwrap();
    assert_eq!(entries(&bench, STREAM).await[0].1, bytes(marks), "marked once");
}

#[tokio::test]
async fn an_entry_that_merely_has_a_field_origin_is_not_taken_for_a_replayed_one() {
    let bench = Bench::start().await;
    let own: &[&[u8]] = &[b"type", b"job", b"origin", b"mine"];
    let letter = letter_of(&bench, "9-1", "5-0", "no", own).await;
    assert_eq!(letters(&bench).show(letter).await.unwrap().unwrap().origin, Some(id("5-0")));
    letters(&bench).replay(letter).await.unwrap().unwrap();
    let marks: &[&[u8]] = &[b"replay_for", b"workers", b"origin", b"5-0"];
    assert_eq!(entries(&bench, STREAM).await[0].1, bytes(&[own, marks].concat()));
}

/// The reason for which a letter cannot be replayed.
async fn refusal(bench: &Bench, letter: StreamId) -> String {
    match letters(bench).replay(letter).await {
        Err(Error::Unreplayable { letter: refused, reason }) if refused == letter => reason,
        other => panic!("{other:?}"),
    }
}

// A large batch overflows Lua's unpack (as apalis-redis with batches of 1000): the limit is known, and is told.
#[tokio::test]
async fn a_letter_that_no_script_can_replay_says_why_and_stays() {
    let bench = Bench::start().await;
    let as_json = letter_of(&bench, "1-0", "1-0", "too many", &[b"fields", br#"["a","b"]"#]).await;
    let many = vec![b"n".as_slice(); 10_000];
    let too_many = letter_of(&bench, "2-0", "2-0", "far too many", &many).await;
    let nothing = letter_of(&bench, "3-0", "3-0", "deleted", &[]).await;
    let foreign = id(&bench.run::<String>(&["XADD", DEAD, "4-0", "some", "thing"]).await);
    for (letter, why) in
        [(as_json, "kept as JSON"), (too_many, "too many"), (nothing, "deleted"), (foreign, "begin")]
    {
        let reason = refusal(&bench, letter).await;
        assert!(reason.contains(why), "{reason}");
    }
    dead_job(&bench, "5-0", "5-0", "no").await;
    let replayed = letters(&bench).replay_all(&Filter::default(), FAST).await.unwrap();
    assert_eq!((replayed.count, replayed.refused), (1, vec![as_json, too_many, nothing, foreign]));
    assert_eq!((bench.run::<u64>(&["XLEN", DEAD]).await, bench.run::<u64>(&["XLEN", STREAM]).await), (4, 1));
    assert_eq!(letters(&bench).drop_all(&Filter::default()).await.unwrap(), 4);
}

// The other side of that limit: what an engine copies field by field can be replayed field by field.
#[tokio::test]
async fn an_entry_of_five_thousand_names_and_values_is_replayed() {
    let bench = Bench::start().await;
    let many = vec![b"n".as_slice(); 5000];
    let letter = letter_of(&bench, "9-1", "5-0", "no", &many).await;
    letters(&bench).replay(letter).await.unwrap().unwrap();
    assert_eq!(entries(&bench, STREAM).await[0].1.len(), 5004);
}

#[tokio::test]
async fn many_replays_at_once_bring_each_letter_back_once() {
    let bench = Bench::start().await;
    for n in 1..=50 {
        dead_job(&bench, &format!("{n}-0"), "1-0", "no").await;
    }
    let replay = || async { letters(&bench).replay_all(&Filter::default(), FAST).await.unwrap().count };
    let counts = futures_util::future::join_all((0..4).map(|_| replay())).await;
    assert_eq!(counts.iter().sum::<u64>(), 50, "{counts:?}");
    assert_eq!((bench.run::<u64>(&["XLEN", STREAM]).await, bench.run::<u64>(&["XLEN", DEAD]).await), (50, 0));
}

#[tokio::test]
async fn a_replay_whose_reply_was_lost_is_not_done_again() {
    let bench = Bench::start().await;
    let letter = dead_job(&bench, "9-1", "5-0", "no").await;
    let (proxy, redis) = bench.through_proxy().await;
    let connection = redis.commands().unwrap();
    let letters = DeadLetters::new(connection, STREAM, GROUP);
    assert!(letters.show(letter).await.unwrap().is_some());
    // Known to the server, or the first thing it is told of it would be the reply that is lost.
    DeadLetters::new(bench.commands(), STREAM, GROUP).replay(id("1-0")).await.unwrap();
    proxy.drop_replies();
    let heard_nothing = tokio::spawn({
        let letters = letters.clone();
        async move { letters.replay(letter).await }
    });
    eventually("the replay to be carried out", LIMIT, || async {
        match bench.run::<u64>(&["XLEN", STREAM]).await {
            1 => Ok(()),
            length => Err(format!("the stream has {length} entries")),
        }
    })
    .await;
    proxy.reset_connections();
    proxy.pass();
    let error = heard_nothing.await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error}");
    let again = eventually("another answer", LIMIT, || letters.replay(letter)).await;
    assert_eq!((again, bench.run::<u64>(&["XLEN", STREAM]).await), (None, 1));
}

#[tokio::test]
async fn a_replay_of_many_is_evenly_paced() {
    let bench = Bench::start().await;
    for n in 1..=11 {
        dead_job(&bench, &format!("{n}-0"), "1-0", "no").await;
    }
    let started = Instant::now();
    letters(&bench).replay_all(&Filter::default(), per_second(50)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
    let times: Vec<u64> =
        entries(&bench, STREAM).await.iter().map(|(entry, _)| id(entry).milliseconds).collect();
    // No two together, though a busy machine may set them further apart.
    assert!(times.windows(2).filter(|pair| pair[1] - pair[0] >= 15).count() >= 8, "{times:?}");
}

#[tokio::test]
async fn a_replay_of_many_that_is_dropped_midway_has_done_some_and_left_the_rest() {
    let bench = Bench::start().await;
    for n in 1..=20 {
        dead_job(&bench, &format!("{n}-0"), "1-0", "no").await;
    }
    let (letters, all) = (letters(&bench), Filter::default());
    let some = eventually("some to be replayed", LIMIT, || async {
        match bench.run::<u64>(&["XLEN", STREAM]).await {
            0..3 => Err("there are few"),
            count => Ok(count),
        }
    });
    tokio::select! {
        count = some => assert!(count < 20),
        done = letters.replay_all(&all, per_second(100)) => panic!("it was not to end: {done:?}"),
    }
    let replayed = letters.replay_all(&all, FAST).await.unwrap();
    assert!(replayed.count < 20);
    assert_eq!((bench.run::<u64>(&["XLEN", STREAM]).await, bench.run::<u64>(&["XLEN", DEAD]).await), (20, 0));
}

#[tokio::test]
async fn what_is_given_up_again_while_many_are_replayed_is_left_for_the_next_time() {
    let bench = Bench::start().await;
    for n in 1..=10 {
        dead_job(&bench, &format!("{n}-0"), "1-0", "no").await;
    }
    let worker = bench.work("w", options(), |_| async { Err(Failure::reject("still no")) }).await;
    let replayed = letters(&bench).replay_all(&Filter::default(), FAST).await.unwrap();
    assert_eq!(replayed.count, 10);
    bench.dead(10).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_replayed_job_is_handled() {
    let bench = Bench::start().await;
    bench.want(&["a"]).await;
    let worker = bench.work("w", options(), |_| async { Err(Failure::reject("not yet")) }).await;
    bench.dead(1).await;
    worker.stop().await;
    let worker = bench.work("w-2", options(), |job| async move { done(&job) }).await;
    assert_eq!(letters(&bench).replay_all(&Filter::default(), FAST).await.unwrap().count, 1);
    bench.finished(vec!["a"]).await;
    worker.stop().await;
}

#[tokio::test]
async fn letters_are_dropped_by_id_or_by_filter_and_others_stay() {
    let bench = Bench::start().await;
    for (letter, reason) in [("1-0", "one"), ("2-0", "two"), ("3-0", "two"), ("4-0", "three")] {
        dead_job(&bench, letter, "1-0", reason).await;
    }
    let letters = letters(&bench);
    assert!(letters.drop(id("1-0")).await.unwrap());
    assert!(!letters.drop(id("1-0")).await.unwrap());
    let two = Filter { reason_contains: Some("two".into()), ..Filter::default() };
    assert_eq!(letters.drop_all(&two).await.unwrap(), 2);
    assert_eq!(found(&bench, Filter::default()).await, ["4-0"]);
}

#[tokio::test]
async fn what_was_there_at_the_look_is_dropped_and_what_came_later_stays() {
    let bench = Bench::start().await;
    let letters = letters(&bench);
    dead_job(&bench, "*", "1-0", "seen").await;
    let seen = Filter { until: Some(complete(&bench, 1).await), ..Filter::default() };
    let later = dead_job(&bench, "*", "2-0", "not seen").await;
    assert_eq!(letters.drop_all(&seen).await.unwrap(), 1);
    assert_eq!(found(&bench, Filter::default()).await, [later.to_string()]);
}

/// Until when letters are complete, once so many are.
async fn complete(bench: &Bench, count: u64) -> Timestamp {
    eventually("the millisecond of the last letter to be over", LIMIT, || async {
        let until = letters(bench).complete_until().await.unwrap();
        let complete = Filter { until: Some(until), ..Filter::default() };
        let found = letters(bench).count(&complete).await.unwrap();
        if found == count { Ok(until) } else { Err(format!("{found} are")) }
    })
    .await
}

#[tokio::test]
async fn a_replay_writes_nothing_if_any_of_it_is_not_possible() {
    let bench = Bench::start().await;
    let letter = dead_job(&bench, "9-1", "5-0", "no").await;
    let code = || async {
        match letters(&bench).replay(letter).await {
            Err(Error::Redis(error)) => error.code().unwrap_or_default().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    bench.run::<()>(&["ACL", "SETUSER", "default", "-xdel"]).await;
    assert_eq!(code().await, "NOPERM");
    bench.run::<()>(&["ACL", "SETUSER", "default", "+xdel"]).await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(code().await, "OOM");
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(bench.run::<u64>(&["EXISTS", STREAM]).await, 0);
    bench.run::<()>(&["SET", STREAM, "text"]).await;
    assert_eq!(code().await, "WRONGTYPE");
    assert_eq!(bench.run::<u64>(&["XLEN", DEAD]).await, 1);
    bench.run::<u64>(&["DEL", STREAM]).await;
    assert!(letters(&bench).replay(letter).await.unwrap().is_some());
    bench.run::<()>(&["SET", DEAD, "text"]).await;
    assert_eq!(code().await, "WRONGTYPE");
    assert!(letters(&bench).list(None, 1, &Filter::default()).await.is_err());
}
