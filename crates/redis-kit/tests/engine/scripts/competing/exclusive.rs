//! Attempts at exclusive work: one at a time, and the outcome of the latest counts.

use std::collections::HashMap;

use redis::FromRedisValue;

use super::{Answer, BEGIN, Consumer, Entry, RETRY, WAITING, Writes};
use crate::harness::{Bench, STREAM};

const RECORD: &str = "work:{t}";
const LOCK: &str = "lock:work:{t}";
const OUT: &str = "out:{t}";

/// What `begin.lua` answers: the word, and what comes with it.
type Begun = (String, Vec<redis::Value>);

/// Appends one entry to [`OUT`], if the attempt is the latest.
fn by(token: &str) -> Writes {
    let writes = Writes { token: Some(token.into()), ..Writes::append(OUT, 1) };
    Writes { keys: [vec![RECORD.into(), LOCK.into()], writes.keys].concat(), ..writes }
}

impl Consumer<'_> {
    async fn begin(self, id: &str, deliveries: u64) -> Answer<Begun> {
        self.begin_in(id, deliveries, &["", "begun"]).await
    }

    async fn begin_in(self, id: &str, deliveries: u64, states: &[&str]) -> Answer<Begun> {
        let count = states.len().to_string();
        let fixed = [id, &deliveries.to_string(), super::AN_HOUR, &count];
        let args = [&fixed, states, &["2", "state", "begun"]].concat();
        let keys = [STREAM, super::ATTEMPTS, RECORD, LOCK];
        let mut replies: Vec<Vec<redis::Value>> = self.call(&BEGIN, &keys, &args).await?;
        let mut parts = replies.remove(0);
        let word = String::from_redis_value(parts.remove(0)).unwrap();
        if word == "error" {
            let text = String::from_redis_value_ref(&parts[0]).unwrap();
            return Err(text.split(' ').next().unwrap_or_default().to_owned());
        }
        Ok((word, parts))
    }

    async fn has_begun(self, id: &str, deliveries: u64) -> String {
        let (word, parts) = self.begin(id, deliveries).await.unwrap();
        assert_eq!(word, "begun");
        String::from_redis_value_ref(&parts[0]).unwrap()
    }
}

impl Bench {
    async fn record(&self) -> HashMap<String, String> {
        self.run(&["HGETALL", RECORD]).await
    }

    /// As if the lock's time had run out.
    async fn lock_expires(&self) {
        assert_eq!(self.run::<u8>(&["DEL", LOCK]).await, 1);
    }

    async fn outputs(&self) -> usize {
        self.run(&["XLEN", OUT]).await
    }
}

#[tokio::test]
async fn an_attempt_is_on_record_before_it_is_made() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    assert_eq!(consumer.has_begun("1-0", 1).await, "1");
    let record = bench.record().await;
    assert_eq!(record["first_attempt_at"], record["attempt_at"]);
    for (field, value) in [("fence", "1"), ("attempts", "1"), ("attempt_by", "c"), ("state", "begun")] {
        assert_eq!(record[field], value, "{field}");
    }
}

#[tokio::test]
async fn several_begin_together_and_each_by_itself() {
    let bench = Bench::holding(4).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.run::<u8>(&["SADD", "other:{t}", "x"]).await;
    let work = |record, lock, id| {
        ([record, lock], [id, "1", super::AN_HOUR, "2", "", "begun", "2", "state", "begun"])
    };
    let works = [
        work(RECORD, LOCK, "1-0"),
        work("other:{t}", "lock:other:{t}", "2-0"),
        work(RECORD, LOCK, "3-0"),
        work("third:{t}", "lock:third:{t}", "4-0"),
    ];
    let keys = works.iter().flat_map(|(keys, _)| keys.iter().copied());
    let keys: Vec<&str> = [STREAM, super::ATTEMPTS].into_iter().chain(keys).collect();
    let args: Vec<&str> = works.iter().flat_map(|(_, args)| args.iter().copied()).collect();
    let replies: Vec<Vec<redis::Value>> = consumer.call(&BEGIN, &keys, &args).await.unwrap();
    let answers: Vec<String> =
        replies.iter().map(|parts| String::from_redis_value_ref(&parts[0]).unwrap()).collect();
    assert_eq!(answers, ["begun", "error", "busy", "begun"]);
    assert_eq!(bench.exist(&[RECORD, LOCK, "lock:other:{t}", "third:{t}", "lock:third:{t}"]).await, 4);
}

