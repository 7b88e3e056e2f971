use std::{sync::Arc, time::Duration};

use super::gcra::Rate;
use crate::plain_name::is_plain_name;

/// A limit that has a name: so many units in a period.
///
/// The name stands for this limit wherever it is used, and is told to clients. All who use it for a subject take from
/// the same units; so two limits must not have the same name. (Whoever changes a limit may keep its name.)
#[derive(Clone, Debug)]
pub struct Policy {
    name: Arc<str>,
    limit: u32,
    period: Duration,
    is_shadow: bool,
    pub(super) rate: Rate,
}

/// Why a limit cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimit {
    /// A policy's name is part of keys and of header fields.
    #[error("the policy's name {0:?} is not 1 to 64 letters, digits, '-', '_' or '.' of ASCII")]
    Name(String),
    /// The limit cannot be counted in whole microseconds.
    #[error(
        "{limit} in {period:?} cannot be counted: neither may be 0, the period at most 71 years, and a unit has to flow back in whole microseconds, to within a hundredth"
    )]
    Rate {
        /// The units.
        limit: u32,
        /// In which time.
        period: Duration,
    },
    /// A subject's policies are checked in one step.
    #[error("a subject has 1 to {MOST_POLICIES} policies, and not {0}")]
    Count(usize),
    /// The cost of a call would be taken twice.
    #[error("two policies of a subject have the name {0:?}")]
    Twice(String),
    /// The subject would not be the key's hash tag any more.
    #[error("the prefix {0:?} contains a brace")]
    Prefix(String),
}

impl Policy {
    /// A limit of so many units in a period: "10 per minute". As many may be used at once, and flow back one by one.
    pub fn new(name: &str, limit: u32, period: Duration) -> Result<Self, InvalidLimit> {
        if !is_plain_name(name) {
            return Err(InvalidLimit::Name(name.into()));
        }
        let micros = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        let rate = Rate::new(limit.into(), micros).ok_or(InvalidLimit::Rate { limit, period })?;
        Ok(Self { name: name.into(), limit, period, is_shadow: false, rate })
    }

    /// The same, but it never denies. Whatever it would deny is counted and reported, and costs nothing, as if it had been
    /// denied: to try a limit out.
    #[must_use]
    pub fn shadow(self) -> Self {
        Self { is_shadow: true, ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many units may be used at once.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// In which time they all flow back.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Whether it only reports.
    pub fn is_shadow(&self) -> bool {
        self.is_shadow
    }
}

/// A script names them all at once, and up to 256 subjects share a call: together fewer than Lua can unpack.
const MOST_POLICIES: usize = 16;

/// The policies of a kind of subjects, checked together. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Policies(Arc<[Policy]>);

impl Policies {
    /// Between 1 and 16 policies of different names.
    pub fn new(policies: impl Into<Vec<Policy>>) -> Result<Self, InvalidLimit> {
        let policies = policies.into();
        if !(1..=MOST_POLICIES).contains(&policies.len()) {
            return Err(InvalidLimit::Count(policies.len()));
        }
        for (place, policy) in policies.iter().enumerate() {
            if policies[..place].iter().any(|other| other.name == policy.name) {
                return Err(InvalidLimit::Twice(policy.name().into()));
            }
        }
        Ok(Self(policies.into()))
    }

    pub(super) fn each(&self) -> std::slice::Iter<'_, Policy> {
        self.0.iter()
    }
}

impl From<Policy> for Policies {
    fn from(policy: Policy) -> Self {
        Self([policy].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn names_are_safe_in_keys_and_fields() {
        for name in ["", "a b", "a\"b", "{a}", "ä", "a\r\n", &"a".repeat(65)] {
            assert_eq!(Policy::new(name, 1, MINUTE).unwrap_err(), InvalidLimit::Name(name.into()));
        }
        assert!(Policy::new("orders.per-minute_1", 1, MINUTE).is_ok());
    }

    #[test]
    fn limits_that_cannot_be_counted_are_refused() {
        for (limit, period) in [(0, MINUTE), (1, Duration::ZERO), (1, Duration::MAX), (700_000, MINUTE / 60)]
        {
            let refused = Policy::new("a", limit, period).unwrap_err();
            assert_eq!(refused, InvalidLimit::Rate { limit, period });
        }
    }

    #[test]
    fn a_subject_has_some_policies_and_each_name_once() {
        let policy = |name: &str| Policy::new(name, 1, MINUTE).unwrap();
        assert_eq!(Policies::new([]).unwrap_err(), InvalidLimit::Count(0));
        let many: Vec<Policy> = (0..17).map(|n| policy(&n.to_string())).collect();
        assert_eq!(Policies::new(many).unwrap_err(), InvalidLimit::Count(17));
        let twice = [policy("a"), policy("b"), policy("a")];
        assert_eq!(Policies::new(twice).unwrap_err(), InvalidLimit::Twice("a".into()));
        assert!(Policies::new([policy("a"), policy("b")]).is_ok());
    }
}
