use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::super::StreamId;

/// The entries that one consumer has taken and whose outcome is not in Redis yet. There are never more than a limit,
/// because no more are read than there is room for: so none ages in a buffer behind others.
pub(super) struct InHand {
    entries: Mutex<HashSet<StreamId>>,
    limit: usize,
    changed: Notify,
}

impl InHand {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: Mutex::default(), limit: limit.max(1), changed: Notify::new() }
    }

    fn entries(&self) -> MutexGuard<'_, HashSet<StreamId>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, ids: impl Iterator<Item = StreamId>) {
        self.entries().extend(ids);
    }

    pub(super) fn put_down(&self, ids: impl Iterator<Item = StreamId>) {
        let mut entries = self.entries();
        for id in ids {
            entries.remove(&id);
        }
        drop(entries);
        self.changed.notify_waiters();
    }

    pub(super) fn ids(&self) -> Vec<StreamId> {
        self.entries().iter().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }

    /// How many more may be taken; waits a little if none may.
    pub(super) async fn room(&self, patience: Duration) -> usize {
        let _ = timeout(patience, self.until(|in_hand| in_hand < self.limit)).await;
        self.limit.saturating_sub(self.len())
    }

    /// Waits until everything was put down.
    pub(super) async fn empty(&self) {
        self.until(|in_hand| in_hand == 0).await;
    }

    async fn until(&self, holds: impl Fn(usize) -> bool) {
        loop {
            // Listens before it looks, so that no change falls in between.
            let changed = self.changed.notified();
            if holds(self.len()) {
                return;
            }
            changed.await;
        }
    }
}
