use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use quick_cache::{Weighter, sync};

use super::entry::Entry;
use crate::pubsub::SubscriptionStatus;

/// About what a copy takes beside its key and its JSON: in the table, and for being decoded.
const OVERHEAD: u64 = 200;

/// No subscription, which are counted from 1.
const NONE: u64 = 0;

/// Copies of entries in this process, of all types of values, bounded by their size.
///
/// They count only while invalidations are heard, of which the subscription in force is `since`: between its loss and
/// the flush that follows the next one nothing is found here.
pub(super) struct Near {
    copies: sync::Cache<Arc<str>, Copy, BySize>,
    hearing: SubscriptionStatus,
    /// The subscription for which they were last flushed.
    since: AtomicU64,
}

#[derive(Clone)]
struct Copy {
    /// An [`Entry`] of some type.
    entry: Arc<dyn Any + Send + Sync>,
    /// Until when it answers for Redis. It is kept beyond that, for when Redis does not answer.
    until: Instant,
    bytes: u32,
}

/// A copy as it is found.
pub(super) struct Found<T> {
    pub(super) entry: Arc<Entry<T>>,
    pub(super) until: Instant,
}

#[derive(Clone)]
struct BySize;

impl Weighter<Arc<str>, Copy> for BySize {
    fn weight(&self, key: &Arc<str>, copy: &Copy) -> u64 {
        OVERHEAD + key.len() as u64 + u64::from(copy.bytes)
    }
}

impl Near {
    pub(super) fn new(bytes: u64, hearing: SubscriptionStatus) -> Self {
        // How many they will be only sizes the memory of what was evicted.
        let expected = usize::try_from(bytes / (4 * OVERHEAD)).unwrap_or(usize::MAX);
        let copies = sync::Cache::with_weighter(expected, bytes, BySize);
        Self { copies, hearing, since: AtomicU64::new(NONE) }
    }

    /// The copy at a key, if it is of this type.
    pub(super) fn get<T: Send + Sync + 'static>(&self, key: &str) -> Option<Found<T>> {
        if !self.counts() {
            return None;
        }
        let Copy { entry, until, .. } = self.copies.get(key)?;
        Some(Found { entry: entry.downcast().ok()?, until })
    }

    pub(super) fn insert<T: Send + Sync + 'static>(
        &self,
        key: &Arc<str>,
        entry: Arc<Entry<T>>,
        until: Instant,
    ) {
        if self.counts() {
            let bytes = u32::try_from(entry.bytes).unwrap_or(u32::MAX);
            self.copies.insert(Arc::clone(key), Copy { entry, until, bytes });
        }
    }

    pub(super) fn remove(&self, key: &str) {
        self.copies.remove(key);
    }

    /// Begins anew with the subscription of this number.
    pub(super) fn flush(&self, subscription: u64) {
        self.copies.clear();
        self.since.store(subscription, Ordering::Release);
    }

    /// Whether everything is heard that was invalidated since the last flush.
    pub(super) fn counts(&self) -> bool {
        self.hearing.turn() == Some(self.since.load(Ordering::Acquire))
    }
}
