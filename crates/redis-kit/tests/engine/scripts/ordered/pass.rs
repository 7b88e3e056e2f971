//! Passing entries, and failing to.

use super::{
    super::reasons,
    ATTEMPTS,
    Became::{self, Applied, PassedWith, Rejected},
    DEAD, Entry, Instance, LEASE, Writes,
};
use crate::harness::{Bench, GROUP, STREAM};

const VIEW: &str = "view:{t}";

fn set(value: &str) -> Became<'static> {
    Applied(Writes::set(VIEW, "status", value))
}

fn append() -> Became<'static> {
    Applied(Writes::append("out:{t}", 1))
}

async fn status(bench: &Bench) -> Option<String> {
    bench.run(&["HGET", VIEW, "status"]).await
}

fn at(cursor: &str) -> (String, String) {
    (cursor.into(), String::new())
}

fn stopped(cursor: &str, code: &str) -> (String, String) {
    (cursor.into(), code.into())
}

/// Entries `1-0`, `2-0`… and `a`, who holds the partition.
async fn appended(bench: &Bench, count: usize) -> Instance<'_> {
    bench.appended(count).await;
    Instance::holding(bench, "a").await
}

#[tokio::test]
async fn passing_applies_and_moves_the_cursor() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 3).await;
    bench.full().await;
    let entries = [Entry("1-0", 0, append()), Entry("2-0", 0, append())];
    assert_eq!(holder.pass("0-0", &entries).await.unwrap(), Some(at("2-0")));
    assert_eq!((bench.cursor().await.as_str(), bench.pending().await.len()), ("2-0", 0));
    assert_eq!(bench.run::<usize>(&["XLEN", "out:{t}"]).await, 2);
}

#[tokio::test]
async fn sent_twice_it_is_applied_once() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 2).await;
    let entries = || [Entry("1-0", 0, append()), Entry("2-0", 0, Rejected("never"))];
    assert_eq!(holder.pass("0-0", &entries()).await.unwrap(), Some(at("2-0")));
    assert_eq!(holder.pass("0-0", &entries()).await.unwrap(), Some(at("2-0")));
    assert_eq!((bench.run::<usize>(&["XLEN", "out:{t}"]).await, bench.letters().await.len()), (1, 1));
}

#[tokio::test]
async fn nothing_is_applied_if_the_cursor_was_moved() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 3).await;
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, "2-0"]).await;
    assert_eq!(holder.pass("0-0", &[Entry("1-0", 0, set("new"))]).await.unwrap(), Some(at("2-0")));
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, "0"]).await;
    assert_eq!(holder.pass("2-0", &[Entry("3-0", 0, set("new"))]).await.unwrap(), Some(at("0-0")));
    assert_eq!(status(&bench).await, None);
}

/// As after a failover to a node that had not got the end of the stream.
#[tokio::test]
async fn nothing_is_applied_of_entries_that_redis_has_lost() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 2).await;
    bench.run::<u8>(&["XDEL", STREAM, "2-0"]).await;
    let entries = || [Entry("1-0", 0, set("new")), Entry("2-0", 0, set("newer"))];
    assert_eq!(holder.pass("0-0", &entries()).await.unwrap(), Some(at("0-0")));
    assert_eq!(status(&bench).await, None);
    assert_eq!(holder.pass("0-0", &entries()[..1]).await.unwrap(), Some(at("1-0")));
}

#[tokio::test]
async fn nobody_passes_or_fails_anything_but_the_holder_by_its_fence() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 1).await;
    for other in [holder.by_fence("0"), holder.by_fence("2"), Instance { name: "b", ..holder }] {
        assert_eq!(other.pass("0-0", &[Entry("1-0", 0, set("new"))]).await, Ok(None));
        assert_eq!(other.fail("1-0", "not yet", 0).await, Ok(None));
    }
    bench.run::<u8>(&["HDEL", LEASE, "holder"]).await;
    assert_eq!(holder.pass("0-0", &[Entry("1-0", 0, set("new"))]).await, Ok(None));
    assert_eq!((status(&bench).await, bench.exist(&[ATTEMPTS]).await), (None, 0));
}

