//! Whether a service is ready, asked of its parts at the moment somebody wants to know.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use jiff::Timestamp;

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What is known of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The reason, if it is not well.
    pub state: Result<(), String>,
    /// When it was first seen as well, or as not well, as it is now. Parts are looked at when somebody asks.
    pub since: Timestamp,
}

struct Watched {
    check: Check,
    last: Mutex<Option<Part>>,
}

impl Watched {
    fn look(&self) -> Part {
        let state = (self.check)();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let unchanged = last.as_ref().filter(|last| last.state.is_ok() == state.is_ok());
        let since = unchanged.map_or_else(Timestamp::now, |last| last.since);
        last.insert(Part { state, since }).clone()
    }
}

/// The parts of one service that must be well for it to be ready. Cheap to clone; clones share the parts.
///
/// A service is ready when it has at least one part and all of them are well.
#[derive(Clone, Default)]
pub struct Health {
    parts: Arc<RwLock<BTreeMap<&'static str, Watched>>>,
}

impl Health {
    /// Adds a part, or replaces the one of that name. `check` must be quick: it is called on every probe, and
    /// answers with the reason when the part is not well.
    pub fn add(&self, part: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        let watched = Watched { check: Box::new(check), last: Mutex::default() };
        self.parts.write().unwrap_or_else(PoisonError::into_inner).insert(part, watched);
    }

    /// Each part by name, as it is now.
    pub fn parts(&self) -> BTreeMap<&'static str, Part> {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts.iter().map(|(name, watched)| (*name, watched.look())).collect()
    }

    /// Whether the service can do its work now.
    pub fn is_ready(&self) -> bool {
        all_well(&self.parts())
    }
}

/// Whether there are parts, and all of them are well.
pub(crate) fn all_well(parts: &BTreeMap<&'static str, Part>) -> bool {
    !parts.is_empty() && parts.values().all(|part| part.state.is_ok())
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
        assert_eq!(health.parts()["worker"].state, Err("has not polled for 9 s".into()));
    }

    #[test]
    fn a_part_is_well_or_not_since_it_was_first_seen_so() {
        let health = Health::default();
        let reasons = Mutex::new(vec![Ok(()), Err("3 s".to_owned()), Err("2 s".to_owned()), Ok(()), Ok(())]);
        health.add("worker", move || reasons.lock().unwrap().pop().unwrap());
        let look = || health.parts().remove("worker").unwrap();
        let (well, still_well, unwell, still_unwell) = (look(), look(), look(), look());
        assert_eq!(well, still_well);
        assert_eq!((unwell.since, still_unwell.state), (still_unwell.since, Err("3 s".into())));
        assert!(well.since < unwell.since && unwell.since < look().since);
    }
}
