//! Hears of released locks, for those who wait.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::task::AbortOnDropHandle;

use super::{keys::RELEASED, waiting::WaitingRoom};
use crate::{
    Redis,
    pubsub::{Event, Subscription},
};

/// A subscription to each server, from when it is first needed until this is dropped.
///
/// One channel tells of all locks, rather than one channel each, so that waiting for a lock costs no connection and no
/// subscription of its own. Nothing is published there but releases for which somebody waits.
pub(super) struct Ears {
    servers: Vec<Redis>,
    listening: Mutex<Vec<AbortOnDropHandle<()>>>,
}

impl Ears {
    pub(super) fn new(servers: &[Redis]) -> Self {
        Self { servers: servers.to_vec(), listening: Mutex::default() }
    }

    /// Begins to listen unless it has. That a subscription stands is told to all who wait, who ask again then: what was
    /// released before was not heard.
    pub(super) fn listen(&self, room: &Arc<WaitingRoom>) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        // It ends by itself only with the runtime on which it was begun.
        if listening.is_empty() || listening.iter().any(AbortOnDropHandle::is_finished) {
            let servers = self.servers.iter().enumerate();
            *listening = servers
                .map(|(place, server)| tokio::spawn(pass_on(server.clone(), place, Arc::clone(room))))
                .map(AbortOnDropHandle::new)
                .collect();
        }
    }
}

async fn pass_on(redis: Redis, server: usize, room: Arc<WaitingRoom>) {
    let mut subscription = Subscription::start(&redis, &[RELEASED]);
    loop {
        match subscription.next().await {
            Event::Subscribed => room.any_may_be_released(server),
            Event::Message { payload, .. } => {
                if let Ok(key) = std::str::from_utf8(&payload) {
                    room.released(server, key);
                }
            }
        }
    }
}
