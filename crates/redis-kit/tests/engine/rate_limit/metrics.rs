use redis_kit::rate_limit::{Limiter, LimiterOptions, Policies};

use super::{allowed, check, patient, policy, subject};
use crate::{
    gauges::Gauges,
    harness::{Bench, NEVER},
};

#[tokio::test]
async fn checks_are_counted_by_outcome_and_what_was_exceeded_by_policy() {
    let gauges = Gauges::start();
    let mut bench = Bench::start().await;
    let options = LimiterOptions { remember_denials: NEVER, ..patient() };
    let limiter = Limiter::new(&bench.redis(), options).unwrap();
    let policies =
        Policies::new([policy("limit", 3, 1000 * NEVER), policy("trial", 1, 1000 * NEVER).shadow()]);
    let subject = subject(&policies.unwrap());
    assert_eq!(allowed(&limiter, &subject, 5).await, 3);
    bench.crash().await;
    assert!(!check(&limiter, &subject, 0).await.is_allowed());
    for (counter, expected) in [
        (r#"rate_limit_checks_total{outcome="allowed"}"#, 3),
        (r#"rate_limit_checks_total{outcome="denied"}"#, 2),
        (r#"rate_limit_checks_total{outcome="unavailable"}"#, 1),
        (r#"rate_limit_exceeded_total{policy="limit",shadow="false"}"#, 2),
        (r#"rate_limit_exceeded_total{policy="trial",shadow="true"}"#, 4),
        ("rate_limit_remembered_denials_total{}", 1),
        ("rate_limit_degraded_checks_total{}", 1),
    ] {
        assert_eq!(gauges.count(counter), expected, "{counter}");
    }
}
