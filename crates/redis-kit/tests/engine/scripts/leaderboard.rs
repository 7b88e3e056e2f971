//! The scripts of leaderboards.

use std::sync::LazyLock;

use redis::{Script, Value};

use super::{Answer, call};
use crate::harness::Bench;

/// A script made of the same parts as in `leaderboard`.
macro_rules! script {
    ($($part:literal),+ $(,)?) => {
        LazyLock::new(|| Script::new(concat!(
            $(include_str!(concat!("../../../src/leaderboard/lua/", $part)), "\n"),+
        )))
    };
}

static UPDATE: LazyLock<Script> = script!("parts.lua", "sources.lua", "update.lua");
static TREND: LazyLock<Script> = script!("parts.lua", "sources.lua", "trend.lua");
static LOOK: LazyLock<Script> = script!("parts.lua", "look.lua");
static REMOVE: LazyLock<Script> = script!("remove.lua");

const CURSORS: &str = "leaderboard:{t}:cursors";
const DAY: &str = "leaderboard:{t}:day";
const ALL: &str = "leaderboard:{t}:all";
const SCORES: &str = "leaderboard:{t}:all:scores";
const METADATA: &str = "leaderboard:{t}:all:metadata";

/// Far beyond any test.
const LATE: &str = "4102444800000";

/// What is told of several members, each alone.
type Ranks = (u64, Vec<Option<f64>>, Vec<u64>, Vec<u64>, Vec<Option<String>>);

/// What a look tells.
type Found = (u64, u64, u64, u64, Vec<String>, Vec<Option<String>>);

/// What is said of a board of sums whose ties are not told apart by time, with one set of one period.
const SUMS: [&str; 6] = ["sum", "1", "0", "-100", "100", "1"];

impl Bench {
    /// Members, and the numbers by which they are sorted.
    async fn ranking(&self, key: &str) -> Vec<(String, String)> {
        self.run(&["ZRANGE", key, "0", "-1", "WITHSCORES"]).await
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(member, number)| ((*member).into(), (*number).into())).collect()
}

/// A call's arguments from parts.
fn args<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

async fn update(bench: &Bench, keys: &[&str], given: &[&str]) -> Answer<Vec<Vec<u64>>> {
    call(bench, &UPDATE, keys, given).await
}

#[tokio::test]
async fn all_periods_of_a_set_are_written_with_their_ends_and_the_cursor_moves() {
    let bench = Bench::start().await;
    let one_set = ["1", "2", LATE, LATE, "0"];
    let caller = ["1", "s", "1", "2", "05", "a", "7", "", "06", "b", "9", "Bob"];
    let given = args(&[&SUMS, &one_set, &caller]);
    assert_eq!(update(&bench, &[CURSORS, METADATA, DAY, ALL], &given).await, Ok(vec![vec![0, 2]]));
    for key in [DAY, ALL] {
        assert_eq!(bench.ranking(key).await, pairs(&[("a", "7"), ("b", "9")]));
    }
    for key in [DAY, METADATA] {
        assert_eq!(bench.run::<String>(&["PEXPIRETIME", key]).await, LATE);
    }
    assert_eq!(bench.run::<i64>(&["PEXPIRETIME", ALL]).await, -1);
    assert_eq!(bench.run::<String>(&["HGET", CURSORS, "s"]).await, "06");
    assert_eq!(bench.run::<Vec<(String, String)>>(&["HGETALL", METADATA]).await, pairs(&[("b", "Bob")]));
    // The same again is nothing new.
    assert_eq!(update(&bench, &[CURSORS, METADATA, DAY, ALL], &given).await, Ok(vec![vec![0, 0]]));
}

#[tokio::test]
async fn a_ranking_that_two_sets_share_counts_both() {
    let bench = Bench::start().await;
    let (hours, metadata) = (["hour:{t}:1", "hour:{t}:2"], "metadata:{t}");
    let keys = [CURSORS, metadata, hours[0], DAY, metadata, hours[1], DAY];
    let given = args(&[
        &SUMS,
        &["2", "2", "0", "0", "0", "0", "0", "0"],
        &["1", "", "0", "3", "1", "a", "1", "2", "a", "2", "1", "a", "4"],
    ]);
    assert_eq!(update(&bench, &keys, &given).await, Ok(vec![vec![0, 3]]));
    for (key, score) in [(hours[0], "5"), (hours[1], "2"), (DAY, "7")] {
        let found: String = bench.run(&["ZSCORE", key, "a"]).await;
        assert_eq!(found, score, "{key}");
    }
}

