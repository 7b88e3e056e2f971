//! What is in Redis, and what should be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    super::scripts::{Member, WAITING},
    Checked,
    books::{Books, Lease, Place},
    broken,
};
use crate::{
    Connection,
    stream::{Message, StreamId, failures::Failures},
};

/// Everything that is kept of a group, in a form in which Redis and the books can be compared.
#[derive(Debug, Default, PartialEq)]
pub(super) struct State {
    /// By entry: on whom, and how often it was delivered.
    pending: BTreeMap<StreamId, (String, u64)>,
    /// Entries that wait, and whether they are due.
    retry: BTreeMap<StreamId, bool>,
    failed: BTreeMap<StreamId, u32>,
    leases: BTreeSet<String>,
    dead: BTreeSet<StreamId>,
    effects: BTreeMap<StreamId, usize>,
}

/// What a commit writes: which entry it was for.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Effect {
    #[serde(rename = "effect")]
    Of { entry: StreamId },
}

impl Message for Effect {
    const TYPES: &'static [&'static str] = &["effect"];

    fn message_type(&self) -> &'static str {
        "effect"
    }
}

type Entries = Vec<(String, HashMap<String, String>)>;

impl State {
    pub(super) fn expected(books: &Books, members: &[Member]) -> Self {
        let mut state = Self::default();
        for (id, entry) in &books.entries {
            match entry.place {
                Place::Pending { consumer, deliveries } => {
                    state.pending.insert(*id, (members[consumer].consumer.clone(), deliveries));
                }
                Place::Waiting { is_due, deliveries } => {
                    state.pending.insert(*id, (WAITING.into(), deliveries));
                    state.retry.insert(*id, is_due);
                }
                Place::Dead => drop(state.dead.insert(*id)),
                Place::Unread | Place::Done | Place::Lost => {}
            }
            if entry.failed > 0 {
                state.failed.insert(*id, entry.failed);
            }
            if entry.effects > 0 {
                state.effects.insert(*id, entry.effects);
            }
        }
        let leases = members.iter().zip(&books.leases).filter(|(_, lease)| **lease != Lease::Revoked);
        state.leases = leases.map(|(member, _)| member.consumer.clone()).collect();
        state
    }

    pub(super) async fn found(redis: &mut Connection, member: &Member, effects: &str) -> Checked<Self> {
        type Pending = Vec<(String, String, u64, u64)>;
        type Answers =
            (Pending, Vec<(String, f64)>, HashMap<String, String>, BTreeSet<String>, Entries, Entries);
        let keys = &*member.keys;
        let mut questions = redis::pipe();
        questions.cmd("XPENDING").arg(&*member.stream).arg(&*member.group).arg("-").arg("+").arg(1000);
        questions.cmd("ZRANGE").arg(&keys.retry).arg(0).arg(-1).arg("WITHSCORES");
        questions.cmd("HGETALL").arg(&keys.attempts);
        questions.cmd("HKEYS").arg(&keys.lease);
        questions.cmd("XRANGE").arg(&keys.dead).arg("-").arg("+");
        questions.cmd("XRANGE").arg(effects).arg("-").arg("+");
        let (pending, retry, failed, leases, dead, effects): Answers =
            questions.query_async(redis).await.map_err(broken)?;
        let (now, _): (f64, u64) = redis::cmd("TIME").query_async(redis).await.map_err(broken)?;
        let mut state = Self {
            pending: pending.into_iter().map(|(id, on, _, count)| (parsed(&id), (on, count))).collect(),
            // Retries are planned an hour ahead, and never come due by themselves.
            retry: retry.iter().map(|(id, at)| (parsed(id), *at < (now + 60.0) * 1000.0)).collect(),
            failed: failed.iter().map(|(id, known)| (parsed(id), Failures::parse(known).failed)).collect(),
            leases,
            dead: dead.iter().map(|(_, letter)| parsed(&letter["origin"])).collect(),
            effects: BTreeMap::new(),
        };
        for (_, effect) in effects {
            let Effect::Of { entry } = serde_json::from_str(&effect["data"]).map_err(broken)?;
            *state.effects.entry(entry).or_default() += 1;
        }
        Ok(state)
    }
}

fn parsed(id: &str) -> StreamId {
    id.parse().unwrap()
}
