//! The scripts of a rate limit.

use std::sync::LazyLock;

use redis::Script;
use redis_kit::rate_limit::GCRA_LUA;

use super::{Answer, call};
use crate::harness::Bench;

static CHECK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&[GCRA_LUA, include_str!("../../../src/rate_limit/lua/check.lua")].concat())
});
static REFUND: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../../../src/rate_limit/lua/refund.lua")));

const A: &str = "rate:{t}:a";
const B: &str = "rate:{t}:b";
/// An hour in microseconds, as the cost of one unit.
const HOUR: i64 = 3_600_000_000;

async fn check(bench: &Bench, keys: &[&str], args: &[i64]) -> Answer<Vec<i64>> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    call(bench, &CHECK, keys, &args).await
}

async fn refund(bench: &Bench, keys: &[&str], args: &[i64]) -> Answer<u64> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    call(bench, &REFUND, keys, &args).await
}

/// Whether a number of microseconds is this one, less what has gone by since.
fn is_about(number: i64, expected: i64) -> bool {
    (expected - 60_000_000..=expected).contains(&number)
}

#[tokio::test]
async fn a_cost_that_fits_is_taken_and_said_how_far_ahead_that_is() {
    let bench = Bench::start().await;
    assert_eq!(check(&bench, &[A], &[1, HOUR, 3 * HOUR, 0]).await, Ok(vec![HOUR]));
    let tat: f64 = bench.run(&["GET", A]).await;
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let hour = HOUR as f64 / 1000.0;
    assert!((tat / 1000.0 - bench.time().await - hour).abs() < 60_000.0);
    let kept: i64 = bench.run(&["PTTL", A]).await;
    assert!(is_about(kept * 1000, HOUR + 1000), "{kept}");
}

#[tokio::test]
async fn one_that_does_not_fit_is_told_when_it_will() {
    let bench = Bench::start().await;
    check(&bench, &[A], &[1, 2 * HOUR, 3 * HOUR, 0]).await.unwrap();
    let before: String = bench.run(&["GET", A]).await;
    let wait = check(&bench, &[A], &[1, 3 * HOUR, 3 * HOUR, 0]).await.unwrap();
    assert!(is_about(-wait[0], 2 * HOUR), "{wait:?}");
    assert_eq!(bench.run::<String>(&["GET", A]).await, before);
    assert_eq!(bench.calls("set").await, 1);
}

#[tokio::test]
async fn what_one_policy_of_a_subject_denies_is_taken_from_none() {
    let bench = Bench::start().await;
    let answer = check(&bench, &[A, B], &[2, HOUR, 3 * HOUR, 0, 2 * HOUR, HOUR, 0]).await;
    assert_eq!(answer, Ok(vec![0, -HOUR]));
    assert_eq!(bench.exist(&[A, B]).await, 0);
    // Unless it is a shadow.
    let answer = check(&bench, &[A, B], &[2, HOUR, 3 * HOUR, 0, 2 * HOUR, HOUR, 1]).await;
    assert_eq!(answer, Ok(vec![HOUR, -HOUR]));
    assert_eq!(bench.exist(&[A, B]).await, 1);
}

#[tokio::test]
async fn subjects_of_one_call_are_checked_one_after_the_other_and_each_by_itself() {
    let bench = Bench::start().await;
    let one = [1, HOUR, 2 * HOUR, 0];
    let two = [2, HOUR, HOUR, 0, HOUR, 2 * HOUR, 0];
    let args = [&one[..], &one, &two, &one].concat();
    let answer = check(&bench, &[A, A, B, A, A], &args).await;
    assert_eq!(answer, Ok(vec![HOUR, 2 * HOUR, 0, -HOUR, -HOUR]));
    assert_eq!(bench.exist(&[A, B]).await, 1);
    assert_eq!(bench.calls("set").await, 1, "however often it was taken from");
}

#[tokio::test]
async fn what_is_given_back_is_gone_and_no_more_than_that() {
    let bench = Bench::start().await;
    check(&bench, &[A], &[1, 3 * HOUR, 3 * HOUR, 0]).await.unwrap();
    assert_eq!(refund(&bench, &[A, B], &[HOUR, 3 * HOUR, HOUR, HOUR]).await, Ok(1));
    let ahead = check(&bench, &[A], &[1, 0, 3 * HOUR, 0]).await.unwrap();
    assert!(is_about(ahead[0], 2 * HOUR), "{ahead:?}");
    assert!(is_about(bench.run::<i64>(&["PTTL", A]).await * 1000, 2 * HOUR + 1000));
    assert_eq!(refund(&bench, &[A], &[3 * HOUR, 3 * HOUR]).await, Ok(1));
    assert_eq!(bench.exist(&[A, B]).await, 0);
}

#[tokio::test]
async fn on_a_full_server_nothing_is_taken_but_what_was_is_given_back() {
    let bench = Bench::start().await;
    check(&bench, &[A], &[1, 2 * HOUR, 3 * HOUR, 0]).await.unwrap();
    bench.full().await;
    assert_eq!(check(&bench, &[B], &[1, HOUR, HOUR, 0]).await, Err("OOM".into()));
    assert_eq!(refund(&bench, &[A], &[HOUR, 3 * HOUR]).await, Ok(1));
    assert_eq!(refund(&bench, &[A], &[HOUR, 3 * HOUR]).await, Ok(1));
    assert_eq!(bench.exist(&[A]).await, 0);
}
