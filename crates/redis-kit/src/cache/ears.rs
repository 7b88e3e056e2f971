//! Hears of invalidations, and of loads that others have ended.

use std::sync::Arc;

use super::{
    keys::{INVALIDATED, SETTLED},
    memory::Memory,
};
use crate::{
    Redis,
    pubsub::{Event, Subscription},
};

pub(super) fn subscribe(redis: &Redis) -> Subscription {
    Subscription::start(redis, &[INVALIDATED, SETTLED])
}

/// Passes on what is heard, until it is dropped.
pub(super) async fn listen(mut subscription: Subscription, memory: Arc<Memory>) {
    let mut subscriptions = 0;
    loop {
        match subscription.next().await {
            Event::Subscribed => {
                subscriptions += 1;
                memory.forget_all(subscriptions);
                memory.any_may_be_settled();
            }
            Event::Message { channel, payload } => {
                if let Ok(key) = std::str::from_utf8(&payload) {
                    if channel == INVALIDATED {
                        memory.forget(key);
                    }
                    // Whoever waited for a load that was invalidated loads himself.
                    memory.settled(key);
                }
            }
        }
    }
}