/// Nobody waits for the disk then, and what was published since is published again after a crash.
#[tokio::test]
async fn a_cursor_moved_in_memory_alone_is_kept_with_the_next_that_is_kept() {
    let mut bench = Bench::durable().await;
    appended(&bench, 3).await;
    let news = || Applied(Writes::none().and_publish("news"));
    for (kept, then) in [(false, "0-0"), (true, "2-0")] {
        let holder = Instance::new(&bench, "a").by_fence("1");
        assert_eq!(holder.pass_in_memory("0-0", &[Entry("1-0", 0, news())]).await.unwrap(), Some(at("1-0")));
        assert_eq!(holder.pass_in_memory("1-0", &[Entry("2-0", 0, news())]).await.unwrap(), Some(at("2-0")));
        assert_eq!((bench.cursor().await.as_str(), bench.lag().await), ("2-0", Some(1)));
        if kept {
            assert_eq!(holder.pass("2-0", &[]).await.unwrap(), Some(at("2-0")));
        }
        bench.crash().await;
        bench.restart().await;
        assert_eq!(bench.cursor().await, then);
    }
    assert_eq!(bench.lag().await, Some(1));
}

/// Something else is wrong, but what was passed before is passed.
#[tokio::test]
async fn a_cursor_is_kept_even_if_the_next_entry_cannot_be_passed() {
    let mut bench = Bench::durable().await;
    appended(&bench, 2).await;
    let holder = Instance::new(&bench, "a").by_fence("1");
    let news = Applied(Writes::none().and_publish("news"));
    assert_eq!(holder.pass_in_memory("0-0", &[Entry("1-0", 0, news)]).await.unwrap(), Some(at("1-0")));
    bench.run::<()>(&["SET", "text:{t}", "text"]).await;
    let wrong = Applied(Writes::set("text:{t}", "a", "b"));
    assert_eq!(
        holder.pass("1-0", &[Entry("2-0", 1, wrong)]).await.unwrap(),
        Some(stopped("1-0", "WRONGTYPE"))
    );
    bench.crash().await;
    bench.restart().await;
    assert_eq!(bench.cursor().await, "1-0");
}

#[tokio::test]
async fn without_its_group_the_call_fails() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 1).await;
    bench.run::<()>(&["XGROUP", "DESTROY", STREAM, GROUP]).await;
    assert_eq!(holder.pass("0-0", &[Entry("1-0", 0, set("new"))]).await, Err("NOGROUP".into()));
    assert_eq!(status(&bench).await, None);
}

#[tokio::test]
async fn passing_ends_at_the_first_entry_that_cannot_be_applied() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 4).await;
    bench.run::<()>(&["SET", "text:{t}", "text"]).await;
    let wrong = Writes::set("half:{t}", "a", "b").and("set", Some("text:{t}"), ["a", "b"]);
    let entries = [
        Entry("1-0", 0, append()),
        Entry("2-0", 0, append()),
        Entry("3-0", 0, Applied(wrong)),
        Entry("4-0", 0, append()),
    ];
    assert_eq!(holder.pass("0-0", &entries).await.unwrap(), Some(stopped("2-0", "WRONGTYPE")));
    assert_eq!((bench.cursor().await.as_str(), bench.lag().await), ("2-0", Some(2)));
    assert_eq!(bench.run::<usize>(&["XLEN", "out:{t}"]).await, 2);
    assert_eq!(bench.exist(&["half:{t}"]).await, 0);
    let too_many = [Entry("3-0", 0, Applied(Writes::append("out:{t}", 3501)))];
    assert_eq!(holder.pass("2-0", &too_many).await.unwrap(), Some(stopped("2-0", "ERR")));
}

#[tokio::test]
async fn nothing_is_written_if_the_groups_own_keys_cannot_be() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 2).await;
    let entries = || [Entry("1-0", 0, set("new")), Entry("2-0", 0, Rejected("never"))];
    bench.run::<()>(&["SET", ATTEMPTS, "text"]).await;
    assert_eq!(holder.pass("0-0", &entries()).await.unwrap(), Some(stopped("0-0", "WRONGTYPE")));
    assert_eq!(holder.fail("1-0", "not yet", 0).await, Err("WRONGTYPE".into()));
    bench.run::<u8>(&["DEL", ATTEMPTS]).await;
    for command in ["xgroup", "hdel"] {
        bench.permit(&[&format!("-{command}")]).await;
        assert_eq!(
            holder.pass("0-0", &entries()).await.unwrap(),
            Some(stopped("0-0", "NOPERM")),
            "{command}"
        );
        bench.permit(&[&format!("+{command}")]).await;
    }
    assert_eq!(status(&bench).await, None);
    assert_eq!((bench.cursor().await.as_str(), bench.exist(&[DEAD, VIEW, ATTEMPTS]).await), ("0-0", 0));
}

