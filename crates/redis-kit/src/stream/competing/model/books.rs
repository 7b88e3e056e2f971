//! The model: where every entry is, as the steps so far should have left it.

use std::collections::{BTreeMap, BTreeSet};

use crate::stream::StreamId;

/// Where an entry is. There is no other place, and it is never in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Unread,
    Pending {
        consumer: usize,
        deliveries: u64,
    },
    Waiting {
        is_due: bool,
        deliveries: u64,
    },
    Done,
    Dead,
    /// It was deleted before anybody had done it.
    Lost,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) is_deleted: bool,
    pub(super) failed: u32,
    /// How often its effects were applied.
    pub(super) effects: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lease {
    Stands,
    /// It has run out, and nobody has noticed.
    Expired,
    Revoked,
}

/// Every entry and every consumer that there ever was.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    pub(super) entries: BTreeMap<StreamId, Entry>,
    pub(super) leases: Vec<Lease>,
}

impl Books {
    pub(super) fn append(&mut self, id: StreamId) {
        let entry = Entry { place: Place::Unread, is_deleted: false, failed: 0, effects: 0 };
        self.entries.insert(id, entry);
    }

    pub(super) fn entry(&mut self, id: StreamId) -> &mut Entry {
        self.entries.get_mut(&id).expect("an entry that was appended")
    }

    pub(super) fn ids(&self, is_there: impl Fn(&Entry) -> bool) -> BTreeSet<StreamId> {
        self.entries.iter().filter(|(_, entry)| is_there(entry)).map(|(id, _)| *id).collect()
    }

    pub(super) fn pending_on(&self, consumer: usize) -> BTreeSet<StreamId> {
        self.ids(|entry| matches!(entry.place, Place::Pending { consumer: other, .. } if other == consumer))
    }

    pub(super) fn has_lease(&self, consumer: usize) -> bool {
        self.leases[consumer] != Lease::Revoked
    }

    /// Takes the first that nobody has read.
    pub(super) fn read(&mut self, consumer: usize, count: usize) -> Vec<StreamId> {
        let unread = self.ids(|entry| entry.place == Place::Unread && !entry.is_deleted);
        let read: Vec<StreamId> = unread.into_iter().take(count).collect();
        for id in &read {
            self.entry(*id).place = Place::Pending { consumer, deliveries: 1 };
        }
        read
    }

    /// Whether an entry is this consumer's by this delivery.
    pub(super) fn is_held(&mut self, consumer: usize, id: StreamId, deliveries: u64) -> bool {
        self.entry(id).place == Place::Pending { consumer, deliveries }
    }

    /// The entry was deleted, and somebody has noticed.
    pub(super) fn lose(&mut self, id: StreamId) {
        let entry = self.entry(id);
        (entry.place, entry.failed) = (Place::Lost, 0);
    }

    pub(super) fn settle(&mut self, id: StreamId, place: Place) {
        let entry = self.entry(id);
        (entry.place, entry.failed) = (place, 0);
    }

    /// Ends a consumer. Returns how many entries it had, and which of them are lost.
    pub(super) fn release(&mut self, consumer: usize) -> (usize, BTreeSet<StreamId>) {
        self.leases[consumer] = Lease::Revoked;
        let pending = self.pending_on(consumer);
        let lost: BTreeSet<StreamId> =
            pending.iter().copied().filter(|id| self.entries[id].is_deleted).collect();
        for id in &pending {
            if let Place::Pending { deliveries, .. } = self.entry(*id).place {
                self.entry(*id).place = Place::Waiting { is_due: true, deliveries };
            }
        }
        for id in &lost {
            self.lose(*id);
        }
        (pending.len(), lost)
    }
}
