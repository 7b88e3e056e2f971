//! What settles an entry otherwise: acknowledgements, postponements and rejections, and the fence before all of them.

use super::{super::reasons, ATTEMPTS, Answer, Consumer, DEAD, Entry, LEASE, RETRY, Writes};
use crate::harness::{Bench, GROUP, STREAM};

const VIEW: &str = "view:{t}";

/// What the three scripts that are fenced by delivery answer: commit, postpone, reject.
async fn answers(consumer: Consumer<'_>, id: &str, deliveries: u64) -> [Answer<i64>; 3] {
    let commit = consumer.commit(&[Entry(id, deliveries, 0, Writes::set(VIEW, "a", "b"))]).await;
    [
        commit.map(|answers| answers[0].parse().unwrap()),
        consumer.postpone(id, deliveries, "1", "not yet").await,
        consumer.reject(id, deliveries, "never").await,
    ]
}

#[tokio::test]
async fn the_fence_lets_nobody_through_but_the_consumer_of_this_very_delivery() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let other = Consumer::new(&bench, "other");
    let refused = [Ok(0), Ok(0), Ok(0)];
    // Its second delivery.
    consumer.seize("1-0").await;
    let before = bench.owners().await;
    assert_eq!(answers(consumer, "1-0", 1).await, refused, "an earlier delivery");
    assert_eq!(answers(consumer, "1-0", 3).await, refused, "a later one");
    assert_eq!(answers(other, "1-0", 2).await, refused, "another consumer");
    assert_eq!(answers(consumer, "9-0", 1).await, refused, "not pending");
    assert_eq!(bench.owners().await, before);
    bench.run::<u8>(&["XACK", STREAM, GROUP, "2-0"]).await;
    assert_eq!(answers(consumer, "2-0", 1).await, refused, "acknowledged by hand");
    let seize = ["XCLAIM", STREAM, GROUP, "other", "0", "1-0", "RETRYCOUNT", "2"];
    bench.run::<redis::Value>(&seize).await;
    assert_eq!(answers(consumer, "1-0", 2).await, refused, "claimed away by hand, with the same count");
    assert_eq!(bench.owners().await, ["1-0 other 2"]);
    assert_eq!(bench.exist(&[VIEW, ATTEMPTS, RETRY, DEAD]).await, 0);
    bench.run::<()>(&["XGROUP", "DESTROY", STREAM, GROUP]).await;
    assert_eq!(answers(consumer, "1-0", 2).await, [(); 3].map(|()| Err("NOGROUP".into())));
}

#[tokio::test]
async fn acknowledge_settles_a_thousand_at_once() {
    let bench = Bench::holding(1000).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.full().await;
    let ids: Vec<String> = (1..=1000).map(|n| format!("{n}-0")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(consumer.acknowledge(&ids).await, Ok(1000));
    assert!(bench.owners().await.is_empty());
    assert_eq!(consumer.acknowledge(&ids).await, Ok(0), "sent twice");
}

#[tokio::test]
async fn acknowledge_is_refused_without_a_lease() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    assert_eq!(Consumer::new(&bench, "stranger").acknowledge(&["1-0"]).await, Ok(-1));
    bench.run::<u8>(&["HDEL", LEASE, "c"]).await;
    assert_eq!(consumer.acknowledge(&["1-0"]).await, Ok(-1));
    assert_eq!(bench.owners().await, ["1-0 c 1"]);
}

#[tokio::test]
async fn postpone_counts_a_failure_once_however_often_it_is_sent() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.full().await;
    assert_eq!(consumer.postpone("1-0", 1, "60000", "not yet").await, Ok(1));
    assert_eq!(consumer.postpone("2-0", 1, "1", "not yet").await, Ok(1));
    assert_eq!(consumer.postpone("1-0", 1, "60000", "not yet").await, Ok(0));
    assert_eq!(bench.failures("1-0").await, (1, vec!["not yet".to_owned()]));
    let due = bench.due().await;
    assert_eq!(due.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["2-0", "1-0"]);
    assert!((due[1].1 - due[0].1 - 59_999.0).abs() < 5_000.0, "{due:?}");
    assert_eq!(bench.owners().await, ["1-0 waiting 1", "2-0 waiting 1"]);
}

#[tokio::test]
async fn postpone_keeps_the_last_ten_failures_and_counts_all() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    for attempt in 1..=12 {
        assert_eq!(consumer.postpone("1-0", attempt, "1", &format!("no {attempt}")).await, Ok(1));
        consumer.seize("1-0").await;
    }
    let last_ten: Vec<String> = (3..=12).map(|attempt| format!("no {attempt}")).collect();
    assert_eq!(bench.failures("1-0").await, (12, last_ten));
    let known: String = bench.run(&["HGET", ATTEMPTS, "1-0"]).await;
    let known: serde_json::Value = serde_json::from_str(&known).unwrap();
    assert_eq!(known["history"][0]["consumer"], "c");
    assert!((known["history"][9]["at"].as_f64().unwrap() - bench.time().await).abs() < 60_000.0, "{known}");
}

