//! Many who ask at once, in one process and in several.

use futures_util::future::join_all;

use redis_kit::rate_limit::Policies;

use super::{allowed, ever, is_allowed, policy, subject};
use crate::harness::{Bench, NEVER};

#[tokio::test]
async fn many_instances_at_once_allow_exactly_the_limit() {
    let bench = Bench::start().await;
    let subject = subject(&ever(100));
    let instances: Vec<_> = (0..8).map(|_| bench.limiter()).collect();
    let tasks = (0..200).map(|n| {
        let (limiter, subject) = (instances[n % 8].clone(), subject.clone());
        tokio::spawn(async move { allowed(&limiter, &subject, 5).await })
    });
    let counts = join_all(tasks).await;
    assert_eq!(counts.into_iter().map(Result::unwrap).sum::<usize>(), 100);
}

#[tokio::test]
async fn those_who_ask_at_the_same_moment_share_a_call() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&ever(600)));
    assert!(is_allowed(&limiter, &subject).await);
    let before = (bench.calls("evalsha").await, bench.calls("set").await);
    let answers = join_all((0..1000).map(|_| is_allowed(&limiter, &subject))).await;
    assert_eq!(answers.into_iter().filter(|is_allowed| *is_allowed).count(), 599);
    assert_eq!(bench.calls("evalsha").await - before.0, 4, "256 in each");
    assert_eq!(bench.calls("set").await - before.1, 3, "the last has nothing to take");
}

#[tokio::test]
async fn as_many_policies_as_subjects_may_have_fit_into_a_call() {
    let bench = Bench::start().await;
    let policies: Vec<_> = (0..16).map(|n| policy(&n.to_string(), 200, 1000 * NEVER)).collect();
    let (limiter, subject) = (bench.limiter(), subject(&Policies::new(policies).unwrap()));
    let answers = join_all((0..256).map(|_| is_allowed(&limiter, &subject))).await;
    assert_eq!(answers.into_iter().filter(|is_allowed| *is_allowed).count(), 200);
}
