//! Rate limits, seen from outside: what is allowed, what is told, what is left in Redis.

mod denials;
mod in_scripts;
mod layer;
mod limits;
mod metrics;
mod refunds;
mod repairs;
mod subjects;
mod together;
mod without_redis;

use std::time::Duration;

use redis_kit::{
    Redis,
    rate_limit::{Limiter, LimiterOptions, OnFailure, Outcome, Policies, Policy, Subject, Verdict},
};

use crate::harness::{Bench, LIMIT, NEVER};

/// The TAT of [`subject`] by the policy [`per`].
const KEY: &str = "rate:{t}:limit";

/// Redis is waited for however busy the machine is, and asked every time.
fn patient() -> LimiterOptions {
    LimiterOptions {
        on_failure: OnFailure::Closed,
        budget: LIMIT,
        remember_denials: Duration::ZERO,
        ..LimiterOptions::default()
    }
}

fn limiter(redis: &Redis) -> Limiter {
    Limiter::new(redis, patient()).unwrap()
}

/// So many in a time that is so long that nothing flows back while a test runs.
fn ever(limit: u32) -> Policies {
    per(limit, 1000 * NEVER)
}

fn per(limit: u32, period: Duration) -> Policies {
    policy("limit", limit, period).into()
}

fn policy(name: &str, limit: u32, period: Duration) -> Policy {
    Policy::new(name, limit, period).unwrap()
}

fn subject(policies: &Policies) -> Subject {
    Subject::new("t", policies)
}

impl Bench {
    fn limiter(&self) -> Limiter {
        limiter(&self.redis())
    }

    async fn tat(&self) -> Option<u64> {
        self.run(&["GET", KEY]).await
    }
}

/// Asks so often, one after the other, and counts how often it was allowed.
async fn allowed(limiter: &Limiter, subject: &Subject, times: usize) -> usize {
    let mut allowed = 0;
    for _ in 0..times {
        allowed += usize::from(is_allowed(limiter, subject).await);
    }
    allowed
}

/// Asks for one subject.
async fn check(limiter: &Limiter, subject: &Subject, cost: u32) -> Verdict {
    limiter.check(std::slice::from_ref(subject), cost).await
}

/// Asks once. Redis must have answered.
async fn is_allowed(limiter: &Limiter, subject: &Subject) -> bool {
    let verdict = check(limiter, subject, 1).await;
    assert_ne!(verdict.outcome(), Outcome::Unavailable);
    verdict.is_allowed()
}

/// What is left by each policy.
fn remaining(verdict: &Verdict) -> Vec<u32> {
    verdict.standings().map(|standing| standing.remaining).collect()
}

/// The same, by a look that takes nothing.
async fn left(limiter: &Limiter, subject: &Subject) -> Vec<u32> {
    remaining(&check(limiter, subject, 0).await)
}

/// In how long it may be tried again. It must have been denied.
fn retry_after(verdict: &Verdict) -> Duration {
    match verdict.outcome() {
        Outcome::Denied { retry_after } => retry_after.expect("a time"),
        other => panic!("{other:?}"),
    }
}
