use std::time::{Duration, Instant};

use super::{
    ask::Ask,
    gcra::{self, Answer},
    scripts::Refund,
    tats::{Open, Tat, Tats},
};

/// This instance's share of the limits, for when Redis is away. By the monotonic clock, so that no step of a wall clock
/// changes anything.
pub(super) struct Shares(Tats);

impl Shares {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Tats::new(capacity))
    }

    /// Checks all policies and takes the cost from all or none, as Redis would do of the whole.
    pub(super) fn check(&self, ask: &Ask, instances: u32) -> Vec<Answer> {
        let (mut tats, now) = (self.0.open(), Instant::now());
        let questions = ask.questions(|policy| policy.rate.share(instances), |key| tats.ahead(key, now));
        let answers = gcra::check(&questions);
        for (key, answer) in ask.keys.iter().zip(&answers) {
            if let Answer::Fits { ahead } = *answer {
                set(&mut tats, key, now, ahead);
            }
        }
        answers
    }

    pub(super) fn refund(&self, refunds: &[Refund]) {
        let (mut tats, now) = (self.0.open(), Instant::now());
        for refund in refunds {
            let left = tats.ahead(&refund.key, now).saturating_sub(refund.cost);
            set(&mut tats, &refund.key, now, left);
        }
    }

    pub(super) fn forget(&self, keys: &[String]) {
        self.0.forget(keys);
    }
}

fn set(tats: &mut Open<'_>, key: &str, now: Instant, ahead: u64) {
    if ahead == 0 {
        return tats.forget(key);
    }
    let at = now + Duration::from_micros(ahead);
    tats.set(key, Tat { at, until: at });
}
