//! What this process knows: its near copies, and what is being asked or loaded just now.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::{broadcast, watch};

use super::{entry::Entry, landing::Landing, near::Near};
use crate::pubsub::SubscriptionStatus;

/// How many endings may be told before somebody who waits for one has looked. Beyond that he looks all the same.
const WAKES: usize = 256;

/// A flight is one question to Redis, and the load that may follow, on behalf of all in this process who want the key.
///
/// One lock guards who is in flight and what is kept, so that a flight that an invalidation has taken off the list keeps
/// nothing: it may have read what was invalidated. Those who ask after that begin a new one.
pub(super) struct Memory {
    near: Near,
    flights: Mutex<Flights>,
    /// Whoever waits for another instance's load hears here that it has ended, or that any may have.
    settled: broadcast::Sender<Settled>,
}

#[derive(Default)]
struct Flights {
    begun: u64,
    by_key: HashMap<Arc<str>, Flight>,
}

struct Flight {
    number: u64,
    /// A receiver of a [`Landing`] of the flight's types.
    landing: Box<dyn Any + Send>,
}

#[derive(Clone, Debug)]
enum Settled {
    Key(Arc<str>),
    Any,
}

/// A flight's place on the list, until this is dropped.
pub(super) struct Seat {
    memory: Arc<Memory>,
    pub(super) key: Arc<str>,
    number: u64,
}

/// What became of the wish to hear of a key.
pub(super) enum Boarding<T, E> {
    /// Somebody is under way.
    Joined(watch::Receiver<Landing<T, E>>),
    /// Whoever wished it has to fly himself.
    Begun(Seat, watch::Sender<Landing<T, E>>),
}

impl Memory {
    pub(super) fn new(near_bytes: u64, hearing: SubscriptionStatus) -> Self {
        Self {
            near: Near::new(near_bytes, hearing),
            flights: Mutex::default(),
            settled: broadcast::Sender::new(WAKES),
        }
    }

    pub(super) fn near(&self) -> &Near {
        &self.near
    }

    /// Joins the flight for this key, or begins one. One that has failed is not joined, but replaced on the list: the origin
    /// may be well again. Neither is one for other types: two types of values at one key share nothing in this process.
    pub(super) fn board<T, E>(self: &Arc<Self>, key: &str) -> Boarding<T, E>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let mut flights = self.flights();
        if let Some(flight) = flights.by_key.get(key)
            && let Some(landing) = flight.landing.downcast_ref::<watch::Receiver<Landing<T, E>>>()
            && !matches!(*landing.borrow(), Some(Err(_)))
        {
            return Boarding::Joined(landing.clone());
        }
        let (sender, landing) = watch::channel(None);
        flights.begun += 1;
        let (number, key) = (flights.begun, Arc::<str>::from(key));
        flights.by_key.insert(Arc::clone(&key), Flight { number, landing: Box::new(landing) });
        Boarding::Begun(Seat { memory: Arc::clone(self), key, number }, sender)
    }

    /// The key was invalidated.
    pub(super) fn forget(&self, key: &str) {
        let mut flights = self.flights();
        flights.by_key.remove(key);
        self.near.remove(key);
    }

    /// From here on everything is heard, and any key may have been invalidated before.
    pub(super) fn forget_all(&self, subscription: u64) {
        let mut flights = self.flights();
        flights.by_key.clear();
        self.near.flush(subscription);
    }

    /// To be made before the question whose answer may be that somebody else is loading.
    pub(super) fn waiting(&self, key: &Arc<str>) -> Waiting {
        Waiting { key: Arc::clone(key), settled: self.settled.subscribe() }
    }

    /// Somebody's load has ended.
    pub(super) fn settled(&self, key: &str) {
        self.tell(Settled::Key(key.into()));
    }

    /// Anybody's may have.
    pub(super) fn any_may_be_settled(&self) {
        self.tell(Settled::Any);
    }

    fn tell(&self, settled: Settled) {
        // An error says that nobody waits.
        let _ = self.settled.send(settled);
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Keeps a copy, unless the flight was taken off the list.
    pub(super) fn keep<T: Send + Sync + 'static>(&self, entry: &Arc<Entry<T>>, until: Instant) {
        let flights = self.memory.flights();
        if self.is_on(&flights) {
            self.memory.near.insert(&self.key, Arc::clone(entry), until);
        }
    }

    fn is_on(&self, flights: &Flights) -> bool {
        flights.by_key.get(&self.key).is_some_and(|flight| flight.number == self.number)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut flights = self.memory.flights();
        if self.is_on(&flights) {
            flights.by_key.remove(&self.key);
        }
    }
}

