//! The names beside a lock, spelled here and nowhere else.

use crate::beside::beside;

/// Where a release is told, by the lock's key, if somebody waits for it. One channel for all locks, so that one
/// subscription hears of them all.
pub(super) const RELEASED: &str = "redis-kit:lock:released";

/// A lock's key and what stands beside it, all in one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockKeys {
    /// The lock itself, a string: its owner's id, for as long as it is held.
    pub lock: String,
    /// `<key>:fence`, or `{<key>}:fence` for a key without a hash tag; a string: the last fencing token. Kept for ten
    /// minutes after the last acquisition.
    pub fence: String,
    /// `<key>:waiters`, or `{<key>}:waiters`, a string: there while somebody waits for the lock.
    pub waiters: String,
}

impl LockKeys {
    /// The keys of the lock `key`. Without a hash tag of its own it must not contain `}`, or a cluster refuses it,
    /// because its fence then stands in another slot.
    pub fn new(key: impl Into<String>) -> Self {
        let lock = key.into();
        Self { fence: beside(&lock, "fence"), waiters: beside(&lock, "waiters"), lock }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_beside_a_lock_share_its_slot() {
        let keys = LockKeys::new("lock:payment:{3}:17");
        assert_eq!(keys.fence, "lock:payment:{3}:17:fence");
        assert_eq!(keys.waiters, "lock:payment:{3}:17:waiters");
        let keys = LockKeys::new("nightly");
        assert_eq!(
            (&*keys.lock, &*keys.fence, &*keys.waiters),
            ("nightly", "{nightly}:fence", "{nightly}:waiters")
        );
    }
}
