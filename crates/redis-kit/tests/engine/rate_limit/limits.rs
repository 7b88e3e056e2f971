use std::time::{Duration, Instant};

use local_redis::{Durability, Server};
use redis_kit::{
    Redis,
    rate_limit::{Outcome, Policies, Policy, Subject},
};
use test_support::eventually;

use super::{allowed, check, ever, left, limiter, per, policy, remaining, retry_after, subject};
use crate::harness::{Bench, LIMIT, NEVER, same};

#[tokio::test]
async fn as_many_as_the_limit_are_allowed_at_once_and_no_more() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&per(10, 10 * NEVER)));
    for n in 0..10 {
        let verdict = check(&limiter, &subject, 1).await;
        assert!(verdict.is_allowed());
        assert_eq!(remaining(&verdict), [9 - n]);
    }
    let verdict = limiter.check(&[subject], 1).await;
    let wait = retry_after(&verdict);
    assert!(wait <= NEVER && wait > NEVER / 2, "one flows back in an hour, and not {wait:?}");
    assert_eq!(verdict.violated().map(Policy::name).collect::<Vec<_>>(), ["limit"]);
    let standing = verdict.standings().next().unwrap();
    assert_eq!(standing.next_in, wait);
    assert!(standing.full_in > 9 * NEVER && standing.full_in <= 10 * NEVER, "{standing:?}");
}

/// By a counter for each window, as many as the limit go at its end and as many again at the beginning of the next.
#[tokio::test]
async fn whenever_one_looks_no_more_went_than_the_limit_and_what_flowed_back() {
    let bench = Bench::start().await;
    let (limit, period) = (50, Duration::from_secs(1));
    let (limiter, subject) = (bench.limiter(), subject(&per(limit, period)));
    let (began, mut went) = (Instant::now(), 0);
    while began.elapsed() < 2 * period {
        went += allowed(&limiter, &subject, 1).await;
        let flowed_back = (began.elapsed() * limit).as_millis() / period.as_millis();
        assert!(went as u128 <= u128::from(limit) + flowed_back, "{went} in {:?}", began.elapsed());
    }
    assert!(went > 50, "nothing flowed back");
}

#[tokio::test]
async fn after_as_long_as_a_denial_says_the_call_is_allowed() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&per(2, Duration::from_millis(600))));
    for _ in 0..3 {
        let mut verdict = check(&limiter, &subject, 2).await;
        while !verdict.is_allowed() {
            tokio::time::sleep(retry_after(&verdict)).await;
            verdict = check(&limiter, &subject, 2).await;
            assert!(verdict.is_allowed());
        }
    }
}

#[tokio::test]
async fn denied_calls_cost_nothing() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&ever(3)));
    assert_eq!(allowed(&limiter, &subject, 3).await, 3);
    let before = bench.tat().await;
    assert_eq!(allowed(&limiter, &subject, 50).await, 0);
    assert_eq!(bench.tat().await, before);
}

#[tokio::test]
async fn if_one_of_stacked_policies_denies_no_other_is_taken_from() {
    let bench = Bench::start().await;
    let stacked = Policies::new([policy("day", 10, 1000 * NEVER), policy("minute", 2, 100 * NEVER)]);
    let (limiter, subject) = (bench.limiter(), subject(&stacked.unwrap()));
    assert_eq!(allowed(&limiter, &subject, 20).await, 2);
    let verdict = limiter.check(&[subject], 1).await;
    assert_eq!(remaining(&verdict), [8, 0]);
    assert_eq!(verdict.violated().map(Policy::name).collect::<Vec<_>>(), ["minute"]);
}

#[tokio::test]
async fn a_call_takes_what_it_costs() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), [subject(&ever(10))]);
    assert_eq!(remaining(&limiter.check(&subject, 7).await), [3]);
    assert!(!limiter.check(&subject, 4).await.is_allowed());
    assert_eq!(remaining(&limiter.check(&subject, 3).await), [0]);
    // It never will be, however long one waits.
    let verdict = limiter.check(&subject, 11).await;
    assert_eq!(verdict.outcome(), Outcome::Denied { retry_after: None });
}

#[tokio::test]
async fn a_look_takes_nothing_and_leaves_nothing() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&ever(10)));
    assert_eq!(left(&limiter, &subject).await, [10]);
    assert_eq!(bench.tat().await, None);
    assert_eq!(allowed(&limiter, &subject, 10).await, 10);
    assert_eq!(left(&limiter, &subject).await, [0]);
}

#[tokio::test]
async fn a_shadow_reports_what_it_would_deny_and_denies_nothing() {
    let bench = Bench::start().await;
    let policies = Policies::new([policy("trial", 2, NEVER).shadow(), policy("limit", 5, 1000 * NEVER)]);
    let (limiter, subject) = (bench.limiter(), [subject(&policies.unwrap())]);
    let mut exceeded = Vec::new();
    for _ in 0..5 {
        let verdict = limiter.check(&subject, 1).await;
        assert!(verdict.is_allowed());
        exceeded.push(verdict.standings().next().unwrap().is_exceeded);
    }
    assert_eq!(exceeded, [false, false, true, true, true]);
    let verdict = limiter.check(&subject, 1).await;
    assert_eq!(verdict.violated().map(Policy::name).collect::<Vec<_>>(), ["limit"]);
}

#[tokio::test]
async fn a_limit_that_nobody_uses_any_more_leaves_nothing() {
    let bench = Bench::start().await;
    let (limiter, subject) = (bench.limiter(), subject(&per(10, Duration::from_secs(100))));
    assert_eq!(allowed(&limiter, &subject, 1).await, 1);
    let kept: i64 = bench.run(&["PTTL", super::KEY]).await;
    assert!(kept > 0 && kept <= 10_001, "one unit is back in ten seconds, and it is kept for {kept} ms");
}

/// Under `appendfsync always`, what is written into the file is waited for. (A replica makes a difference: what a call writes
/// for it goes into the file too, if that is more than one key.)
#[tokio::test]
async fn neither_a_check_nor_a_refund_is_written_into_the_append_only_file() {
    let server = Server::ephemeral(Durability::Always).await.unwrap();
    let replica = Server::ephemeral(Durability::Volatile).await.unwrap();
    let [redis, replica] = [&server, &replica].map(|server| Redis::open(&server.url()).unwrap());
    let info = async |of: &Redis, name: &str| -> String {
        let mut connection = of.commands().unwrap();
        let info: String = redis_kit::cmd("INFO").query_async(&mut connection).await.unwrap();
        info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    let follow = ["127.0.0.1", &server.port().to_string()];
    redis_kit::cmd("REPLICAOF").arg(&follow).exec_async(&mut replica.commands().unwrap()).await.unwrap();
    eventually("the replica to follow", LIMIT, async || {
        same(&"up", &&*info(&replica, "master_link_status:").await)
    })
    .await;
    let written = async || info(&redis, "aof_current_size:").await.parse::<u64>().unwrap();
    let before = written().await;
    // Units of the second are back at once.
    let subjects = [subject(&ever(10)), Subject::new("other", &per(1, Duration::from_millis(1)))];
    let limiter = limiter(&redis);
    for _ in 0..5 {
        assert!(limiter.check(&subjects, 1).await.is_allowed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    limiter.refund(check(&limiter, &subjects[0], 3).await).await.unwrap();
    assert_eq!(remaining(&check(&limiter, &subjects[0], 0).await), [5]);
    assert_eq!(written().await, before);
    redis_kit::cmd("SET").arg("a key").arg("b").exec_async(&mut redis.commands().unwrap()).await.unwrap();
    assert!(written().await > before);
}
