//! Where those wait who do not get a lock: in a queue for each lock, whose first is told of releases.
//!
//! Of all who wait for a lock in one process only the first asks Redis; the others queue behind it in the order in
//! which they came, and without a word to Redis. So a release wakes one of each process, and not all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep_until, timeout_at},
};

use super::attempt::{Busy, soonest_majority};

/// The queues of all locks on the same servers.
#[derive(Debug)]
pub(super) struct WaitingRoom {
    servers: usize,
    queues: Mutex<HashMap<String, Weak<Queue>>>,
}

impl WaitingRoom {
    pub(super) fn new(servers: usize) -> Self {
        Self { servers, queues: Mutex::default() }
    }

    /// The queue for a lock. It is there for as long as somebody has it.
    pub(super) fn queue(self: &Arc<Self>, key: &str) -> Arc<Queue> {
        let mut queues = self.queues();
        if let Some(queue) = queues.get(key).and_then(Weak::upgrade) {
            return queue;
        }
        let queue = Arc::new(Queue::new(Arc::clone(self), key));
        queues.insert(key.to_owned(), Arc::downgrade(&queue));
        queue
    }

    /// A server has told that a lock was released.
    pub(super) fn released(&self, server: usize, key: &str) {
        let queue = self.queues().get(key).and_then(Weak::upgrade);
        // Dropped after the map was let go of: it may be the last one, which takes itself out of the map.
        if let Some(queue) = queue {
            queue.hear_from(server);
        }
    }

    /// What a server told until now may have been missed.
    pub(super) fn any_may_be_released(&self, server: usize) {
        let queues: Vec<_> = self.queues().values().filter_map(Weak::upgrade).collect();
        for queue in queues {
            queue.hear_from(server);
        }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<String, Weak<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who wait for one lock.
#[derive(Debug)]
pub(super) struct Queue {
    room: Arc<WaitingRoom>,
    key: String,
    turn: Arc<Semaphore>,
    /// For each server, when it told last that the lock is free there.
    heard: watch::Sender<Vec<Option<Instant>>>,
}

impl Queue {
    fn new(room: Arc<WaitingRoom>, key: &str) -> Self {
        let heard = watch::Sender::new(vec![None; room.servers]);
        Self { room, key: key.to_owned(), turn: Arc::new(Semaphore::new(1)), heard }
    }

    /// Waits to be the first, no longer than until `end`. Whoever is remains it for as long as it keeps the permit.
    pub(super) async fn turn(&self, end: Instant) -> Option<OwnedSemaphorePermit> {
        if let Ok(first) = Arc::clone(&self.turn).try_acquire_owned() {
            return Some(first);
        }
        // An error of the inner kind would say that the semaphore was closed, which nobody does.
        timeout_at(end, Arc::clone(&self.turn).acquire_owned()).await.ok()?.ok()
    }

    /// Waits until a majority may be free: each server when it tells so, or when the lock expires there. `asked` is
    /// when the attempt began that found it `busy`; what was heard since then may be newer than the server's answer.
    pub(super) async fn may_be_free(&self, asked: Instant, busy: &Busy) {
        let mut heard = self.heard.subscribe();
        loop {
            let free_at: Vec<Option<Instant>> = {
                let heard = heard.borrow_and_update();
                let known = heard.iter().zip(&busy.free_at);
                known.map(|(heard, expected)| heard.filter(|heard| *heard >= asked).or(*expected)).collect()
            };
            let free_by = soonest_majority(&free_at);
            let expired = async {
                match free_by {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = expired => return,
                // The sender lives as long as this queue does.
                _ = heard.changed() => {}
            }
        }
    }

    fn hear_from(&self, server: usize) {
        self.heard.send_modify(|heard| heard[server] = Some(Instant::now()));
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut queues = self.room.queues();
        // Another may have come in its place.
        if queues.get(&self.key).is_some_and(|queue| queue.strong_count() == 0) {
            queues.remove(&self.key);
        }
    }
}
