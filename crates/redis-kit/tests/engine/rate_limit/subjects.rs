//! Several subjects of one call, and subjects by any name.

use redis_kit::rate_limit::Subject;

use super::{allowed, ever, left, per, remaining, subject};
use crate::harness::{Bench, NEVER};

#[tokio::test]
async fn subjects_do_not_share_what_they_have() {
    let bench = Bench::start().await;
    let (limiter, policies) = (bench.limiter(), ever(3));
    for id in ["t", "T", "t ", "", "{t}", "t}:limit", "t\r\n", "ü", &"t".repeat(1000), &"t".repeat(1001)] {
        assert_eq!(allowed(&limiter, &Subject::new(id, &policies), 5).await, 3, "{id:?}");
    }
}

#[tokio::test]
async fn a_call_that_one_subject_denies_costs_the_others_nothing() {
    let bench = Bench::start().await;
    let limiter = bench.limiter();
    // On a cluster they are on different nodes.
    let (account, address) = (subject(&ever(1)), Subject::new("address", &ever(100)));
    let both = [address.clone(), account.clone()];
    assert!(limiter.check(&both, 1).await.is_allowed());
    for _ in 0..10 {
        let verdict = limiter.check(&both, 1).await;
        assert!(!verdict.is_allowed());
        assert_eq!(remaining(&verdict), [99, 0], "as it is when the cost is given back");
        assert_eq!(left(&limiter, &address).await, [99]);
    }
    assert_eq!(left(&limiter, &account).await, [0]);
}

#[tokio::test]
async fn of_several_that_deny_the_last_to_have_room_says_when() {
    let bench = Bench::start().await;
    let limiter = bench.limiter();
    let both = [subject(&per(1, NEVER)), Subject::new("address", &per(1, 3 * NEVER))];
    assert!(limiter.check(&both, 1).await.is_allowed());
    let verdict = limiter.check(&both, 1).await;
    assert!(super::retry_after(&verdict) > 2 * NEVER);
    assert_eq!(verdict.violated().count(), 2);
}

#[tokio::test]
async fn nobody_is_limited_without_a_subject() {
    let bench = Bench::start().await;
    assert!(bench.limiter().check(&[], 1).await.is_allowed());
}
