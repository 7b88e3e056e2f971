//! Bad days of the provider that end by themselves: faults that some of its calls meet for a while, in place of those that are on.
//!
//! Who asks for one need not take it back, and so cannot forget to, or die before. What is on besides stays as it is, and
//! several spells at once do not know of each other.

use std::{
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use common::problem::FieldError;
use serde::{Deserialize, Serialize};

use super::{
    draw,
    settings::{FaultSettings, wrong},
};

/// No spell lasts longer, in seconds.
const LONGEST: u32 = 3600;

/// The JSON of `POST /faults/spells`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spell {
    /// How long it lasts from now on: an hour at most.
    pub seconds: u32,
    /// The share of the calls to the provider that it strikes, from 0 to 1. What these meet is decided by its faults alone, but for declines.
    pub share: f64,
    /// What goes wrong. Its `decline_rate` says nothing: whether a card is declined does not depend on the weather.
    pub faults: FaultSettings,
}

impl Spell {
    /// Says what is wrong with each field that makes no sense.
    pub(super) fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        if !(1..=LONGEST).contains(&self.seconds) {
            errors.push(wrong("/seconds", &format!("must be between 1 and {LONGEST}")));
        }
        if !(0.0..=1.0).contains(&self.share) {
            errors.push(wrong("/share", "must be between 0 and 1"));
        }
        for FieldError { pointer, detail } in self.faults.check().err().unwrap_or_default() {
            errors.push(wrong(&format!("/faults{pointer}"), &detail));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// The spells of one set of faults.
#[derive(Debug, Default)]
pub(super) struct Spells(RwLock<Vec<(Instant, Spell)>>);

impl Spells {
    pub(super) fn begin(&self, spell: Spell) {
        let until = Instant::now() + Duration::from_secs(spell.seconds.into());
        let mut spells = self.0.write().unwrap_or_else(PoisonError::into_inner);
        spells.retain(|(until, _)| *until > Instant::now());
        spells.push((until, spell));
    }

    /// Those that are on.
    pub(super) fn now(&self) -> Vec<Spell> {
        let (spells, now) = (self.0.read().unwrap_or_else(PoisonError::into_inner), Instant::now());
        spells.iter().filter(|(until, _)| *until > now).map(|(_, spell)| spell.clone()).collect()
    }
}

/// What the `call`-th call about `subject` meets while `settings` and `spells` are on.
pub(super) fn met(settings: &FaultSettings, spells: &[Spell], subject: &str, call: u32) -> FaultSettings {
    let struck = spells.iter().enumerate().find(|(number, spell)| {
        // Drawn apart from each other, and from what the call's own fate is drawn from.
        draw::share(settings.seed, &format!("spell {number} {subject}"), call) < spell.share
    });
    match struck {
        None => settings.clone(),
        Some((_, spell)) => {
            let (seed, decline_rate) = (settings.seed, settings.decline_rate);
            FaultSettings { seed, decline_rate, ..spell.faults.clone() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(share: f64, faults: FaultSettings) -> Spell {
        Spell { seconds: 60, share, faults }
    }

    #[test]
    fn spells_strike_their_share_each_and_the_rest_meets_what_is_on() {
        let settings = FaultSettings { decline_rate: 0.3, ..FaultSettings::default() };
        let failing = FaultSettings { error_rate: 1.0, decline_rate: 1.0, ..FaultSettings::default() };
        let resetting = FaultSettings { reset_rate: 1.0, ..FaultSettings::default() };
        let spells = [spell(0.2, failing), spell(0.5, resetting)];
        let met: Vec<_> = (0..10_000).map(|key| met(&settings, &spells, &format!("key-{key}"), 1)).collect();
        let share = |is: fn(&FaultSettings) -> bool| {
            f64::from(u32::try_from(met.iter().filter(|met| is(met)).count()).unwrap()) / 10_000.0
        };
        assert!((share(|met| met.error_rate > 0.0) - 0.2).abs() < 0.02);
        assert!((share(|met| met.reset_rate > 0.0) - 0.8 * 0.5).abs() < 0.02);
        assert!(met.iter().all(|met| (met.decline_rate - 0.3).abs() < f64::EPSILON));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let wrong = Spell {
            seconds: 0,
            share: 1.5,
            faults: FaultSettings { error_rate: 2.0, ..FaultSettings::default() },
        };
        let errors = wrong.check().unwrap_err();
        let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/seconds", "/share", "/faults/error_rate"]);
        assert!(spell(0.2, FaultSettings::default()).check().is_ok());
    }
}
