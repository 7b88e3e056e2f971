//! The names of a cache, spelled here and nowhere else.

use crate::beside::beside;

/// Where invalidations are told, by the entry's key. One channel for all entries, so that an instance hears of all by one
/// subscription.
pub(super) const INVALIDATED: &str = "redis-kit:cache:invalidated";

/// Where it is told, by the entry's key, that a load for which somebody waits has ended, well or not.
pub(super) const SETTLED: &str = "redis-kit:cache:settled";

/// An entry's key and what stands beside it, in one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKeys {
    /// The entry itself, a string of JSON: the value, and how long it is fresh.
    pub entry: String,
    /// `<key>:lease`, or `{<key>}:lease` for a key without a hash tag; a string: the token of the one who is loading the
    /// entry, for as long as he may take.
    pub lease: String,
}

impl CacheKeys {
    /// The keys of the entry `key`. Without a hash tag of its own it must not contain `}`, or a cluster refuses it, because
    /// its lease then stands in another slot.
    pub fn new(key: impl Into<String>) -> Self {
        let entry = key.into();
        Self { lease: beside(&entry, "lease"), entry }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stands_at_its_key_and_the_lease_beside_it() {
        let keys = CacheKeys::new("product:17");
        assert_eq!((&*keys.entry, &*keys.lease), ("product:17", "{product:17}:lease"));
        assert_eq!(CacheKeys::new("user:{17}").lease, "user:{17}:lease");
    }
}
