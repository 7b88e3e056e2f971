use std::{sync::Arc, time::Duration};

use super::{
    ask::Ask,
    gcra::{Answer, Rate},
    options::OnFailure,
    policy::Policy,
    scripts::Refund,
};

/// What became of a check, and how things stand after it.
#[derive(Debug)]
#[must_use = "a verdict that nobody looks at limits nothing"]
pub struct Verdict {
    outcome: Outcome,
    parts: Vec<Part>,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every policy had room, and the cost was taken from all of them. Or Redis did not say, and the limiter is
    /// [`OnFailure::Open`].
    Allowed,
    /// A policy had no room, and nothing was taken.
    Denied {
        /// In how long the same call may be allowed, if nobody else takes anything until then. `None`: never, because it
        /// costs more than the limit.
        retry_after: Option<Duration>,
    },
    /// Redis did not say, and the limiter is [`OnFailure::Closed`]. Nobody is to blame for it: not 429, but 503.
    Unavailable,
}

/// How a subject stands with a policy after a check.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Whether the check's cost was more than what was left.
    pub is_exceeded: bool,
    /// How many units are left.
    pub remaining: u32,
    /// In how long there will be one more than that. If all are left: how long one that is used now takes to flow back.
    pub next_in: Duration,
    /// In how long all will be back.
    pub full_in: Duration,
}

/// What is known for one subject.
pub(super) struct Part {
    pub(super) ask: Arc<Ask>,
    pub(super) source: Source,
    /// For each policy; none if nobody answered.
    pub(super) answers: Vec<Answer>,
}

/// Who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Redis,
    /// This process remembers what Redis said.
    Memory,
    /// This process, by its share.
    Share {
        instances: u32,
    },
    /// Nobody: Redis did not answer.
    Silence,
    /// Nobody: another subject had been denied already.
    Unasked,
}

impl Source {
    fn rate(self, policy: &Policy) -> Rate {
        match self {
            Self::Share { instances } => policy.rate.share(instances),
            _ => policy.rate,
        }
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Part").field(&self.source).field(&self.answers).finish()
    }
}

impl Verdict {
    pub(super) fn of(parts: Vec<Part>, on_failure: OnFailure) -> Self {
        let silent = || parts.iter().any(|part| part.source == Source::Silence);
        let outcome = if parts.iter().any(Part::is_denied) {
            Outcome::Denied { retry_after: retry_after(&parts) }
        } else if on_failure == OnFailure::Closed && silent() {
            Outcome::Unavailable
        } else {
            Outcome::Allowed
        };
        Self { outcome, parts }
    }

    /// What became of the check.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the call may go on.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }

    /// Whether Redis did not answer for some subject, so that [`OnFailure`] decided.
    pub fn is_degraded(&self) -> bool {
        let is_decided_here = |part: &Part| matches!(part.source, Source::Silence | Source::Share { .. });
        self.parts.iter().any(is_decided_here)
    }

    /// The policies that denied: what a problem report (draft-ietf-httpapi-ratelimit-headers, 5.1) calls
    /// `violated-policies`.
    pub fn violated(&self) -> impl Iterator<Item = &Policy> {
        let denies = |standing: &Standing| standing.is_exceeded && !standing.policy.is_shadow();
        self.standings().filter(denies).map(|standing| standing.policy)
    }

    /// How each subject stands with each of its policies, in the order in which they were given. Those of whom nothing is known
    /// are left out.
    pub fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.parts.iter().flat_map(Part::standings)
    }

    /// What this check and another say together of one call: it may go on if both say so.
    pub fn and(mut self, other: Self) -> Self {
        if self.is_allowed() {
            self.outcome = other.outcome;
        }
        self.parts.extend(other.parts);
        self
    }

    /// Nothing was taken, because not everybody agreed: what some have taken is to be given back.
    pub(super) fn take_back(&mut self) -> Vec<(Source, Vec<Refund>)> {
        let refunds = self.refunds();
        for part in &mut self.parts {
            part.untake();
        }
        refunds
    }

    /// What was taken.
    pub(super) fn refunds(&self) -> Vec<(Source, Vec<Refund>)> {
        let refunds = self.parts.iter().map(|part| (part.source, part.refunds()));
        refunds.filter(|(_, refunds)| !refunds.is_empty()).collect()
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

impl Part {
    pub(super) fn is_denied(&self) -> bool {
        self.ask.is_denied(&self.answers)
    }

    /// Each policy, its rate as it was applied, its cost, and what it said.
    fn each(&self) -> impl Iterator<Item = (&Policy, Rate, u64, Answer)> {
        self.ask.policies().zip(&self.answers).map(|(policy, answer)| {
            let rate = self.source.rate(policy);
            (policy, rate, rate.cost(self.ask.units), *answer)
        })
    }

    fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.each().map(|(policy, rate, cost, answer)| {
            let ahead = answer.ahead(rate, cost).min(rate.tolerance);
            let room = rate.tolerance - ahead;
            Standing {
                policy,
                is_exceeded: answer.exceeds(),
                remaining: u32::try_from(room / rate.interval).unwrap_or(u32::MAX),
                next_in: Duration::from_micros(rate.interval - room % rate.interval),
                full_in: Duration::from_micros(ahead),
            }
        })
    }

    fn has_taken(&self) -> bool {
        self.ask.units > 0 && !self.is_denied()
    }

    fn refunds(&self) -> Vec<Refund> {
        if !self.has_taken() {
            return Vec::new();
        }
        let taken = self.ask.keys.iter().zip(self.each()).filter(|(_, (.., answer))| !answer.exceeds());
        taken
            .map(|(key, (_, rate, cost, _))| Refund { key: key.clone(), cost, tolerance: rate.tolerance })
            .collect()
    }

    fn untake(&mut self) {
        if !self.has_taken() {
            return;
        }
        for (policy, answer) in self.ask.policies().zip(&mut self.answers) {
            if let Answer::Fits { ahead } = answer {
                *ahead = ahead.saturating_sub(self.source.rate(policy).cost(self.ask.units));
            }
        }
    }
}

/// When all who deny will have room. `None` if one of them never will.
fn retry_after(parts: &[Part]) -> Option<Duration> {
    let mut longest = Duration::ZERO;
    for part in parts {
        for (policy, rate, _, answer) in part.each() {
            if let Answer::Exceeds { wait } = answer
                && !policy.is_shadow()
            {
                if u64::from(part.ask.units) > rate.limit() {
                    return None;
                }
                longest = longest.max(Duration::from_micros(wait));
            }
        }
    }
    Some(longest)
}
