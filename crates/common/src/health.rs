//! Whether a service is ready, asked of its parts at the moment somebody wants to know.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The parts of one service that must be well for it to be ready. Cheap to clone; clones share the parts.
///
/// A service is ready when it has at least one part and all of them are well.
#[derive(Clone, Default)]
pub struct Health {
    parts: Arc<RwLock<BTreeMap<&'static str, Check>>>,
}

impl Health {
    /// Adds a part, or replaces the one of that name. `check` must be quick: it is called on every probe, and
    /// answers with the reason when the part is not well.
    pub fn add(&self, part: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.parts.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(part, Box::new(check));
    }

    /// Each part by name, with the reason if it is not well.
    pub fn parts(&self) -> BTreeMap<&'static str, Result<(), String>> {
        let parts = self.parts.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        parts.iter().map(|(name, check)| (*name, check())).collect()
    }

    /// Whether the service can do its work now.
    pub fn is_ready(&self) -> bool {
        all_well(&self.parts())
    }
}

/// Whether there are parts, and all of them are well.
pub(crate) fn all_well(parts: &BTreeMap<&'static str, Result<(), String>>) -> bool {
    !parts.is_empty() && parts.values().all(Result::is_ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_parts_is_not_ready_yet() {
        assert!(!Health::default().is_ready());
    }

    #[test]
    fn one_unwell_part_makes_the_service_unready_and_names_its_reason() {
        let health = Health::default();
        health.add("redis", || Ok(()));
        assert!(health.is_ready());
        health.add("worker", || Err("has not polled for 9 s".into()));
        assert!(!health.is_ready());
        assert_eq!(health.parts()["worker"], Err("has not polled for 9 s".into()));
    }
}
