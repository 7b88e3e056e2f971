//! Denials that are repeated without asking Redis.

use std::time::Duration;

use redis_kit::rate_limit::{Limiter, LimiterOptions, Policies, Subject};
use test_support::eventually;

use super::{allowed, check, ever, is_allowed, patient, per, policy, remaining, retry_after, subject};
use crate::harness::{Bench, LIMIT, NEVER};

fn remembering(bench: &Bench, remember_denials: Duration) -> Limiter {
    Limiter::new(&bench.redis(), LimiterOptions { remember_denials, ..patient() }).unwrap()
}

#[tokio::test]
async fn what_was_denied_is_denied_again_without_asking() {
    let bench = Bench::start().await;
    let policies = Policies::new([policy("day", 10, 1000 * NEVER), policy("limit", 3, 1000 * NEVER)]);
    let (limiter, subject) = (remembering(&bench, NEVER), subject(&policies.unwrap()));
    assert_eq!(allowed(&limiter, &subject, 4).await, 3);
    let before = bench.calls("evalsha").await;
    for _ in 0..100 {
        let verdict = limiter.check(&[subject.clone(), Subject::new("other", &ever(1))], 1).await;
        assert!(retry_after(&verdict) > NEVER);
        assert_eq!(remaining(&verdict), [7, 0], "the other was not asked");
    }
    assert_eq!(bench.calls("evalsha").await, before);
}

#[tokio::test]
async fn nobody_is_denied_for_longer_than_redis_would() {
    let bench = Bench::start().await;
    let (limiter, subject) = (remembering(&bench, NEVER), subject(&per(1, Duration::from_millis(300))));
    assert!(is_allowed(&limiter, &subject).await);
    for _ in 0..3 {
        let verdict = check(&limiter, &subject, 1).await;
        // A slow machine may have needed longer than that.
        if !verdict.is_allowed() {
            tokio::time::sleep(retry_after(&verdict)).await;
            assert!(is_allowed(&limiter, &subject).await);
        }
    }
}

#[tokio::test]
async fn a_cheaper_call_is_not_denied_because_a_dearer_one_was() {
    let bench = Bench::start().await;
    let (limiter, subject) = (remembering(&bench, NEVER), [subject(&ever(10))]);
    assert!(limiter.check(&subject, 8).await.is_allowed());
    assert!(!limiter.check(&subject, 3).await.is_allowed());
    assert!(limiter.check(&subject, 2).await.is_allowed());
}

#[tokio::test]
async fn a_reset_here_is_noticed_at_once_and_elsewhere_when_the_memory_ends() {
    let bench = Bench::start().await;
    let subject = subject(&ever(1));
    let (here, there) = (remembering(&bench, NEVER), remembering(&bench, Duration::from_secs(2)));
    assert!(is_allowed(&here, &subject).await);
    assert!(!is_allowed(&here, &subject).await);
    assert!(!is_allowed(&there, &subject).await);
    here.reset(&subject).await.unwrap();
    assert!(is_allowed(&here, &subject).await);
    here.reset(&subject).await.unwrap();
    eventually("the reset to be noticed", LIMIT, || async {
        if is_allowed(&there, &subject).await { Ok(()) } else { Err("it is denied") }
    })
    .await;
}

#[tokio::test]
async fn what_is_given_back_here_is_noticed_at_once() {
    let bench = Bench::start().await;
    let (limiter, subject) = (remembering(&bench, NEVER), subject(&ever(1)));
    let taken = check(&limiter, &subject, 1).await;
    assert!(!is_allowed(&limiter, &subject).await);
    limiter.refund(taken).await.unwrap();
    assert!(is_allowed(&limiter, &subject).await);
}