#[tokio::test]
async fn dead_letters_that_cannot_be_written_stop_only_what_is_to_become_one() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 2).await;
    bench.run::<()>(&["SET", DEAD, "text"]).await;
    let entries = [Entry("1-0", 0, set("new")), Entry("2-0", 0, Rejected("never"))];
    assert_eq!(holder.pass("0-0", &entries).await.unwrap(), Some(stopped("1-0", "WRONGTYPE")));
    assert_eq!(status(&bench).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_rejected_entry_is_a_dead_letter_with_its_history() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 2).await;
    bench.full().await;
    assert_eq!(holder.fail("1-0", "not yet", 0).await, Ok(Some(1)));
    let entries = [Entry("1-0", 1, Rejected("never")), Entry("2-0", 0, append())];
    assert_eq!(holder.pass("0-0", &entries).await.unwrap(), Some(at("2-0")));
    let letters = bench.letters().await;
    assert_eq!(letters[0][..7], ["origin", "1-0", "reason", "never", "attempts", "2", "history"]);
    assert_eq!(reasons(&serde_json::from_str(&letters[0][7]).unwrap()), ["not yet", "never"]);
    assert_eq!(letters[0][8..], ["n", "1"]);
    assert_eq!(bench.exist(&[ATTEMPTS]).await, 0);
}

#[tokio::test]
async fn a_failure_is_counted_once_however_often_it_is_sent() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 1).await;
    bench.full().await;
    for failed in [0, 0, 1, 0, 1] {
        assert_eq!(holder.fail("1-0", &format!("no {failed}"), failed).await, Ok(Some(1)));
    }
    assert_eq!(bench.failures("1-0").await, (2, vec!["no 0".to_owned(), "no 1".into()]));
    assert_eq!(holder.pass("0-0", &[Entry("1-0", 2, append())]).await.unwrap(), Some(at("1-0")));
    assert_eq!(bench.exist(&[ATTEMPTS]).await, 0);
}

/// redis#13337: Redis counts what a group has read only for `XREADGROUP`.
#[tokio::test]
async fn the_lag_is_known_after_every_step() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 3).await;
    assert_eq!(bench.lag().await, Some(3));
    for (cursor, next, lag) in [("0-0", "1-0", 2), ("1-0", "2-0", 1), ("2-0", "3-0", 0)] {
        assert_eq!(holder.pass(cursor, &[Entry(next, 0, append())]).await.unwrap(), Some(at(next)));
        assert_eq!(bench.lag().await, Some(lag), "behind {next}");
    }
    bench.appended_after(3, 1).await;
    assert_eq!(bench.lag().await, Some(1));
}

#[tokio::test]
async fn entries_for_which_nothing_is_written_are_passed_together_and_counted_one_by_one() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 6).await;
    let entries = [
        Entry("3-0", 0, PassedWith(2)),
        Entry("4-0", 0, append()),
        Entry("5-0", 0, Applied(Writes::append("out:{t}", 3501))),
    ];
    assert_eq!(holder.pass("0-0", &entries).await.unwrap(), Some(stopped("4-0", "ERR")));
    assert_eq!((bench.cursor().await.as_str(), bench.lag().await), ("4-0", Some(2)));
    assert_eq!(holder.pass("4-0", &[Entry("5-0", 0, PassedWith(0))]).await.unwrap(), Some(at("5-0")));
    assert_eq!(bench.lag().await, Some(1));
}

/// The same: after a deletion Redis does not know it, and says so.
#[tokio::test]
async fn a_lag_that_was_unknown_is_known_again_once_the_group_has_caught_up() {
    let bench = Bench::start().await;
    let holder = appended(&bench, 4).await;
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, "1-0"]).await;
    bench.run::<u8>(&["XDEL", STREAM, "3-0"]).await;
    assert_eq!(holder.pass("1-0", &[Entry("2-0", 0, append())]).await.unwrap(), Some(at("2-0")));
    assert_eq!(bench.lag().await, None);
    assert_eq!(holder.pass("2-0", &[Entry("4-0", 0, append())]).await.unwrap(), Some(at("4-0")));
    assert_eq!(bench.lag().await, Some(0));
    bench.appended_after(4, 2).await;
    assert_eq!(holder.pass("4-0", &[Entry("5-0", 0, append())]).await.unwrap(), Some(at("5-0")));
    assert_eq!(bench.lag().await, Some(1));
}
