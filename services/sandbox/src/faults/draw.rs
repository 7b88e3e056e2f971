//! The decisions, each drawn from the seed, the subject (for a charge its idempotency key) and how many-th call of
//! that subject it is. The order in which calls arrive plays no part, so a run can be repeated however concurrent.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use xxhash_rust::xxh3::Xxh3;

use super::settings::{FaultSettings, LONGEST_WAIT, Latency};

/// What goes wrong with a call's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    Error,
    Reset,
    Timeout,
}

/// Everything that is decided about one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) latency: Duration,
    /// Strikes before anything is charged.
    pub(crate) before_charge: Option<Mishap>,
    /// Strikes when the charge is in the books.
    pub(crate) after_charge: Option<Mishap>,
    /// Whether the answer comes twice.
    pub(crate) answered_twice: bool,
    /// Whether the charge is declined; the same for every call of one key.
    pub(crate) declined: bool,
}

/// The fate of the `call`-th call (from 1) about `subject`.
pub(crate) fn draw(settings: &FaultSettings, subject: &str, call: u32) -> Fate {
    let mut of_call = generator(settings.seed, subject, call);
    let mishap = mishap(settings, of_call.random());
    let latency = latency(settings.latency, &mut of_call);
    // No call has the number 0, so this is what all calls of the subject have in common.
    let declined = generator(settings.seed, subject, 0).random::<f64>() < settings.decline_rate;
    Fate { latency, declined, ..mishap }
}

/// Where the `call`-th call about `subject` stands among all calls, from 0 to 1.
pub(super) fn share(seed: u64, subject: &str, call: u32) -> f64 {
    generator(seed, subject, call).random()
}

/// Both halves are stable by definition (XXH3 and `ChaCha8`), so that a seed means the same with every build.
fn generator(seed: u64, subject: &str, call: u32) -> ChaCha8Rng {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(subject.as_bytes());
    hash.update(&call.to_le_bytes());
    ChaCha8Rng::seed_from_u64(hash.digest())
}

/// The mishaps share the interval from 0 to 1, each taking as much of it as its rate.
fn mishap(settings: &FaultSettings, mut draw: f64) -> Fate {
    let before = |mishap| Fate { before_charge: Some(mishap), ..Fate::default() };
    let after = |mishap| Fate { after_charge: Some(mishap), ..Fate::default() };
    let mut strikes = |rate: f64| {
        let hit = (0.0..rate).contains(&draw);
        draw -= rate;
        hit
    };
    if strikes(settings.error_rate) {
        before(Mishap::Error)
    } else if strikes(settings.reset_rate) {
        before(Mishap::Reset)
    } else if strikes(settings.error_after_charge_rate) {
        after(Mishap::Error)
    } else if strikes(settings.reset_after_charge_rate) {
        after(Mishap::Reset)
    } else if strikes(settings.timeout_rate) {
        after(Mishap::Timeout)
    } else if strikes(settings.twice_rate) {
        Fate { answered_twice: true, ..Fate::default() }
    } else {
        Fate::default()
    }
}

fn latency(latency: Latency, generator: &mut ChaCha8Rng) -> Duration {
    match latency {
        Latency::None {} => Duration::ZERO,
        Latency::Fixed { ms } => Duration::from_millis(ms.into()),
        Latency::Uniform { min_ms, max_ms } => {
            Duration::from_millis(generator.random_range(min_ms..=max_ms).into())
        }
        Latency::LogNormal { median_ms, p99_ms } => {
            // The quantile of the standard normal distribution at 0.99.
            const Z_99: f64 = 2.326_347_874_040_841;
            let (median, p99) = (f64::from(median_ms), f64::from(p99_ms));
            let normal: f64 = StandardNormal.sample(generator);
            let ms = median * ((p99 / median).ln() / Z_99 * normal).exp();
            // The distribution has no upper end.
            Duration::from_secs_f64((ms / 1000.0).min(LONGEST_WAIT.as_secs_f64()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(settings: &FaultSettings) -> Vec<Fate> {
        (0..10_000).map(|key| draw(settings, &format!("key-{key}"), 1)).collect()
    }

    fn share(fates: &[Fate], is: impl Fn(&Fate) -> bool) -> f64 {
        let hits = u32::try_from(fates.iter().filter(|fate| is(fate)).count()).unwrap();
        f64::from(hits) / 10_000.0
    }

    #[test]
    fn every_fault_happens_as_often_as_its_rate_says() {
        let settings = FaultSettings {
            decline_rate: 0.3,
            error_rate: 0.1,
            reset_rate: 0.2,
            error_after_charge_rate: 0.05,
            reset_after_charge_rate: 0.15,
            timeout_rate: 0.25,
            ..FaultSettings::default()
        };
        let fates = fates(&settings);
        for (measured, rate) in [
            (share(&fates, |fate| fate.declined), 0.3),
            (share(&fates, |fate| fate.before_charge == Some(Mishap::Error)), 0.1),
            (share(&fates, |fate| fate.before_charge == Some(Mishap::Reset)), 0.2),
            (share(&fates, |fate| fate.after_charge == Some(Mishap::Error)), 0.05),
            (share(&fates, |fate| fate.after_charge == Some(Mishap::Reset)), 0.15),
            (share(&fates, |fate| fate.after_charge == Some(Mishap::Timeout)), 0.25),
        ] {
            assert!((measured - rate).abs() < 0.02, "{measured} instead of {rate}");
        }
    }

    #[test]
    fn a_rate_of_one_strikes_every_call_and_a_rate_of_zero_none() {
        let always = FaultSettings { timeout_rate: 1.0, decline_rate: 1.0, ..FaultSettings::default() };
        assert!(
            fates(&always).iter().all(|fate| fate.after_charge == Some(Mishap::Timeout) && fate.declined)
        );
        assert!(fates(&FaultSettings::default()).iter().all(|fate| *fate == Fate::default()));
    }

    #[test]
    fn log_normal_latency_has_the_median_and_the_99th_percentile_asked_for() {
        let latency = Latency::LogNormal { median_ms: 50, p99_ms: 400 };
        let settings = FaultSettings { latency, ..FaultSettings::default() };
        let mut waits: Vec<_> = fates(&settings).into_iter().map(|fate| fate.latency.as_secs_f64()).collect();
        waits.sort_by(f64::total_cmp);
        assert!((0.047..0.053).contains(&waits[5_000]), "median {}", waits[5_000]);
        assert!((0.350..0.450).contains(&waits[9_900]), "p99 {}", waits[9_900]);
    }

    #[test]
    fn another_seed_or_another_call_draws_anew_but_a_decline_sticks_to_its_key() {
        let settings = FaultSettings { error_rate: 0.5, decline_rate: 0.5, ..FaultSettings::default() };
        let reseeded = FaultSettings { seed: 1, ..settings.clone() };
        assert_ne!(fates(&settings), fates(&reseeded));
        let calls: Vec<Fate> = (1..100).map(|call| draw(&settings, "key", call)).collect();
        assert!(calls.iter().any(|fate| fate.before_charge.is_some()));
        assert!(calls.iter().any(|fate| fate.before_charge.is_none()));
        assert!(calls.iter().all(|fate| fate.declined == calls[0].declined));
    }

    #[test]
    fn a_seed_means_the_same_with_every_build() {
        let latency = Latency::Uniform { min_ms: 0, max_ms: 60_000 };
        let settings = FaultSettings { seed: 42, latency, ..FaultSettings::default() };
        assert_eq!(draw(&settings, "key", 1).latency, Duration::from_millis(46_630));
    }
}