/// redis#10756.
#[tokio::test]
async fn postpone_says_that_the_entry_was_deleted_and_forgets_it() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    consumer.postpone("1-0", 1, "1", "not yet").await.unwrap();
    consumer.seize("1-0").await;
    bench.run::<u8>(&["XDEL", STREAM, "1-0"]).await;
    assert_eq!(consumer.postpone("1-0", 2, "1", "not yet").await, Ok(-1));
    assert_eq!(consumer.postpone("1-0", 2, "1", "not yet").await, Ok(0));
    assert_eq!(bench.owners().await, ["2-0 c 1"]);
    assert_eq!(bench.exist(&[ATTEMPTS]).await, 0);
}

#[tokio::test]
async fn postpone_and_reject_write_nothing_if_any_of_it_cannot_be_written() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    for (key, fails) in [(ATTEMPTS, [true, true]), (RETRY, [true, false]), (DEAD, [false, true])] {
        bench.run::<()>(&["SET", key, "text"]).await;
        if fails[0] {
            assert_eq!(consumer.postpone("1-0", 1, "1", "why").await, Err("WRONGTYPE".into()), "{key}");
        }
        if fails[1] {
            assert_eq!(consumer.reject("1-0", 1, "why").await, Err("WRONGTYPE".into()), "{key}");
        }
        bench.run::<u8>(&["DEL", key]).await;
        assert_eq!(bench.exist(&[ATTEMPTS, RETRY, DEAD]).await, 0);
    }
    for (command, fails) in
        [("zadd", [true, false]), ("hset", [true, false]), ("xadd", [false, true]), ("xack", [false, true])]
    {
        bench.permit(&[&format!("-{command}")]).await;
        if fails[0] {
            assert_eq!(consumer.postpone("1-0", 1, "1", "why").await, Err("NOPERM".into()), "{command}");
        }
        if fails[1] {
            assert_eq!(consumer.reject("1-0", 1, "why").await, Err("NOPERM".into()), "{command}");
        }
        bench.permit(&[&format!("+{command}")]).await;
        assert_eq!(bench.exist(&[ATTEMPTS, RETRY, DEAD]).await, 0);
    }
    assert_eq!(bench.owners().await, ["1-0 c 1"]);
}

#[tokio::test]
async fn reject_tells_where_a_letter_came_from_and_why_it_is_one() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.full().await;
    consumer.postpone("2-0", 1, "1", "not yet").await.unwrap();
    consumer.seize("2-0").await;
    assert_eq!(consumer.reject("2-0", 2, "never").await, Ok(1));
    assert_eq!(consumer.reject("2-0", 2, "never").await, Ok(0), "sent twice");
    let letters = bench.letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0][..7], ["origin", "2-0", "reason", "never", "attempts", "2", "history"]);
    assert_eq!(reasons(&serde_json::from_str(&letters[0][7]).unwrap()), ["not yet", "never"]);
    assert_eq!(letters[0][8..], ["n", "2"]);
    assert_eq!(bench.owners().await, ["1-0 c 1"]);
    assert_eq!(bench.exist(&[ATTEMPTS]).await, 0);
}

#[tokio::test]
async fn reject_keeps_what_is_known_of_an_entry_that_is_gone() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.run::<u8>(&["XDEL", STREAM, "1-0"]).await;
    assert_eq!(consumer.reject("1-0", 1, "never").await, Ok(1));
    let letters = bench.letters().await;
    assert_eq!(letters[0][..6], ["origin", "1-0", "reason", "never", "attempts", "1"]);
    assert_eq!(letters[0].len(), 8);
    assert!(bench.owners().await.is_empty());
}

#[tokio::test]
async fn reject_keeps_the_first_origin_of_a_replayed_letter_and_not_for_whom_it_was_replayed() {
    let bench = Bench::start().await;
    let replayed = ["XADD", STREAM, "7-0", "n", "7", "origin", "1-0", "replay_for", GROUP, "m", "8"];
    bench.run::<String>(&replayed).await;
    let consumer = Consumer::reading(&bench, "c").await;
    assert_eq!(consumer.reject("7-0", 1, "again").await, Ok(1));
    let letters = bench.letters().await;
    assert_eq!(letters[0][..2], ["origin", "1-0"]);
    assert_eq!(letters[0][8..], ["n", "7", "m", "8"]);
}

#[tokio::test]
async fn reject_keeps_an_entry_of_very_many_fields_as_json() {
    let bench = Bench::start().await;
    for (id, fields) in [("1-0", 2500), ("2-0", 2501)] {
        let mut append = redis_kit::cmd("XADD");
        append.arg(STREAM).arg(id);
        for n in 0..fields {
            append.arg(n).arg("x");
        }
        append.exec_async(&mut bench.commands()).await.unwrap();
    }
    let consumer = Consumer::reading(&bench, "c").await;
    assert_eq!(consumer.reject("1-0", 1, "never").await, Ok(1));
    assert_eq!(consumer.reject("2-0", 1, "never").await, Ok(1));
    let letters = bench.letters().await;
    assert_eq!(letters[0].len(), 8 + 5000);
    assert_eq!((letters[1].len(), letters[1][8].as_str()), (10, "fields"));
    let fields: Vec<String> = serde_json::from_str(&letters[1][9]).unwrap();
    assert_eq!((fields.len(), fields[5000].as_str()), (5002, "2500"));
}
