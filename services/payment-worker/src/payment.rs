//! What becomes of a payment, as a state machine that knows neither Redis nor HTTP.
//!
//! ```text
//! requested ──▶ charging (attempt, fence) ──▶ paid | declined        the provider has decided
//!                 ▲          │
//!                 │          ▼
//!                 └─────── unknown ──▶ parked ──▶ paid | declined     a person has decided
//! ```
//!
//! An attempt charges at first, always with the same key, and in the end only asks what became of the charge. **Nothing but
//! a definite answer ends a payment**: no answer, an error of the provider and a charge that it does not find all mean that
//! the money may have been moved or may yet be. Which attempt's answer counts is decided by the fence that it began with
//! ([`redis_kit::stream::Exclusive`]).

use std::time::Duration;

/// How far a payment is. One that was only requested has no state yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// An attempt is being made, or whoever made it has died.
    Charging,
    /// The last attempt came to no definite answer.
    Unknown,
    /// Final.
    Paid,
    /// Final.
    Declined,
    /// A person must look.
    Parked,
}

impl State {
    /// Those in which an attempt may begin; `""` is none yet.
    pub(crate) const MAY_BE_CHARGED: [&str; 3] = ["", Self::Charging.name(), Self::Unknown.name()];
    /// Those in which a person may settle it.
    pub(crate) const MAY_BE_RESOLVED: [&str; 1] = [Self::Parked.name()];

    /// As records spell it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Charging => "charging",
            Self::Unknown => "unknown",
            Self::Paid => "paid",
            Self::Declined => "declined",
            Self::Parked => "parked",
        }
    }
}

/// How long a payment is tried, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// How many attempts may charge.
    pub(crate) charges: u32,
    /// How many more may ask.
    pub(crate) asks: u32,
    /// How long the provider remembers a key. A charge with one that it has forgotten would be a second charge.
    pub(crate) key_lifetime: Duration,
}

/// One attempt, which has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Counted from 1, also those that nobody lived to tell of.
    pub(crate) number: u32,
    /// How long ago the payment's first attempt began, which the provider may know the key from.
    pub(crate) since_first: Duration,
}

/// What an attempt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Charge, or learn what an earlier charge with the same key came to.
    Charge,
    /// Ask what became of the charge, without making one.
    Ask,
}

/// What the provider's answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The money was moved.
    Charged { charge_id: String },
    /// The money will not be moved.
    Declined { code: String },
    /// The provider does not accept the request itself, so that repeating it is no use.
    Refused { reason: String },
    /// It knows of no charge: none was made, or it is still on its way.
    NotFound,
    /// Nothing about the charge.
    Unknown { reason: String },
}

/// What becomes of a payment by an attempt's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Final.
    Paid { charge_id: String },
    /// Final.
    Declined { code: String },
    /// A person must look.
    Parked { reason: String },
    /// Another attempt, later.
    Again { reason: String },
}

impl Next {
    /// The state that the payment is in then, and what is to be known of how it came there.
    pub(crate) fn state(&self) -> (State, &str) {
        match self {
            Self::Paid { charge_id } => (State::Paid, charge_id),
            Self::Declined { code } => (State::Declined, code),
            Self::Parked { reason } => (State::Parked, reason),
            Self::Again { reason } => (State::Unknown, reason),
        }
    }
}

impl Policy {
    /// What this attempt is to do.
    pub(crate) fn step(&self, attempt: Attempt) -> Step {
        if attempt.number <= self.charges && attempt.since_first < self.key_lifetime {
            Step::Charge
        } else {
            Step::Ask
        }
    }

