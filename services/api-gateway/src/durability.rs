//! "Accepted means durable" holds only on a Redis that syncs before it answers, so the gateway asks.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use redis_kit::{Connection, Error};
use tokio::time::sleep;
use tracing::{error, info};

use crate::Durability;

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
        let verdict = match settings(&mut redis.clone()).await {
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

type Settings = HashMap<String, String>;

async fn settings(redis: &mut Connection) -> Result<Settings, Error> {
    let mut get = redis_kit::cmd("CONFIG");
    get.arg("GET")
        .arg("appendonly")
        .arg("appendfsync")
        .arg("no-appendfsync-on-rewrite")
        .arg("maxmemory-policy");
    Ok(get.query_async(redis).await?)
}

fn judge(wanted: Durability, settings: &Settings) -> Result<(), String> {
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|actual| actual == value);
    let appends = is("appendonly", "yes");
    let always = is("appendfsync", "always");
    let keeps = is("maxmemory-policy", "noeviction");
    let enough = match wanted {
        Durability::None => true,
        Durability::Everysec => keeps && appends && (always || is("appendfsync", "everysec")),
        Durability::Always => keeps && appends && always && is("no-appendfsync-on-rewrite", "no"),
    };
    if enough {
        return Ok(());
    }
    let mut found: Vec<String> = settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    found.sort();
    Err(format!(
        "Redis may lose what it has confirmed ({}): set appendonly yes, appendfsync always, \
         no-appendfsync-on-rewrite no, maxmemory-policy noeviction, or start the gateway with a weaker --durability (everysec, none)",
        found.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(appendonly: &str, appendfsync: &str, on_rewrite: &str) -> Settings {
        let settings = [
            ("appendonly", appendonly),
            ("appendfsync", appendfsync),
            ("no-appendfsync-on-rewrite", on_rewrite),
            ("maxmemory-policy", "noeviction"),
        ];
        settings.map(|(name, value)| (name.into(), value.into())).into()
    }

    #[test]
    fn always_wants_every_write_synced_during_rewrites_too() {
        assert!(judge(Durability::Always, &settings("yes", "always", "no")).is_ok());
        for weaker in [("no", "always", "no"), ("yes", "everysec", "no"), ("yes", "always", "yes")] {
            let reason = judge(Durability::Always, &settings(weaker.0, weaker.1, weaker.2)).unwrap_err();
            assert!(reason.contains("--durability"), "{reason}");
        }
    }

    #[test]
    fn a_redis_that_evicts_is_no_store() {
        let mut evicting = settings("yes", "always", "no");
        evicting.insert("maxmemory-policy".into(), "allkeys-lru".into());
        assert!(judge(Durability::Always, &evicting).is_err());
        assert!(judge(Durability::Everysec, &evicting).is_err());
    }

    #[test]
    fn a_weaker_promise_is_content_with_less() {
        assert!(judge(Durability::Everysec, &settings("yes", "everysec", "yes")).is_ok());
        assert!(judge(Durability::Everysec, &settings("yes", "no", "no")).is_err());
        assert!(judge(Durability::None, &settings("no", "no", "no")).is_ok());
    }
}
