use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{
    attempt::{Busy, Outcome, attempt},
    claim::Subject,
    ears::Ears,
    guard::Guard,
    keepers::Keepers,
    keys::LockKeys,
    options::LockOptions,
    servers::Server,
    waiting::{Queue, WaitingRoom},
};
use crate::{Backoff, Error, Redis, owners::Owners};

/// Between attempts that split the servers among several who asked at once. Drawn at random, so that one is first
/// next time.
const AFTER_SPLIT: Backoff = Backoff { base: Duration::from_millis(10), limit: Duration::from_millis(500) };

/// Where locks are kept: one connection to each server, shared by all locks there and by all who wait for one. Cheap
/// to clone.
///
/// For locks on many names. A [`Lock`] of its own has these connections of its own.
#[derive(Clone)]
pub struct Locks {
    servers: Arc<[Server]>,
    owners: Arc<Owners>,
    room: Arc<WaitingRoom>,
    keepers: Arc<Keepers>,
    ears: Arc<Ears>,
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Locks").field(&self.servers.len()).finish()
    }
}

impl Locks {
    /// Locks on one server or one cluster: the ordinary form.
    pub fn on(redis: &Redis) -> Result<Self, Error> {
        Self::over(std::slice::from_ref(redis))
    }

    /// Locks on several servers that know nothing of each other, each of which is held by a majority of them:
    /// Redlock. An odd number is best; five survive the loss of two.
    pub fn over(servers: &[Redis]) -> Result<Self, Error> {
        let connected: Result<Vec<Server>, Error> =
            servers.iter().map(|redis| Ok(Server::new(redis.commands()?))).collect();
        Ok(Self {
            servers: connected?.into(),
            owners: Arc::new(Owners::new()),
            keepers: Arc::default(),
            room: Arc::new(WaitingRoom::new(servers.len())),
            ears: Arc::new(Ears::new(servers)),
        })
    }

    /// The lock of this name, for a cluster best with a hash tag (see [`LockKeys`]). Nothing is sent before it is
    /// asked for.
    pub fn lock(&self, key: impl Into<String>, options: LockOptions) -> Lock {
        let (servers, owners) = (Arc::clone(&self.servers), Arc::clone(&self.owners));
        let subject = Subject { servers, owners, keys: LockKeys::new(key), options };
        let queue = self.room.queue(&subject.keys.lock);
        Lock { locks: self.clone(), subject: Arc::new(subject), queue }
    }
}

/// A lock of one name. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lock {
    locks: Locks,
    subject: Arc<Subject>,
    queue: Arc<Queue>,
}

/// What became of an attempt that Redis answered.
#[derive(Debug)]
#[must_use = "a lock is given back when its guard is dropped"]
pub enum Attempt {
    /// The lock is held.
    Held(Guard),
    /// Somebody else has it.
    Busy {
        /// In how long it will be free at the latest, unless its holder renews it. [`Duration::MAX`] if somebody set
        /// the key by other means, without a time to live.
        free_within: Duration,
    },
}

impl Attempt {
    /// The guard, if the lock is held.
    pub fn held(self) -> Option<Guard> {
        match self {
            Self::Held(guard) => Some(guard),
            Self::Busy { .. } => None,
        }
    }

    fn busy(busy: &Busy) -> Self {
        let free_within = busy.free_by().map_or(Duration::MAX, |time| time - Instant::now());
        Self::Busy { free_within }
    }
}

impl Lock {
    /// A lock on one server or one cluster, with a connection of its own: see [`Locks`] for many.
    pub fn new(redis: &Redis, key: impl Into<String>, options: LockOptions) -> Result<Self, Error> {
        Ok(Locks::on(redis)?.lock(key, options))
    }

    /// A lock over a majority of several independent servers, with connections of its own: see [`Locks::over`].
    pub fn over(servers: &[Redis], key: impl Into<String>, options: LockOptions) -> Result<Self, Error> {
        Ok(Locks::over(servers)?.lock(key, options))
    }

    /// The keys in which it is kept.
    pub fn keys(&self) -> &LockKeys {
        &self.subject.keys
    }

    /// Takes the lock if nobody has it. Safe to cancel: what was taken by then is given back in the background.
    ///
    /// # Errors
    /// If Redis did not say whether the lock is free (of several servers: too few did), or too late. That is not to be
    /// taken for [`Attempt::Busy`]: nobody else may be doing the work, and whoever must not do it twice cannot do it
    /// now.
    pub async fn try_acquire(&self) -> Result<Attempt, Error> {
        Ok(self.conclude(attempt(&self.subject, false).await?, None))
    }

    fn conclude(&self, outcome: Outcome, turn: Option<OwnedSemaphorePermit>) -> Attempt {
        match outcome {
            Outcome::Held(holding) => Attempt::Held(Guard::new(holding, turn, &self.locks.keepers)),
            Outcome::Busy(busy) => Attempt::busy(&busy),
        }
    }

    /// Takes the lock as soon as nobody has it. Gives up after `patience`, or later by as long as Redis takes to answer.
    ///
    /// Nothing is polled: it asks when the lock is released, and when the holder's time to live runs out. Whoever
    /// waits in the same process by this lock, its clones, or the same [`Locks`], gets it in the order of coming;
    /// between processes, whoever is first. Safe to cancel.
    ///
    /// # Errors
    /// As for [`try_acquire`](Self::try_acquire), at once if waiting does not help, and else when `patience` is at its end.
    pub async fn acquire(&self, patience: Duration) -> Result<Attempt, Error> {
        let end = after(patience);
        let Some(turn) = self.queue.turn(end).await else {
            return self.try_acquire().await;
        };
        let (mut failures, mut splits) = (0, 0);
        // Most locks are free, and then nobody needs to be told of their release.
        let mut waits = false;
        loop {
            let asked = Instant::now();
            let gave_up = match attempt(&self.subject, waits).await {
                Ok(Outcome::Busy(_)) if !waits => {
                    self.locks.ears.listen(&self.locks.room);
                    waits = true;
                    continue;
                }
                Ok(Outcome::Busy(busy)) => {
                    failures = 0;
                    splits = if busy.is_split { splits + 1 } else { 0 };
                    let free = async {
                        if busy.is_split {
                            tokio::time::sleep(AFTER_SPLIT.pause(splits)).await;
                        } else {
                            self.queue.may_be_free(asked, &busy).await;
                        }
                    };
                    timeout_at(end, free).await.map_err(|_| Ok(Attempt::busy(&busy)))
                }
                Err(error) if error.is_transient() => {
                    failures += 1;
                    timeout_at(end, Backoff::wait_to_reconnect(failures)).await.map_err(|_| Err(error))
                }
                other => return Ok(self.conclude(other?, Some(turn))),
            };
            if let Err(last) = gave_up {
                return last;
            }
        }
    }
}

/// The end of a wait. As far away as a timer can be if it is beyond that.
fn after(patience: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(patience).unwrap_or_else(|| now + Duration::from_hours(24 * 365))
}
