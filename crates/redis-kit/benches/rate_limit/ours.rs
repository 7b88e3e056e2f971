use std::time::Duration;

use redis_kit::rate_limit::{Limiter, LimiterOptions, OnFailure, Policies, Policy, Subject};

use crate::{
    INTERVAL, LIMIT,
    rig::{Rig, rate},
};

pub(crate) async fn run(rig: &Rig, key: fn(usize, usize) -> String) -> f64 {
    // Somebody else may need the machine for longer than a check would wait.
    let budget = Duration::from_secs(10);
    let options = LimiterOptions { on_failure: OnFailure::Closed, budget, ..LimiterOptions::default() };
    let limiter = Limiter::new(&rig.redis, options).expect("a connection");
    let policy = Policy::new("limit", LIMIT, INTERVAL * LIMIT).expect("a policy");
    let policies = Policies::from(policy);
    rate(rig.cycles, |task, checks| {
        let (limiter, policies) = (limiter.clone(), policies.clone());
        async move {
            for n in 0..checks {
                let verdict = limiter.check(&[Subject::new(&key(task, n), &policies)], 1).await;
                assert!(verdict.is_allowed());
            }
        }
    })
    .await
}
