//! What somebody else, or a clock, has left where a limit is kept.

use std::time::Duration;

use test_support::eventually;

use super::{KEY, allowed, ever, is_allowed, left, per, subject};
use crate::harness::{Bench, LIMIT};

/// As INCR leaves it, when the process dies before its EXPIRE.
#[tokio::test]
async fn a_counter_that_never_expires_blocks_nobody() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&ever(10)));
    bench.run::<()>(&["SET", KEY, "11"]).await;
    assert_eq!(allowed(&limiter, &subject, 20).await, 10);
    assert!(bench.run::<i64>(&["PTTL", KEY]).await > 0);
}

#[tokio::test]
async fn what_is_no_time_is_replaced() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&ever(10)));
    for words in [&["SET", KEY, "soon"], &["SET", KEY, "nan"], &["SET", KEY, ""], &["LPUSH", KEY, "x"]] {
        bench.run::<redis::Value>(&["DEL", KEY]).await;
        bench.run::<redis::Value>(words).await;
        assert!(is_allowed(&limiter, &subject).await, "{words:?}");
        assert_eq!(left(&limiter, &subject).await, [9]);
        assert!(bench.run::<i64>(&["PTTL", KEY]).await > 0);
    }
}

/// A time that no policy of this name can have written, because the clock was set back or somebody wrote it. It counts as just
/// used up: not as nothing used, because a replica whose clock is a little behind would then forgive everything.
#[tokio::test]
async fn a_time_far_ahead_blocks_nobody_for_longer_than_a_limit_that_is_used_up() {
    let bench = Bench::start().await;
    let subject = subject(&per(10, Duration::from_secs(2)));
    for far in ["9007199254740991", "1e300", "inf"] {
        let limiter = bench.limiter();
        bench.run::<()>(&["SET", KEY, far]).await;
        assert!(!is_allowed(&limiter, &subject).await);
        let kept: i64 = bench.run(&["PTTL", KEY]).await;
        assert!(kept > 0 && kept <= 10_000, "{kept} ms after {far}");
        eventually("units to flow back", LIMIT, || async {
            if is_allowed(&limiter, &subject).await { Ok(()) } else { Err("it is denied") }
        })
        .await;
    }
}

#[tokio::test]
async fn a_limit_that_was_lowered_holds_at_once() {
    let bench = Bench::start().await;
    let limiter = bench.limiter();
    assert_eq!(allowed(&limiter, &subject(&ever(100)), 50).await, 50);
    let lower = subject(&per(10, Duration::from_secs(1)));
    assert!(!is_allowed(&limiter, &lower).await);
    eventually("units to flow back", LIMIT, || async {
        if is_allowed(&limiter, &lower).await { Ok(()) } else { Err("it is denied") }
    })
    .await;
}
