//! A verdict as HTTP says it.
//!
//! Source: draft-ietf-httpapi-ratelimit-headers-11 (23 May 2026), sections 3, 4 and 6; RFC 9110, section 10.2.3.

use std::time::Duration;

use super::{
    policy::Policy,
    verdict::{Outcome, Standing, Verdict},
};

/// The name of the field that tells the limits.
pub const RATE_LIMIT_POLICY: &str = "ratelimit-policy";

/// The name of the field that tells what is left of them.
pub const RATE_LIMIT: &str = "ratelimit";

impl Verdict {
    /// The value of `RateLimit-Policy`, such as `"orders";q=10;w=60`: the limits, without shadows. `None` if there are
    /// none. A period that is no number of whole seconds is left out, because `w` can be nothing else.
    pub fn policy_field(&self) -> Option<String> {
        let policies = self.parts().iter().flat_map(|part| part.ask.policies());
        list(policies.filter(|policy| !policy.is_shadow()).map(policy_item))
    }

    /// The value of `RateLimit`, such as `"orders";r=9;t=6`: how many units are left, and for how many seconds there will not be
    /// more, the last one begun. `None` if nothing is known, or there are only shadows.
    pub fn limit_field(&self) -> Option<String> {
        let standings = self.standings().filter(|standing| !standing.policy.is_shadow());
        list(standings.map(|standing| limit_item(&standing)))
    }

    /// The value of `Retry-After`: in how many seconds a call that was denied may be allowed, the last one begun. `None` if
    /// it was not denied, or will be denied for ever.
    pub fn retry_after_field(&self) -> Option<String> {
        match self.outcome() {
            Outcome::Denied { retry_after: Some(time) } => Some(seconds(time).to_string()),
            _ => None,
        }
    }
}

fn policy_item(policy: &Policy) -> String {
    let (name, limit, period) = (policy.name(), policy.limit(), policy.period());
    match (period.as_secs(), period.subsec_nanos()) {
        (window, 0) => format!("\"{name}\";q={limit};w={window}"),
        _ => format!("\"{name}\";q={limit}"),
    }
}

fn limit_item(standing: &Standing<'_>) -> String {
    let Standing { policy, remaining, next_in, .. } = standing;
    format!("\"{}\";r={remaining};t={}", policy.name(), seconds(*next_in))
}

fn list(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| items.join(", "))
}

/// Rounded up: rather a little late than in vain.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::{
        OnFailure, Policies, Subject,
        ask::Ask,
        gcra::Answer,
        verdict::{Part, Source},
    };

    fn verdict(answers: &[Answer], units: u32) -> Verdict {
        let policies = Policies::new([
            Policy::new("minute", 10, Duration::from_mins(1)).unwrap(),
            Policy::new("day", 1000, Duration::from_hours(24)).unwrap(),
            Policy::new("blink", 5, Duration::from_millis(500)).unwrap(),
            Policy::new("trial", 1, Duration::from_secs(1)).unwrap().shadow(),
        ]);
        let ask = Ask::new("", &Subject::new("a", &policies.unwrap()), units);
        let part = Part { ask, source: Source::Redis, answers: answers.to_vec() };
        Verdict::of(vec![part], OnFailure::Open)
    }

    const ROOM: Answer = Answer::Fits { ahead: 100_000 };

    #[test]
    fn fields_tell_the_limits_and_what_is_left() {
        let verdict = verdict(&[Answer::Fits { ahead: 6_000_000 }, ROOM, ROOM, ROOM], 1);
        assert_eq!(
            verdict.policy_field().unwrap(),
            r#""minute";q=10;w=60, "day";q=1000;w=86400, "blink";q=5"#
        );
        assert_eq!(verdict.limit_field().unwrap(), r#""minute";r=9;t=6, "day";r=999;t=1, "blink";r=4;t=1"#);
        assert_eq!(verdict.retry_after_field(), None);
    }

    #[test]
    fn a_denial_says_when_to_come_again_and_not_before_there_is_more() {
        let verdict = verdict(&[Answer::Exceeds { wait: 4_000_001 }, ROOM, ROOM, ROOM], 1);
        assert_eq!(verdict.retry_after_field().unwrap(), "5");
        assert!(verdict.limit_field().unwrap().starts_with(r#""minute";r=0;t=5, "#));
        assert_eq!(verdict.violated().map(Policy::name).collect::<Vec<_>>(), ["minute"]);
    }

    #[test]
    fn a_call_that_never_fits_is_not_to_come_again() {
        let verdict = verdict(&[Answer::Exceeds { wait: 6_000_000 }, ROOM, ROOM, ROOM], 11);
        assert_eq!(verdict.outcome(), Outcome::Denied { retry_after: None });
        assert_eq!(verdict.retry_after_field(), None);
        assert!(verdict.limit_field().unwrap().starts_with(r#""minute";r=10;t=6, "#));
    }

    #[test]
    fn of_what_nobody_knows_nothing_is_told() {
        assert_eq!(verdict(&[], 1).limit_field(), None);
    }

    #[test]
    fn a_shadow_denies_nothing() {
        let verdict = verdict(&[ROOM, ROOM, ROOM, Answer::Exceeds { wait: 1 }], 1);
        assert!(verdict.is_allowed());
        assert_eq!(verdict.violated().count(), 0);
        assert_eq!(verdict.standings().filter(|standing| standing.is_exceeded).count(), 1);
    }
}