    /// What follows from its answer.
    pub(crate) fn next(&self, attempt: Attempt, answer: Answer) -> Next {
        let reason = match answer {
            Answer::Charged { charge_id } => return Next::Paid { charge_id },
            Answer::Declined { code } => return Next::Declined { code },
            Answer::Refused { reason } => return Next::Parked { reason },
            Answer::NotFound => "the provider knows of no charge".to_owned(),
            Answer::Unknown { reason } => reason,
        };
        if attempt.number < self.charges + self.asks {
            return Next::Again { reason };
        }
        let number = attempt.number;
        Next::Parked { reason: format!("no definite answer in {number} attempts; the last: {reason}") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy { charges: 3, asks: 2, key_lifetime: Duration::from_secs(100) };

    fn attempt(number: u32, seconds: u64) -> Attempt {
        Attempt { number, since_first: Duration::from_secs(seconds) }
    }

    fn unknown() -> Answer {
        Answer::Unknown { reason: "the provider answered 500".into() }
    }

    #[test]
    fn it_charges_first_and_asks_in_the_end() {
        let steps: Vec<Step> = (1..=6).map(|number| POLICY.step(attempt(number, 0))).collect();
        assert_eq!(steps, [Step::Charge, Step::Charge, Step::Charge, Step::Ask, Step::Ask, Step::Ask]);
    }

    #[test]
    fn beyond_the_keys_lifetime_it_only_asks() {
        assert_eq!(POLICY.step(attempt(2, 99)), Step::Charge);
        assert_eq!(POLICY.step(attempt(2, 100)), Step::Ask);
    }

    #[test]
    fn definite_answers_end_it_at_any_attempt() {
        for number in [1, 5, 99] {
            let charged = Answer::Charged { charge_id: "ch_1".into() };
            assert_eq!(POLICY.next(attempt(number, 0), charged), Next::Paid { charge_id: "ch_1".into() });
            let declined = Answer::Declined { code: "no".into() };
            assert_eq!(POLICY.next(attempt(number, 0), declined), Next::Declined { code: "no".into() });
            let refused = Answer::Refused { reason: "422".into() };
            assert_eq!(POLICY.next(attempt(number, 0), refused), Next::Parked { reason: "422".into() });
        }
    }

    #[test]
    fn ambiguous_ones_are_followed_by_another_attempt_until_the_last() {
        for answer in [unknown(), Answer::NotFound] {
            for number in 1..5 {
                let next = POLICY.next(attempt(number, 0), answer.clone());
                assert!(matches!(next, Next::Again { .. }), "{number}: {next:?}");
            }
            for number in [5, 6, 99] {
                let next = POLICY.next(attempt(number, 0), answer.clone());
                assert!(matches!(next, Next::Parked { .. }), "{number}: {next:?}");
            }
        }
    }

    #[test]
    fn a_parked_payment_says_what_a_person_needs_to_know() {
        let Next::Parked { reason } = POLICY.next(attempt(5, 0), unknown()) else { panic!("not parked") };
        assert_eq!(reason, "no definite answer in 5 attempts; the last: the provider answered 500");
    }

    /// What happens to one attempt.
    #[derive(Clone, Copy, Debug)]
    enum Fate {
        Answered,
        /// The provider never heard of it.
        Unheard,
        /// It was carried out, and the answer was lost or the worker died.
        Unanswered,
        /// It never left, because the worker died.
        Died,
    }

    /// A provider that makes a second charge for a key that it has forgotten.
    #[derive(Default)]
    struct Provider {
        charges: Vec<Duration>,
    }

    impl Provider {
        fn take(&mut self, step: Step, now: Duration) -> Answer {
            let known = self.charges.last().is_some_and(|at| now < *at + POLICY.key_lifetime);
            if step == Step::Charge && !known {
                self.charges.push(now);
            }
            match self.charges.last() {
                Some(_) => Answer::Charged { charge_id: "ch".into() },
                None => Answer::NotFound,
            }
        }
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![Just(Fate::Answered), Just(Fate::Unheard), Just(Fate::Unanswered), Just(Fate::Died)]
    }

    proptest! {
        /// Whatever happens and however long it takes, no payment is charged twice, and it ends after as many attempts as
        /// it may have and those that died at last.
        #[test]
        fn money_is_moved_once_at_most(fates in prop::collection::vec((fate(), 0_u64..80), 0..12)) {
            let (mut provider, mut now) = (Provider::default(), Duration::ZERO);
            let healthy = (0..6).map(|_| (Fate::Answered, 10));
            for (number, (fate, pause)) in (1..).zip(fates.into_iter().chain(healthy)) {
                let this = Attempt { number, since_first: now };
                let step = POLICY.step(this);
                let answer = match fate {
                    Fate::Answered => Some(provider.take(step, now)),
                    Fate::Unheard => Some(unknown()),
                    Fate::Unanswered => {
                        provider.take(step, now);
                        Some(unknown())
                    }
                    Fate::Died => None,
                };
                prop_assert!(provider.charges.len() <= 1, "charged at {:?}", provider.charges);
                match answer.map(|answer| POLICY.next(this, answer)) {
                    Some(Next::Paid { .. }) => {
                        prop_assert_eq!(provider.charges.len(), 1);
                        return Ok(());
                    }
                    Some(Next::Parked { .. }) => {
                        prop_assert!(number >= POLICY.charges + POLICY.asks);
                        return Ok(());
                    }
                    _ => now += Duration::from_secs(pause),
                }
            }
            prop_assert!(false, "it came to no end");
        }
    }
}
