//! Redis is slow, silent, away or full.

use std::time::{Duration, Instant};

use redis_kit::{
    Redis,
    rate_limit::{Limiter, LimiterOptions, OnFailure, Outcome, Subject},
};
use test_support::eventually;

use super::{allowed, check, ever, left, patient, remaining, subject};
use crate::harness::{Bench, LIMIT, NEVER, same};

/// Waits as little as a limiter may.
fn hasty(redis: &Redis, on_failure: OnFailure) -> Limiter {
    let options = LimiterOptions {
        on_failure,
        breaker_failures: u32::MAX,
        remember_denials: Duration::ZERO,
        ..LimiterOptions::default()
    };
    Limiter::new(redis, options).unwrap()
}

async fn until_answered(limiter: &Limiter) {
    until_answered_about(&subject(&ever(1000)), limiter).await;
}

/// Takes the cost once at least: an answer may come later than it is waited for.
async fn until_answered_about(subject: &Subject, limiter: &Limiter) {
    eventually("Redis to be asked", LIMIT, || async {
        let verdict = limiter.check(std::slice::from_ref(subject), 1).await;
        if verdict.is_degraded() { Err("it is not") } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn a_check_waits_for_redis_no_longer_than_its_budget() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let limiter = hasty(&redis, OnFailure::Open);
    until_answered(&limiter).await;
    proxy.delay(LIMIT);
    let asked = Instant::now();
    assert!(limiter.check(&[subject(&ever(10))], 1).await.is_degraded());
    assert!(asked.elapsed() < LIMIT / 10, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn what_becomes_of_a_check_without_an_answer_is_the_callers_choice() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    proxy.silence();
    let (open, subject) = (hasty(&redis, OnFailure::Open), [subject(&ever(10))]);
    let verdict = open.check(&subject, 1).await;
    assert!(verdict.is_allowed() && verdict.is_degraded());
    assert_eq!(verdict.limit_field(), None, "nobody knows");

    let verdict = open.on_failure(OnFailure::Closed).check(&subject, 1).await;
    assert_eq!(verdict.outcome(), Outcome::Unavailable);
    assert_eq!(verdict.retry_after_field(), None);

    let share = open.on_failure(OnFailure::LocalShare { instances: 3 });
    let mut left = Vec::new();
    for _ in 0..3 {
        let verdict = share.check(&subject, 1).await;
        assert!(verdict.is_allowed() && verdict.is_degraded());
        left.extend(remaining(&verdict));
    }
    assert_eq!(left, [2, 1, 0]);
    let verdict = share.check(&subject, 1).await;
    assert!(super::retry_after(&verdict) > NEVER, "a third of the limit is used up");
}

#[tokio::test]
async fn what_is_taken_from_a_local_share_can_be_given_back() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    proxy.silence();
    let limiter = hasty(&redis, OnFailure::LocalShare { instances: 1 });
    let subject = [subject(&ever(2))];
    for _ in 0..5 {
        let verdict = limiter.check(&subject, 2).await;
        assert!(verdict.is_allowed());
        limiter.refund(verdict).await.unwrap();
    }
}

#[tokio::test]
async fn after_failures_in_a_row_redis_is_left_alone_until_the_pause_is_over() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let options = |breaker_pause| LimiterOptions {
        on_failure: OnFailure::Closed,
        breaker_failures: 1,
        breaker_pause,
        ..LimiterOptions::default()
    };
    let [for_ever, shortly] =
        [NEVER, Duration::from_millis(100)].map(|pause| Limiter::new(&redis, options(pause)).unwrap());
    proxy.refuse();
    let subject = [subject(&ever(1000))];
    for limiter in [&for_ever, &shortly] {
        assert!(limiter.check(&subject, 1).await.is_degraded());
    }
    proxy.pass();
    until_answered(&shortly).await;
    let before = bench.calls("evalsha").await;
    for _ in 0..100 {
        assert_eq!(for_ever.check(&subject, 1).await.outcome(), Outcome::Unavailable);
    }
    assert_eq!(bench.calls("evalsha").await, before);
}

/// Who gives up after a budget must not be the only one who would have noticed.
#[tokio::test]
async fn a_connection_that_has_gone_silent_is_replaced() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let limiter = hasty(&redis, OnFailure::Closed);
    until_answered(&limiter).await;
    proxy.silence();
    assert!(limiter.check(&[subject(&ever(1000))], 1).await.is_degraded());
    proxy.pass();
    until_answered(&limiter).await;
}

#[tokio::test]
async fn when_redis_is_back_its_limits_hold_again() {
    let mut bench = Bench::start().await;
    let limiter = hasty(&bench.redis(), OnFailure::Open);
    until_answered(&limiter).await;
    bench.crash().await;
    assert!(limiter.check(&[subject(&ever(1))], 1).await.is_degraded());
    bench.restart().await;
    until_answered(&limiter).await;
}

#[tokio::test]
async fn a_check_whose_answer_is_lost_has_taken_its_cost_once() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let limiter = hasty(&redis, OnFailure::Open);
    until_answered(&limiter).await;
    let before = bench.tat().await.unwrap();
    proxy.drop_replies();
    assert!(limiter.check(&[subject(&ever(1000))], 1).await.is_degraded());
    eventually("the check to be carried out", LIMIT, || async {
        same(&Some(before + 3_600_000_000), &bench.tat().await)
    })
    .await;
    // Nor is it sent again on a new connection.
    proxy.pass();
    proxy.reset_connections();
    until_answered_about(&Subject::new("other", &ever(1000)), &limiter).await;
    assert_eq!(bench.tat().await, Some(before + 3_600_000_000));
}

#[tokio::test]
async fn on_a_full_redis_nothing_is_taken_but_what_was_is_given_back() {
    let bench = Bench::start().await;
    let limiter = Limiter::new(&bench.redis(), patient()).unwrap();
    let subject = subject(&ever(10));
    assert_eq!(allowed(&limiter, &subject, 2).await, 2);
    let verdict = check(&limiter, &subject, 1).await;
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(check(&limiter, &subject, 1).await.outcome(), Outcome::Unavailable);
    // Which takes no room.
    assert!(matches!(check(&limiter, &subject, 10).await.outcome(), Outcome::Denied { .. }));
    limiter.refund(verdict).await.unwrap();
    bench.run::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(left(&limiter, &subject).await, [8]);
}

#[tokio::test]
async fn a_call_that_is_not_answered_for_all_costs_nobody_anything() {
    let bench = Bench::start().await;
    let limiter = Limiter::new(&bench.redis(), patient()).unwrap();
    // A user who may not touch the other's key.
    let other = Subject::new("other", &ever(10));
    let subject = subject(&ever(10));
    assert_eq!(allowed(&limiter, &subject, 1).await, 1);
    for node in bench.topology.urls() {
        let mut node = Redis::open_node(&node).unwrap().commands().unwrap();
        let rules = ["SETUSER", "default", "resetkeys", "~rate:{t}:*"];
        redis_kit::cmd("ACL").arg(&rules).exec_async(&mut node).await.unwrap();
    }
    let verdict = limiter.check(&[subject.clone(), other], 1).await;
    assert_eq!(verdict.outcome(), Outcome::Unavailable);
    assert_eq!(left(&limiter, &subject).await, [9]);
}
