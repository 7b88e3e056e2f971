//! Calls that are not to count after all, as when only failures do.

use futures_util::future::join_all;
use redis_kit::rate_limit::{Policies, Subject};

use super::{allowed, check, ever, left, policy, subject};
use crate::harness::{Bench, NEVER};

/// Guesses a password ten thousand times at once, on four instances. How many guesses were tried. What they took stays taken,
/// because the password was wrong.
async fn guess(bench: &Bench, subjects: &[Subject]) -> u32 {
    let instances: Vec<_> = (0..4).map(|_| bench.limiter()).collect();
    let guesses =
        (0..10_000).map(async |n: usize| u32::from(instances[n % 4].check(subjects, 1).await.is_allowed()));
    join_all(guesses).await.into_iter().sum()
}

/// If they looked first and were counted afterwards, all of them would have looked before the first was counted.
#[tokio::test]
async fn of_ten_thousand_guesses_at_once_no_more_are_tried_than_the_limit() {
    let bench = Bench::start().await;
    assert_eq!(guess(&bench, &[subject(&ever(5))]).await, 5);
}

/// Those that were denied may have kept others from trying, since what they took of the address is back only a moment later.
#[tokio::test]
async fn guesses_that_were_denied_cost_neither_the_account_nor_the_address() {
    let bench = Bench::start().await;
    let (account, address) = (subject(&ever(5)), Subject::new("address", &ever(1000)));
    let tried = guess(&bench, &[account.clone(), address.clone()]).await;
    assert!(tried <= 5);
    let limiter = bench.limiter();
    assert_eq!(left(&limiter, &account).await, [5 - tried]);
    assert_eq!(left(&limiter, &address).await, [1000 - tried]);
}

#[tokio::test]
async fn who_succeeds_again_and_again_is_never_denied() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&ever(3)));
    assert_eq!(allowed(&limiter, &subject, 2).await, 2);
    for _ in 0..20 {
        let verdict = check(&limiter, &subject, 1).await;
        assert!(verdict.is_allowed());
        limiter.refund(verdict).await.unwrap();
    }
    assert_eq!(left(&limiter, &subject).await, [1]);
}

#[tokio::test]
async fn nobody_is_given_back_more_than_was_taken() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&ever(3)));
    let verdict = check(&limiter, &subject, 3).await;
    limiter.reset(&subject).await.unwrap();
    assert_eq!(allowed(&limiter, &subject, 1).await, 1);
    limiter.refund(verdict).await.unwrap();
    assert_eq!(left(&limiter, &subject).await, [3]);
    assert_eq!(bench.tat().await, None);
    assert_eq!(allowed(&limiter, &subject, 5).await, 3);
}

#[tokio::test]
async fn what_took_nothing_gives_nothing_back() {
    let bench = Bench::start().await;
    let policies =
        Policies::new([policy("limit", 3, 1000 * NEVER), policy("trial", 1, 1000 * NEVER).shadow()]);
    let (limiter, subject) = (bench.limiter(), subject(&policies.unwrap()));
    assert_eq!(allowed(&limiter, &subject, 2).await, 2);
    let beyond_the_trial = check(&limiter, &subject, 1).await;
    let denied = check(&limiter, &subject, 1).await;
    limiter.refund(denied).await.unwrap();
    assert_eq!(left(&limiter, &subject).await, [0, 0]);
    limiter.refund(beyond_the_trial).await.unwrap();
    assert_eq!(left(&limiter, &subject).await, [1, 0]);
}
