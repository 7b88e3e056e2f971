//! Ids of those who hold a lock or a lease.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Gives ids that nobody else gives: a random one once, and a number each. The system is not asked for randomness
/// again for each lock.
#[derive(Debug)]
pub(crate) struct Owners {
    source: String,
    given: AtomicU64,
}

impl Owners {
    pub(crate) fn new() -> Self {
        Self { source: format!("{}-", Uuid::new_v4().simple()), given: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> String {
        format!("{}{}", self.source, self.given.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_id_is_given_twice() {
        let sources = [Owners::new(), Owners::new()];
        let ids: HashSet<String> = (0..200).map(|n| sources[n % 2].next()).collect();
        assert_eq!(ids.len(), 200);
    }
}
