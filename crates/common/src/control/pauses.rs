use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use metrics::{describe_gauge, gauge};
use redis_kit::{
    Connection, Error, cmd, patiently,
    stream::{Commit, Pause},
};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};
use utoipa::ToSchema;

use crate::names::Names;

/// How often an instance looks whether its groups are paused.
const INTERVAL: Duration = Duration::from_secs(1);

/// The fields of the hash that says that a group is paused.
const FIELDS: [&str; 3] = ["by", "at", "why"];

/// Who has paused a group, when and why: the hash `paused:{control}:<group>`, which is there for as long as the group is
/// paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Paused {
    /// Who.
    pub by: String,
    /// When that was asked for.
    pub at: Timestamp,
    /// Why.
    pub why: Option<String>,
}

impl Paused {
    /// Reads it under its key. `None` if the group is not paused.
    pub async fn read(redis: &mut Connection, key: &str) -> Result<Option<Self>, Error> {
        let mut fields: HashMap<String, String> = cmd("HGETALL").arg(key).query_async(redis).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let mut take = |name| fields.remove(name);
        // Whoever wrote it by hand has paused the group all the same.
        let at = take("at").and_then(|at| at.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Some(Self { by: take("by").unwrap_or_default(), at, why: take("why") }))
    }

    /// Takes the place of an earlier pause.
    pub(super) fn write(&self, key: &str) -> Commit {
        let why = self.why.clone().map(|why| ("why", why));
        let fields = [("by", self.by.clone()), ("at", self.at.to_string())].into_iter().chain(why);
        Self::remove(key).set_fields(key, fields)
    }

    pub(super) fn remove(key: &str) -> Commit {
        Commit::new().remove_fields(key, FIELDS)
    }
}

/// The groups that one instance reads by, each with its switch. Cheap to clone; clones share the groups.
#[derive(Clone, Default)]
pub(crate) struct Pauses(Arc<Mutex<BTreeMap<&'static str, Pause>>>);

impl Pauses {
    /// Adds a group, and waits for Redis to tell whether it is paused, so that a worker which is given the switch takes
    /// nothing if it is.
    pub(crate) async fn add(
        &self,
        group: &'static str,
        redis: &Connection,
        names: &Names,
    ) -> Result<Pause, Error> {
        describe_gauge!("stream_group_paused", "Whether the group is paused by an operator, 0 or 1.");
        let (pause, key) = (Pause::default(), names.pause(group));
        let paused = patiently(|| async { Paused::read(&mut redis.clone(), &key).await }).await?;
        turn(group, &pause, paused.as_ref());
        self.groups().insert(group, pause.clone());
        Ok(pause)
    }

    /// Whether this instance reads by a group.
    pub(super) fn has(&self, group: &str) -> bool {
        self.groups().contains_key(group)
    }

    /// The groups that are paused.
    pub(crate) fn on(&self) -> Vec<&'static str> {
        self.groups().iter().filter(|(_, pause)| pause.is_on()).map(|(group, _)| *group).collect()
    }

    /// Looks once a second, until `shutdown`. While Redis does not answer, every group stays as it was.
    pub(super) async fn follow(&self, mut redis: Connection, names: &Names, shutdown: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let groups = self.groups().clone();
            for (group, pause) in groups {
                let key = names.pause(group);
                match shutdown.run_until_cancelled(Paused::read(&mut redis, &key)).await {
                    Some(Ok(paused)) => turn(group, &pause, paused.as_ref()),
                    Some(Err(error)) => debug!(%error, group, "cannot tell whether the group is paused"),
                    None => return,
                }
            }
        }
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<&'static str, Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns a group's switch to what Redis says.
fn turn(group: &'static str, pause: &Pause, paused: Option<&Paused>) {
    gauge!("stream_group_paused", "group" => group).set(f64::from(u8::from(paused.is_some())));
    if !pause.set(paused.is_some()) {
        return;
    }
    if let Some(Paused { by, at, why }) = paused {
        info!(group, by, %at, why, "paused: nothing more is taken");
    } else {
        info!(group, "resumed");
    }
}
