//! "Accepted means durable" holds only on a Redis that syncs before it answers, so the gateway asks.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use common::store::{Durability, Settings};
use redis_kit::Connection;
use tokio::time::sleep;
use tracing::{error, info};

/// How often Redis is asked again: an operator may change its settings while it runs.
const INTERVAL: Duration = Duration::from_secs(1);

/// Whether Redis promises what this gateway promises. Cheap to clone.
#[derive(Clone)]
pub(crate) struct DurabilityCheck {
    verdict: Arc<RwLock<Result<(), String>>>,
}

impl DurabilityCheck {
    /// Asks once, and goes on asking in the background for as long as somebody holds the check.
    pub(crate) async fn start(wanted: Durability, redis: Connection) -> Self {
        let unknown = "Redis has not told yet how it persists; try again";
        let verdict = if wanted == Durability::None { Ok(()) } else { Err(unknown.to_owned()) };
        let check = Self { verdict: Arc::new(RwLock::new(verdict)) };
        if wanted != Durability::None {
            check.ask(wanted, &redis).await;
            tokio::spawn(check.clone().keep_asking(wanted, redis));
        }
        check
    }

    /// Fails with the reason, and what to do, if Redis is weaker than wanted.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.verdict.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    async fn keep_asking(self, wanted: Durability, redis: Connection) {
        while Arc::strong_count(&self.verdict) > 1 {
            sleep(INTERVAL).await;
            self.ask(wanted, &redis).await;
        }
    }

    async fn ask(&self, wanted: Durability, redis: &Connection) {
        let verdict = match Settings::read(&mut redis.clone()).await {
            Ok(settings) => judge(wanted, &settings),
            // A Redis that is away says nothing about its settings; the writes themselves will fail.
            Err(error) if error.is_transient() => return,
            Err(error) => Err(format!(
                "cannot read how Redis persists ({error}); allow CONFIG GET, or start the gateway with --durability none"
            )),
        };
        let mut known = self.verdict.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *known != verdict {
            match &verdict {
                Ok(()) => info!("Redis is durable enough now"),
                Err(reason) => error!(reason, "not accepting orders"),
            }
            *known = verdict;
        }
    }
}

fn judge(wanted: Durability, settings: &Settings) -> Result<(), String> {
    if settings.weaknesses(wanted).is_empty() {
        return Ok(());
    }
    Err(format!(
        "Redis may lose what it has confirmed ({settings}): set appendonly yes, appendfsync always, \
         no-appendfsync-on-rewrite no, maxmemory-policy noeviction, or start the gateway with a weaker --durability (everysec, none)"
    ))
}