/// Somebody who waits for the end of another instance's load.
pub(super) struct Waiting {
    key: Arc<str>,
    settled: broadcast::Receiver<Settled>,
}

impl Waiting {
    /// Returns when it may have ended since the last look. Safe to cancel.
    pub(super) async fn until_settled(&mut self) {
        while let Ok(Settled::Key(key)) = self.settled.recv().await {
            if key == self.key {
                return;
            }
        }
        // Any may have, or more were told than this one kept up with.
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cache::{near, policy::Policy};

    const KEY: &str = "k";

    /// One that hears invalidations.
    fn memory() -> (Arc<Memory>, SubscriptionStatus) {
        let hearing = SubscriptionStatus::default();
        let memory = Arc::new(Memory::new(1 << 20, hearing.clone()));
        hearing.turn_over();
        memory.forget_all(1);
        (memory, hearing)
    }

    fn begin(memory: &Arc<Memory>) -> Seat {
        match memory.board::<String, ()>(KEY) {
            Boarding::Begun(seat, _) => seat,
            Boarding::Joined(_) => panic!("somebody is under way"),
        }
    }

    fn is_joined(memory: &Arc<Memory>) -> bool {
        matches!(memory.board::<String, ()>(KEY), Boarding::Joined(_))
    }

    fn keep(seat: &Seat, value: &str) {
        let entry = Entry::loaded(Some(value.to_owned()), Duration::ZERO, &Policy::default());
        seat.keep(&Arc::new(entry), Instant::now());
    }

    fn copy(memory: &Memory) -> Option<String> {
        let near::Found { entry, .. } = memory.near().get::<String>(KEY)?;
        entry.value.as_deref().cloned()
    }

    #[test]
    fn what_was_read_is_kept() {
        let (memory, _) = memory();
        keep(&begin(&memory), "a");
        assert_eq!(copy(&memory).as_deref(), Some("a"));
        memory.forget(KEY);
        assert_eq!(copy(&memory), None);
    }

    #[test]
    fn what_was_read_before_an_invalidation_was_heard_is_not_kept_after_it() {
        let (memory, _) = memory();
        let before = begin(&memory);
        memory.forget(KEY);
        keep(&before, "old");
        assert_eq!(copy(&memory), None);
        // Nor does it get in the way of whoever reads it now.
        let after = begin(&memory);
        keep(&after, "new");
        keep(&before, "old");
        drop(before);
        assert!(is_joined(&memory));
        assert_eq!(copy(&memory).as_deref(), Some("new"));
    }

    #[test]
    fn without_a_subscription_nothing_is_found_and_nothing_is_kept() {
        let (memory, hearing) = memory();
        let seat = begin(&memory);
        keep(&seat, "old");
        hearing.turn_over();
        assert_eq!(copy(&memory), None, "the subscription is lost");
        hearing.turn_over();
        assert_eq!(copy(&memory), None, "another stands, and what was missed before it is still here");
        keep(&seat, "old");
        memory.forget_all(2);
        keep(&seat, "old");
        assert_eq!(copy(&memory), None, "it was read before that");
        keep(&begin(&memory), "new");
        assert_eq!(copy(&memory).as_deref(), Some("new"));
    }

    #[test]
    fn one_flies_for_all_until_it_is_over() {
        let (memory, _) = memory();
        let seat = begin(&memory);
        assert!(is_joined(&memory));
        drop(seat);
        assert!(!is_joined(&memory));
    }

    #[test]
    fn other_types_at_the_same_key_share_nothing() {
        let (memory, _) = memory();
        keep(&begin(&memory), "text");
        assert!(memory.near().get::<u8>(KEY).is_none());
        let Boarding::Begun(_seat, _) = memory.board::<u8, ()>(KEY) else { panic!("it flies alone") };
        assert!(!is_joined(&memory));
    }

    #[test]
    fn copies_are_bounded_by_their_size() {
        let hearing = SubscriptionStatus::default();
        let memory = Arc::new(Memory::new(10_000, hearing.clone()));
        hearing.turn_over();
        memory.forget_all(1);
        for n in 0..1000 {
            let Boarding::Begun(seat, _) = memory.board::<String, ()>(&n.to_string()) else { unreachable!() };
            keep(&seat, "x");
        }
        let kept = (0..1000).filter(|n| memory.near().get::<String>(&n.to_string()).is_some()).count();
        assert!((10..=50).contains(&kept), "{kept}");
    }
}