#[tokio::test]
async fn a_second_attempt_cannot_begin_while_the_first_has_the_lock() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    consumer.has_begun("1-0", 1).await;
    let before = bench.record().await;
    let (word, parts) = consumer.begin("2-0", 1).await.unwrap();
    let free_in = i64::from_redis_value_ref(&parts[0]).unwrap();
    assert_eq!((word.as_str(), bench.record().await), ("busy", before));
    assert!((1..=3_600_000).contains(&free_in), "{free_in}");
}

/// The answer to the first was lost.
#[tokio::test]
async fn the_same_delivery_begins_again_at_once_and_what_it_was_given_before_is_void() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let lost = consumer.has_begun("1-0", 1).await;
    let token = consumer.has_begun("1-0", 1).await;
    assert_eq!(consumer.commit(&[Entry("1-0", 1, 0, by(&lost))]).await.unwrap(), ["FENCED"]);
    assert_eq!(consumer.commit(&[Entry("1-0", 1, 0, by(&token))]).await.unwrap(), ["1"]);
    assert_eq!((bench.outputs().await, bench.exist(&[LOCK]).await), (1, 0));
}

#[tokio::test]
async fn the_lock_has_an_end_and_the_next_attempt_counts_on() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    consumer.has_begun("1-0", 1).await;
    let first = bench.record().await;
    bench.lock_expires().await;
    assert_eq!(consumer.has_begun("2-0", 1).await, "2");
    let second = bench.record().await;
    assert_eq!((&*second["attempts"], &second["first_attempt_at"]), ("2", &first["first_attempt_at"]));
    assert!(bench.run::<i64>(&["PTTL", LOCK]).await > 0);
}

#[tokio::test]
async fn what_is_not_this_consumers_any_more_does_not_begin() {
    let bench = Bench::holding(1).await;
    let (one, other) = (Consumer::reading(&bench, "c").await, Consumer::new(&bench, "d"));
    other.seize("1-0").await;
    assert_eq!(one.begin("1-0", 1).await.unwrap().0, "lost");
    assert_eq!(other.begin("1-0", 1).await.unwrap().0, "lost", "it was delivered twice");
    assert_eq!(bench.exist(&[RECORD, LOCK]).await, 0);
}

#[tokio::test]
async fn work_in_another_state_does_not_begin_and_nothing_changes() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.run::<u8>(&["HSET", RECORD, "state", "done"]).await;
    let (word, parts) = consumer.begin("1-0", 1).await.unwrap();
    let record: HashMap<String, String> = FromRedisValue::from_redis_value_ref(&parts[0]).unwrap();
    let expected = HashMap::from([("state".to_owned(), "done".to_owned())]);
    assert_eq!((word.as_str(), &record), ("state", &expected));
    assert_eq!((bench.record().await, bench.exist(&[LOCK]).await), (expected, 0));
}

#[tokio::test]
async fn the_outcome_is_applied_once_and_frees_the_lock() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let token = consumer.has_begun("1-0", 1).await;
    for answer in ["1", "0"] {
        assert_eq!(consumer.commit(&[Entry("1-0", 1, 0, by(&token))]).await.unwrap(), [answer]);
    }
    assert_eq!((bench.outputs().await, bench.exist(&[LOCK]).await), (1, 0));
    assert!(bench.owners().await.is_empty());
}

/// A process that was stopped for longer than the lock's time.
#[tokio::test]
async fn an_outcome_after_another_attempt_has_begun_is_refused() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let first = consumer.has_begun("1-0", 1).await;
    bench.lock_expires().await;
    let second = consumer.has_begun("2-0", 1).await;
    assert_eq!(consumer.commit(&[Entry("1-0", 1, 0, by(&first))]).await.unwrap(), ["FENCED"]);
    assert_eq!((bench.outputs().await, bench.exist(&[LOCK]).await), (0, 1), "the lock is the second's");
    assert_eq!(consumer.commit(&[Entry("2-0", 1, 0, by(&second))]).await.unwrap(), ["1"]);
    assert_eq!((bench.outputs().await, bench.owners().await), (1, vec!["1-0 c 1".to_owned()]));
}

#[tokio::test]
async fn an_outcome_counts_although_the_lock_has_run_out() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let token = consumer.has_begun("1-0", 1).await;
    bench.lock_expires().await;
    assert_eq!(consumer.commit(&[Entry("1-0", 1, 0, by(&token))]).await.unwrap(), ["1"]);
    assert_eq!(bench.outputs().await, 1);
}

