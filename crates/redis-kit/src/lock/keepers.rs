//! Gives a keeper to each hold that lives to its first renewal.
//!
//! Most locks are given back long before that, and a task with a timer for each would be a good part of what such a
//! lock costs. So all who hold one wait together, with one timer for the first of them.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use super::keeper::Hold;

/// When a hold is to be renewed first, and a number to tell apart those of one moment.
type Due = (Instant, u64);

/// The holds of one [`Locks`](super::Locks).
#[derive(Debug, Default)]
pub(super) struct Keepers {
    holds: Mutex<Holds>,
    sooner: Notify,
}

#[derive(Debug, Default)]
struct Holds {
    waiting: BTreeMap<Due, Arc<Hold>>,
    kept: HashMap<Due, AbortOnDropHandle<()>>,
    count: u64,
    has_clock: bool,
}

/// That a hold is kept, until this is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    keepers: Arc<Keepers>,
    due: Due,
}

impl Keepers {
    pub(super) fn keep(self: &Arc<Self>, hold: &Arc<Hold>) -> Kept {
        let mut holds = self.holds();
        holds.count += 1;
        let due = (hold.first_renewal(), holds.count);
        let is_first = holds.waiting.first_key_value().is_none_or(|(first, _)| due < *first);
        holds.waiting.insert(due, Arc::clone(hold));
        let has_clock = mem::replace(&mut holds.has_clock, true);
        drop(holds);
        if !has_clock {
            tokio::spawn(Clock(Arc::clone(self)).run());
        } else if is_first {
            self.sooner.notify_one();
        }
        Kept { keepers: Arc::clone(self), due }
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holds {
    /// Each in the runtime in which the lock was taken. In one that has ended, the lock is left to expire.
    fn give_keeper(&mut self, due: Due, hold: Arc<Hold>) {
        let runtime = hold.claim.runtime().clone();
        self.kept.insert(due, AbortOnDropHandle::new(runtime.spawn(hold.keep())));
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut holds = self.keepers.holds();
        let left = (holds.waiting.remove(&self.due), holds.kept.remove(&self.due));
        drop(holds);
        drop(left);
    }
}

/// The task that watches the time, as long as somebody waits.
struct Clock(Arc<Keepers>);

impl Clock {
    async fn run(self) {
        while let Some(next) = self.strike() {
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.0.sooner.notified() => {}
            }
        }
    }

    /// Gives a keeper to each hold that is due. Returns when the next one is; if there is none, this clock is no more.
    fn strike(&self) -> Option<Instant> {
        let (mut holds, now) = (self.0.holds(), Instant::now());
        while let Some(first) = holds.waiting.first_entry().filter(|first| first.key().0 <= now) {
            let (due, hold) = first.remove_entry();
            holds.give_keeper(due, hold);
        }
        let next = holds.waiting.first_key_value().map(|((time, _), _)| *time);
        holds.has_clock = next.is_some();
        next
    }
}

impl Drop for Clock {
    /// If its runtime ends, those who hold a lock in another one are not to suffer for it.
    fn drop(&mut self) {
        let mut holds = self.0.holds();
        if !mem::take(&mut holds.has_clock) {
            return;
        }
        for (due, hold) in mem::take(&mut holds.waiting) {
            holds.give_keeper(due, hold);
        }
    }
}
