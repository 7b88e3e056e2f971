//! Limits that a script of the caller's checks as one of its steps.

use std::sync::LazyLock;

use futures_util::future::join_all;
use redis_kit::{
    Connection, Lua,
    rate_limit::{GCRA_LUA, Limiter, LimiterOptions, Outcome, Policies, Policy, Subject, Verdict},
};

use super::{check, ever, left, patient, policy, remaining};
use crate::harness::{Bench, NEVER};

/// Counts what is allowed. KEYS: the counter, the limits   ARGV: the limits   Reply: what they say
static COUNT: LazyLock<Lua> = LazyLock::new(|| {
    let script = "
        local answers = {}
        gcra.read(2, #KEYS)
        if not gcra.take(2, 1, answers) then redis.call('INCR', KEYS[1]) end
        gcra.write()
        return answers";
    Lua::new(["#!lua\n", GCRA_LUA, script].concat())
});

const COUNTER: &str = "count:{shop}";

fn ada(policies: &Policies) -> Subject {
    Subject::beside("shop", "ada", policies)
}

/// By the script, unless it is known before that this is too much.
async fn count(limiter: &Limiter, mut redis: Connection, subject: &Subject) -> Verdict {
    let check = match limiter.check_in_script(subject, 1) {
        Ok(check) => check,
        Err(denied) => return denied,
    };
    let mut call = COUNT.call([COUNTER].into_iter().chain(check.keys()));
    check.write(&mut call);
    let numbers: Vec<i64> = COUNT.run(&mut redis, &call).await.unwrap();
    check.conclude(&numbers)
}

#[tokio::test]
async fn a_script_does_as_much_as_was_paid_for() {
    let bench = Bench::start().await;
    let policies = Policies::new([policy("day", 20, 1000 * NEVER), policy("minute", 10, 100 * NEVER)]);
    let (limiter, subject) = (bench.limiter(), ada(&policies.unwrap()));
    let redis = bench.redis().commands().unwrap();
    let counts = (0..50).map(|_| count(&limiter, redis.clone(), &subject));
    let verdicts = join_all(counts).await;
    assert_eq!(verdicts.iter().filter(|verdict| verdict.is_allowed()).count(), 10);
    assert_eq!(bench.run::<usize>(&["GET", COUNTER]).await, 10);
    let denied = verdicts.last().unwrap();
    assert_eq!(denied.violated().map(Policy::name).collect::<Vec<_>>(), ["minute"]);
    // It is the same limit, whoever asks.
    assert_eq!(left(&limiter, &subject).await, [10, 0]);
    limiter.reset(&subject).await.unwrap();
    let verdict = count(&limiter, redis, &subject).await;
    assert_eq!(remaining(&verdict), [19, 9]);
    limiter.refund(verdict).await.unwrap();
    assert_eq!(left(&limiter, &subject).await, [20, 10]);
}

#[tokio::test]
async fn what_a_script_denied_is_denied_again_without_asking() {
    let bench = Bench::start().await;
    let options = LimiterOptions { remember_denials: NEVER, ..patient() };
    let (limiter, subject) = (Limiter::new(&bench.redis(), options).unwrap(), ada(&ever(1)));
    let redis = bench.redis().commands().unwrap();
    assert!(count(&limiter, redis.clone(), &subject).await.is_allowed());
    assert!(!count(&limiter, redis.clone(), &subject).await.is_allowed());
    let before = bench.calls("evalsha").await;
    assert!(!count(&limiter, redis, &subject).await.is_allowed());
    assert!(!check(&limiter, &subject, 1).await.is_allowed());
    assert_eq!(bench.calls("evalsha").await, before);
}

#[tokio::test]
async fn of_what_a_script_does_not_tell_nobody_knows() {
    let bench = Bench::start().await;
    let check = bench.limiter().check_in_script(&ada(&ever(1)), 1).unwrap();
    assert_eq!(check.conclude(&[]).outcome(), Outcome::Unavailable);
}

#[tokio::test]
async fn two_verdicts_of_one_call_are_told_together() {
    let bench = Bench::start().await;
    let (limiter, other) = (bench.limiter(), Subject::new("other", &policy("other", 1, NEVER).into()));
    let verdict = async |subject: &Subject| check(&limiter, subject, 1).await;
    let both = verdict(&ada(&ever(3))).await.and(verdict(&other).await);
    assert!(both.is_allowed());
    assert!(both.limit_field().unwrap().starts_with(r#""limit";r=2;t="#));
    assert!(both.limit_field().unwrap().contains(r#", "other";r=0;t="#));
    assert!(!verdict(&ada(&ever(3))).await.and(verdict(&other).await).is_allowed());
    assert!(!verdict(&other).await.and(verdict(&ada(&ever(3))).await).is_allowed());
}
