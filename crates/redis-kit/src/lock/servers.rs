//! The servers of a lock: what is asked of each.

use std::sync::Arc;

use redis::RedisResult;

use super::{
    claim::Ticket,
    scripts::{self, Answer, Wanted},
};
use crate::{
    Connection,
    desk::{Desk, Request},
};

/// One server, for all locks there.
pub(super) struct Server {
    pub(super) redis: Connection,
    // Apart, because on a full Redis nothing is taken and whatever is held is given back, and that holds for whole scripts.
    pub(super) acquisitions: Arc<Desk<Acquire>>,
    /// Of those who will wait: they leave a mark, for which a call names one more key a lock.
    pub(super) waiting_acquisitions: Arc<Desk<Acquire>>,
    pub(super) releases: Arc<Desk<Release>>,
}

impl Server {
    pub(super) fn new(redis: Connection) -> Self {
        Self {
            acquisitions: Desk::new(redis.clone()),
            waiting_acquisitions: Desk::new(redis.clone()),
            releases: Desk::new(redis.clone()),
            redis,
        }
    }
}

/// Asks for a lock. With `waits` its release will be told; those of one desk agree on that.
pub(super) struct Acquire {
    pub(super) ticket: Arc<Ticket>,
    pub(super) waits: bool,
}

impl Request for Acquire {
    type Answer = Answer;

    fn key(&self) -> &str {
        self.ticket.key()
    }

    async fn ask(together: &[&Self], redis: Connection) -> RedisResult<Vec<RedisResult<Answer>>> {
        let wanted: Vec<Wanted> = together.iter().map(|request| request.ticket.wanted()).collect();
        scripts::acquire(redis, &wanted, together[0].waits).await
    }

    fn answered(&self, answer: &RedisResult<Answer>) {
        self.ticket.answered(answer);
    }
}

/// Gives a lock back.
pub(super) struct Release {
    pub(super) ticket: Arc<Ticket>,
}

impl Request for Release {
    type Answer = bool;

    fn key(&self) -> &str {
        self.ticket.key()
    }

    async fn ask(together: &[&Self], redis: Connection) -> RedisResult<Vec<RedisResult<bool>>> {
        let locks: Vec<_> = together.iter().map(|request| request.ticket.keys_and_owner()).collect();
        scripts::release(redis, &locks).await
    }
}
