use metrics::{Counter, counter};

use super::verdict::{Outcome, Source, Verdict};

/// What is counted of a limiter. No label is of a subject, of which there may be any number.
pub(super) struct RateLimitMetrics {
    allowed: Counter,
    denied: Counter,
    unavailable: Counter,
    /// Denials that Redis was not asked for.
    remembered: Counter,
    /// Checks that Redis did not answer for some subject, so that the failure policy decided.
    degraded: Counter,
    /// Refunds that did not reach Redis.
    pub(super) refunds_lost: Counter,
}

impl RateLimitMetrics {
    pub(super) fn new() -> Self {
        let checks = |outcome: &'static str| counter!("rate_limit_checks_total", "outcome" => outcome);
        Self {
            allowed: checks("allowed"),
            denied: checks("denied"),
            unavailable: checks("unavailable"),
            remembered: counter!("rate_limit_remembered_denials_total"),
            degraded: counter!("rate_limit_degraded_checks_total"),
            refunds_lost: counter!("rate_limit_refunds_lost_total"),
        }
    }

    pub(super) fn count(&self, verdict: &Verdict) {
        // Where nobody was asked about, nothing was checked.
        if verdict.parts().is_empty() {
            return;
        }
        let outcome = match verdict.outcome() {
            Outcome::Allowed => &self.allowed,
            Outcome::Denied { .. } => &self.denied,
            Outcome::Unavailable => &self.unavailable,
        };
        outcome.increment(1);
        if verdict.is_degraded() {
            self.degraded.increment(1);
        }
        if verdict.parts().iter().any(|part| part.source == Source::Memory) {
            self.remembered.increment(1);
        }
        for standing in verdict.standings().filter(|standing| standing.is_exceeded) {
            let (policy, is_shadow) = (standing.policy.name().to_owned(), standing.policy.is_shadow());
            let shadow = if is_shadow { "true" } else { "false" };
            counter!("rate_limit_exceeded_total", "policy" => policy, "shadow" => shadow).increment(1);
        }
    }
}