#[tokio::test]
async fn times_stand_in_the_bits_below_the_score() {
    let bench = Bench::start().await;
    // Scores from -100 on, and 1024 times.
    let board = |operator| [operator, "1", "0", "-100", "100", "1024", "1", "1", "0", "0", "1", "", "0"];
    let given = args(&[&board("sum"), &["2", "a", "5", "1000", "b", "-101", "3"]]);
    assert_eq!(update(&bench, &[CURSORS, METADATA, ALL], &given).await, Ok(vec![vec![1, 2]]));
    let a = (105 * 1024 + 1000).to_string();
    assert_eq!(bench.ranking(ALL).await, pairs(&[("b", "3"), ("a", &a)]));
    // A score that stays keeps its time, and so does one that is replaced by itself.
    let given = args(&[&board("sum"), &["2", "a", "0", "1", "b", "1", "9"]]);
    update(&bench, &[CURSORS, METADATA, ALL], &given).await.unwrap();
    assert_eq!(bench.ranking(ALL).await, pairs(&[("b", "1033"), ("a", &a)]));
    let same = (105 * 1024 + 7).to_string();
    let given = args(&[&board("last"), &["2", "a", &same, "b", "5"]]);
    update(&bench, &[CURSORS, METADATA, ALL], &given).await.unwrap();
    assert_eq!(bench.ranking(ALL).await, pairs(&[("b", "5"), ("a", &a)]));
    assert_eq!(bench.run::<u64>(&["EXISTS", CURSORS]).await, 0);
}

#[tokio::test]
async fn each_board_is_answered_for_each_caller_and_one_that_fails_alone_fails() {
    let bench = Bench::start().await;
    () = bench.run(&["SET", DAY, "no sorted set"]).await;
    let callers = ["2", "s", "0", "1", "1", "a", "101", "s", "0", "2", "1", "a", "7", "2", "b", "1"];
    let board = args(&[&SUMS, &["1", "1", "0", "0"], &callers]);
    let given = args(&[&board, &board]);
    let keys = [CURSORS, METADATA, DAY, CURSORS, METADATA, ALL];
    let answers: Vec<Value> = call(&bench, &UPDATE, &keys, &given).await.unwrap();
    let Value::BulkString(error) = &answers[0] else { panic!("{answers:?}") };
    assert!(String::from_utf8_lossy(error).starts_with("WRONGTYPE"), "{answers:?}");
    // One score was cut, and what the second caller brought again was not taken.
    assert_eq!(answers[1], Value::Array(vec![Value::Int(1), Value::Int(1), Value::Int(1)]));
    assert_eq!(bench.ranking(ALL).await, pairs(&[("b", "1"), ("a", "100")]));
    assert_eq!(bench.run::<String>(&["HGET", CURSORS, "s"]).await, "2");
}

#[tokio::test]
async fn nothing_is_written_if_any_key_holds_something_else() {
    let bench = Bench::start().await;
    let board =
        ["sum", "1", "1", "-100", "100", "1", "1", "1", "0", "0", "1", "s", "1", "1", "1", "a", "5", "A"];
    let keys = [CURSORS, METADATA, ALL, SCORES];
    for wrong in keys {
        () = bench.run(&["SET", wrong, "something else"]).await;
        let answers: Vec<Value> = call(&bench, &UPDATE, &keys, &board).await.unwrap();
        let Value::BulkString(error) = &answers[0] else { panic!("{answers:?}") };
        assert!(String::from_utf8_lossy(error).starts_with("WRONGTYPE"), "{wrong}: {answers:?}");
        () = bench.run(&["DEL", wrong]).await;
        assert_eq!(bench.run::<u64>(&[&["EXISTS"], &keys[..]].concat()).await, 0, "{wrong}");
    }
}

#[tokio::test]
async fn a_dense_ranking_has_each_of_its_scores_once() {
    let bench = Bench::start().await;
    let board = ["last", "1", "1", "-100", "100", "1", "1", "1", "0", "0", "1", "", "0"];
    let bring = async |a: &str, b: &str| {
        let given = args(&[&board, &["2", "a", a, "b", b]]);
        update(&bench, &[CURSORS, METADATA, ALL, SCORES], &given).await.unwrap();
        bench.ranking(SCORES).await
    };
    assert_eq!(bring("5", "5").await, pairs(&[("5", "5")]));
    assert_eq!(bring("5", "-7").await, pairs(&[("-7", "-7"), ("5", "5")]));
    assert_eq!(bring("0", "0").await, pairs(&[("0", "0")]));
}