#[tokio::test]
async fn an_outcome_counts_although_the_entry_is_anothers_by_now() {
    let bench = Bench::holding(1).await;
    let (one, other) = (Consumer::reading(&bench, "c").await, Consumer::new(&bench, "d"));
    let token = one.has_begun("1-0", 1).await;
    other.seize("1-0").await;
    assert_eq!(one.commit(&[Entry("1-0", 1, 0, by(&token))]).await.unwrap(), ["1"]);
    assert!(bench.owners().await.is_empty(), "acknowledged for whoever has it");
    assert_eq!(other.begin("1-0", 2).await.unwrap().0, "lost");
    assert_eq!(bench.outputs().await, 1);
}

#[tokio::test]
async fn an_outcome_counts_although_the_entry_is_waiting_for_another_try() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let token = consumer.has_begun("1-0", 1).await;
    assert_eq!(consumer.postpone("1-0", 1, super::AN_HOUR, "slow").await, Ok(1));
    assert_eq!(bench.owners().await, [format!("1-0 {WAITING} 1")]);
    assert_eq!(consumer.commit(&[Entry("1-0", 1, 0, by(&token))]).await.unwrap(), ["1"]);
    assert!(bench.owners().await.is_empty());
    assert_eq!(bench.exist(&[RETRY, super::ATTEMPTS]).await, 0);
}

/// An asynchronous replica that took over before it had heard of the last attempt gives the same token once more.
#[tokio::test]
async fn after_the_fence_went_back_only_the_later_attempt_counts() {
    let bench = Bench::holding(2).await;
    let (one, other) = (Consumer::reading(&bench, "c").await, Consumer::new(&bench, "d"));
    let lost = one.has_begun("1-0", 1).await;
    bench.run::<u8>(&["DEL", RECORD, LOCK]).await;
    other.seize("2-0").await;
    let token = other.has_begun("2-0", 2).await;
    assert_eq!(lost, token);
    assert_eq!(one.commit(&[Entry("1-0", 1, 0, by(&lost))]).await.unwrap(), ["FENCED"]);
    assert_eq!(other.commit(&[Entry("2-0", 2, 0, by(&token))]).await.unwrap(), ["1"]);
    assert_eq!(bench.outputs().await, 1);
}

#[tokio::test]
async fn a_failed_attempt_is_told_of_and_frees_the_lock() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let token = consumer.has_begun("1-0", 1).await;
    assert_eq!(consumer.postpone_with("1-0", 1, "1", "no answer", by(&token)).await, Ok(1));
    assert_eq!(bench.failures("1-0").await, (1, vec!["no answer".to_owned()]));
    assert_eq!((bench.outputs().await, bench.exist(&[LOCK]).await), (1, 0));
    assert_eq!(consumer.postpone_with("1-0", 1, "1", "no answer", by(&token)).await, Ok(0));
    assert_eq!(bench.outputs().await, 1);
}

#[tokio::test]
async fn a_failed_attempt_that_was_overtaken_has_nothing_to_tell() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let first = consumer.has_begun("1-0", 1).await;
    bench.lock_expires().await;
    consumer.has_begun("2-0", 1).await;
    assert_eq!(consumer.postpone_with("1-0", 1, "1", "no answer", by(&first)).await, Ok(1));
    assert_eq!(bench.failures("1-0").await.0, 1);
    assert_eq!((bench.outputs().await, bench.exist(&[LOCK]).await), (0, 1));
}

#[tokio::test]
async fn a_record_or_a_lock_of_another_type_is_refused_before_anything_is_written() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    for (key, other) in [(RECORD, LOCK), (LOCK, RECORD)] {
        bench.run::<u8>(&["SADD", key, "x"]).await;
        assert_eq!(consumer.begin("1-0", 1).await.unwrap_err(), "WRONGTYPE");
        assert_eq!(bench.exist(&[other]).await, 0);
        bench.run::<u8>(&["DEL", key]).await;
    }
    let token = consumer.has_begun("1-0", 1).await;
    bench.lock_expires().await;
    bench.run::<u8>(&["SADD", LOCK, "x"]).await;
    assert_eq!(consumer.commit(&[Entry("1-0", 1, 0, by(&token))]).await.unwrap(), ["WRONGTYPE"]);
    assert_eq!(bench.outputs().await, 0);
}

#[tokio::test]
async fn a_full_redis_takes_an_attempt_and_its_outcome() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.full().await;
    let token = consumer.has_begun("1-0", 1).await;
    assert_eq!(consumer.commit(&[Entry("1-0", 1, 0, by(&token))]).await.unwrap(), ["1"]);
}
