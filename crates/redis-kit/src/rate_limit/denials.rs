use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{
    ask::Ask,
    gcra::{self, Answer},
    tats::{Tat, Tats},
};

/// What was denied a moment ago and would be denied again, so that Redis need not be asked.
///
/// Remembered is how far ahead policies were, counted from before they were asked: by Redis's clock they are ahead by at least
/// as much, so nothing is denied for longer than it would be there. Only what others give back meanwhile is noticed late, and what
/// a step of Redis's clock would free: when the memory ends.
pub(super) struct Denials {
    tats: Tats,
    kept: Duration,
    /// Grows whenever something is forgotten, so that an answer from before that is not remembered after it.
    forgotten: AtomicU64,
}

/// When something was asked.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    at: Instant,
    forgotten: u64,
}

impl Denials {
    pub(super) fn new(capacity: usize, kept: Duration) -> Self {
        Self { tats: Tats::new(capacity), kept, forgotten: AtomicU64::new(0) }
    }

    pub(super) fn now(&self) -> Asked {
        Asked { at: Instant::now(), forgotten: self.forgotten.load(Ordering::SeqCst) }
    }

    /// The answers to what would be denied.
    pub(super) fn recall(&self, ask: &Ask, now: Asked) -> Option<Vec<Answer>> {
        let questions = {
            let tats = self.tats.open();
            if tats.is_empty() {
                return None;
            }
            ask.questions(|policy| policy.rate, |key| tats.ahead(key, now.at))
        };
        let answers = gcra::check(&questions);
        ask.is_denied(&answers).then_some(answers)
    }

    /// Remembers what Redis answered, if it denied.
    pub(super) fn remember(&self, ask: &Ask, answers: &[Answer], asked: Asked) {
        if self.kept.is_zero() || !ask.is_denied(answers) {
            return;
        }
        let mut tats = self.tats.open();
        if self.forgotten.load(Ordering::SeqCst) != asked.forgotten {
            return;
        }
        for ((policy, key), answer) in ask.policies().zip(&ask.keys).zip(answers) {
            let ahead = answer.ahead(policy.rate, policy.rate.cost(ask.units));
            tats.set(key, Tat { at: asked.at + Duration::from_micros(ahead), until: asked.at + self.kept });
        }
    }

    pub(super) fn forget(&self, keys: &[String]) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.tats.forget(keys);
    }
}