#[tokio::test]
async fn a_look_tells_how_many_are_before_the_first_it_shows() {
    let bench = Bench::start().await;
    for (score, member) in [("9", "a"), ("9", "b"), ("5", "c"), ("5", "d"), ("1", "e")] {
        () = bench.run(&["ZADD", ALL, score, member]).await;
        () = bench.run(&["ZADD", SCORES, score, score]).await;
    }
    () = bench.run(&["HSET", METADATA, "c", "Cid"]).await;
    let keys = [ALL, METADATA, SCORES];
    let (found,): (Found,) = call(&bench, &LOOK, &keys, &["scores", "1", "page", "3", "2"]).await.unwrap();
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(found, (5, 3, 2, 1, names(&["c", "5", "e", "1"]), vec![Some("Cid".into()), None]));
    let (found,): (Found,) = call(&bench, &LOOK, &keys, &["scores", "0", "around", "d", "1"]).await.unwrap();
    assert_eq!(
        found,
        (5, 1, 1, 1, names(&["c", "5", "d", "5", "a", "9"]), vec![Some("Cid".into()), None, None])
    );
    let (nobody,): (Vec<u64>,) =
        call(&bench, &LOOK, &keys, &["scores", "1", "around", "x", "1"]).await.unwrap();
    assert_eq!(nobody, [5]);
}

#[tokio::test]
async fn members_alone_are_told_of_together() {
    let bench = Bench::start().await;
    for (score, member) in [("9", "a"), ("5", "b"), ("5", "c"), ("1", "d")] {
        () = bench.run(&["ZADD", ALL, score, member]).await;
        () = bench.run(&["ZADD", SCORES, score, score]).await;
    }
    () = bench.run(&["HSET", METADATA, "d", "Dan"]).await;
    let asked = ["scores", "1", "ranks", "3", "d", "x", "b"];
    let (told,): (Ranks,) = call(&bench, &LOOK, &[ALL, METADATA, SCORES], &asked).await.unwrap();
    let metadata = vec![Some("Dan".into()), None, None];
    assert_eq!(told, (4, vec![Some(1.0), None, Some(5.0)], vec![3, 0, 1], vec![2, 0, 1], metadata));
    let asked = ["place", "0", "ranks", "1", "c"];
    let (told,): (Ranks,) = call(&bench, &LOOK, &[ALL, METADATA], &asked).await.unwrap();
    assert_eq!(told, (4, vec![Some(5.0)], vec![2], vec![0], vec![None]));
}

#[tokio::test]
async fn logarithms_add_up_as_what_they_stand_for_and_what_is_low_goes() {
    let bench = Bench::start().await;
    let keys = [CURSORS, ALL, METADATA];
    let given = ["s", "2", "60000", "3", "01", "a", "10", "", "02", "a", "10", "A", "03", "b", "1.5", "B"];
    let taken: Vec<u64> = call(&bench, &TREND, &keys, &given).await.unwrap();
    assert_eq!(taken, [3]);
    assert_eq!(bench.ranking(ALL).await, pairs(&[("a", "11")]));
    assert_eq!(bench.run::<Vec<(String, String)>>(&["HGETALL", METADATA]).await, pairs(&[("a", "A")]));
    assert!((1..=60_000).contains(&bench.run::<i64>(&["PTTL", ALL]).await));
    assert_eq!(call(&bench, &TREND, &keys, &given).await, Ok(vec![0_u64]));
}

#[tokio::test]
async fn a_score_that_others_have_stays_when_a_member_goes() {
    let bench = Bench::start().await;
    for member in ["a", "b"] {
        () = bench.run(&["ZADD", ALL, "5", member]).await;
    }
    () = bench.run(&["ZADD", SCORES, "5", "5"]).await;
    for (member, removed, scores) in [("a", 1, 1), ("a", 0, 1), ("b", 1, 0)] {
        let answer: Answer<u64> = call(&bench, &REMOVE, &[ALL, METADATA, SCORES], &[member]).await;
        assert_eq!(answer, Ok(removed));
        assert_eq!(bench.run::<u64>(&["ZCARD", SCORES]).await, scores);
    }
}
