//! Entries that wait for whoever asks first, and entries whose reply was lost.

use super::{AN_HOUR, ATTEMPTS, Consumer, LEASE, RETRY, ageless, ids};
use crate::harness::{Bench, GROUP, STREAM};

/// So many entries that a consumer left behind, and another.
async fn left_behind(bench: &Bench, count: usize) -> Consumer<'_> {
    bench.appended(count).await;
    let former = Consumer::reading(bench, "former").await;
    former.leave(count + 1).await.unwrap();
    let consumer = Consumer::new(bench, "c");
    consumer.join().await.unwrap();
    consumer
}

#[tokio::test]
async fn claim_takes_what_is_due_first_up_to_its_limit_and_nothing_that_is_not_due() {
    let bench = Bench::start().await;
    let consumer = left_behind(&bench, 4).await;
    bench.run::<u8>(&["ZADD", RETRY, "9e15", "1-0", "30", "2-0", "20", "3-0", "10", "4-0"]).await;
    bench.run::<u8>(&["HSET", ATTEMPTS, "4-0", r#"{"failed":7}"#]).await;
    bench.full().await;
    let (claimed, lost, pending) = consumer.claim(2).await.unwrap().unwrap();
    assert_eq!(ageless(&claimed[0]), ("4-0", ["n".to_owned(), "4".into()].as_slice(), r#"{"failed":7}"#, 2));
    assert_eq!(ageless(&claimed[1]), ("3-0", ["n".to_owned(), "3".into()].as_slice(), "", 2));
    assert_eq!((claimed.len(), lost.len(), pending), (2, 0, 2));
    let (claimed, _, pending) = consumer.claim(2).await.unwrap().unwrap();
    assert_eq!((ids(&claimed), pending), (vec!["2-0"], 3));
    assert_eq!(consumer.claim(2).await.unwrap().unwrap(), (vec![], vec![], 3));
    assert_eq!(bench.owners().await, ["1-0 waiting 1", "2-0 c 2", "3-0 c 2", "4-0 c 2"]);
}

#[tokio::test]
async fn an_entry_is_as_old_as_its_first_delivery_through_whatever_hands_it_goes() {
    const AGE: u64 = 1_000_000;
    let bench = Bench::holding(1).await;
    let [first, second] = ["first", "second"].map(|name| Consumer::new(&bench, name));
    first.join().await.unwrap();
    second.join().await.unwrap();
    first.read().await;
    let age = ["XCLAIM", STREAM, GROUP, "first", "0", "1-0", "IDLE", &AGE.to_string(), "JUSTID"];
    bench.run::<redis::Value>(&age).await;
    let is_as_old = |found: &[super::Found]| matches!(found, [(.., age)] if (AGE..2 * AGE).contains(age));

    // Its reply was lost.
    assert!(is_as_old(&first.strays(1, &[]).await.unwrap().0));
    first.postpone("1-0", 1, "1", "not yet").await.unwrap();
    bench.run::<u8>(&["ZADD", RETRY, "1", "1-0"]).await;
    assert!(is_as_old(&second.claim(1).await.unwrap().unwrap().0));
    // The consumer leaves, and the next one dies.
    second.leave(9).await.unwrap();
    assert!(is_as_old(&first.claim(1).await.unwrap().unwrap().0));
    first.expire().await;
    let third = Consumer::new(&bench, "third");
    third.join().await.unwrap();
    third.reap(9, AN_HOUR).await.unwrap();
    assert!(is_as_old(&third.claim(1).await.unwrap().unwrap().0));
}

#[tokio::test]
async fn claim_gives_each_entry_to_one_consumer() {
    let bench = Bench::start().await;
    let consumer = left_behind(&bench, 3).await;
    let other = Consumer::new(&bench, "other");
    other.join().await.unwrap();
    let (mine, ..) = consumer.claim(2).await.unwrap().unwrap();
    let (others, ..) = other.claim(9).await.unwrap().unwrap();
    assert_eq!((ids(&mine), ids(&others)), (vec!["1-0", "2-0"], vec!["3-0"]));
}

/// redis#10756: what was deleted stays pending.
#[tokio::test]
async fn claim_reports_each_lost_entry_once_and_forgets_it() {
    let bench = Bench::start().await;
    let consumer = left_behind(&bench, 3).await;
    bench.run::<u8>(&["HSET", ATTEMPTS, "2-0", r#"{"failed":7}"#]).await;
    bench.run::<u8>(&["XDEL", STREAM, "1-0", "2-0"]).await;
    let (claimed, lost, pending) = consumer.claim(9).await.unwrap().unwrap();
    assert_eq!((ids(&claimed), lost, pending), (vec!["3-0"], vec!["1-0".to_owned(), "2-0".into()], 1));
    assert_eq!(bench.owners().await, ["3-0 c 2"]);
    assert_eq!(bench.exist(&[RETRY, ATTEMPTS]).await, 0);
    assert_eq!(consumer.claim(9).await.unwrap().unwrap(), (vec![], vec![], 1));
}

#[tokio::test]
async fn claim_passes_over_what_was_acknowledged_by_hand() {
    let bench = Bench::start().await;
    let consumer = left_behind(&bench, 1).await;
    bench.run::<u8>(&["XACK", STREAM, GROUP, "1-0"]).await;
    assert_eq!(consumer.claim(9).await.unwrap().unwrap(), (vec![], vec![], 0));
    assert_eq!(bench.exist(&[RETRY]).await, 0);
}

#[tokio::test]
async fn claim_gives_nothing_to_who_has_no_lease() {
    let bench = Bench::start().await;
    let consumer = left_behind(&bench, 1).await;
    bench.run::<u8>(&["HDEL", LEASE, "c"]).await;
    assert_eq!(consumer.claim(9).await, Ok(None));
    assert_eq!(bench.owners().await, ["1-0 waiting 1"]);
}

#[tokio::test]
async fn claim_loses_nothing_if_it_is_cut_off_midway() {
    let bench = Bench::start().await;
    let consumer = left_behind(&bench, 1).await;
    for command in ["xclaim", "zrem", "hget"] {
        bench.permit(&[&format!("-{command}")]).await;
        consumer.claim(9).await.unwrap_err();
        bench.permit(&[&format!("+{command}")]).await;
    }
    let (mut found, ..) = consumer.claim(9).await.unwrap().unwrap();
    found.extend(consumer.strays(9, &[]).await.unwrap().0);
    assert!(ids(&found).contains(&"1-0"), "neither waiting nor pending on the consumer: {found:?}");
}

#[tokio::test]
async fn strays_are_what_is_pending_here_and_not_in_hand() {
    let bench = Bench::holding(4).await;
    let consumer = Consumer::reading(&bench, "c").await;
    Consumer::new(&bench, "other").seize("3-0").await;
    bench.full().await;
    let (found, lost) = consumer.strays(9, &["2-0"]).await.unwrap();
    assert_eq!((ids(&found), lost.len()), (vec!["1-0", "4-0"], 0));
    // Nobody has seen them, so that was their delivery.
    assert_eq!(ageless(&found[0]), ("1-0", ["n".to_owned(), "1".into()].as_slice(), "", 1));
    assert_eq!(bench.owners().await, ["1-0 c 1", "2-0 c 1", "3-0 other 2", "4-0 c 1"]);
    let (found, _) = consumer.strays(1, &["2-0"]).await.unwrap();
    assert_eq!(ids(&found), ["1-0"]);
}

#[tokio::test]
async fn strays_are_found_behind_a_thousand_in_hand() {
    let bench = Bench::holding(1001).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let in_hand: Vec<String> = (1..=1000).map(|n| format!("{n}-0")).collect();
    let in_hand: Vec<&str> = in_hand.iter().map(String::as_str).collect();
    let (found, _) = consumer.strays(1, &in_hand).await.unwrap();
    assert_eq!(ids(&found), ["1001-0"]);
}

/// redis#10756.
#[tokio::test]
async fn strays_that_were_deleted_are_reported_once_and_forgotten() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.run::<u8>(&["HSET", ATTEMPTS, "1-0", r#"{"failed":7}"#, "2-0", r#"{"failed":1}"#]).await;
    bench.run::<u8>(&["XDEL", STREAM, "1-0"]).await;
    let (found, lost) = consumer.strays(9, &[]).await.unwrap();
    assert_eq!(
        (ids(&found), found[0].2.as_str(), lost),
        (vec!["2-0"], r#"{"failed":1}"#, vec!["1-0".into()])
    );
    assert_eq!(consumer.strays(9, &["2-0"]).await.unwrap(), (vec![], vec![]));
    assert_eq!(bench.owners().await, ["2-0 c 1"]);
    assert_eq!(bench.run::<Vec<String>>(&["HKEYS", ATTEMPTS]).await, ["2-0"]);
}
