//! Takes steps on a real server and in the books, and compares what both say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::{prop_assert, prop_assert_eq, sample::Index};

use super::{
    super::scripts::{Fenced, Member, Receipt, Released, Taken},
    Checked,
    books::{Books, Lease, Place},
    broken,
    redis_state::{Effect, State},
    step::Step,
};
use crate::{
    Connection,
    stream::{Commit, StreamId, keys::GroupKeys},
    trace::TraceContext,
};

/// So long that no lease runs out, and no retry is due, unless a step makes it so.
const HOUR: Duration = Duration::from_hours(1);

/// More than there ever is.
const ALL: usize = 1000;

pub(super) struct World {
    redis: Connection,
    books: Books,
    /// Everybody who ever joined. The last three are not replaced yet.
    members: Vec<Member>,
    /// By member: what it has in hand, to its knowledge.
    in_hand: Vec<BTreeMap<StreamId, Receipt>>,
    /// By member: all that it ever had in hand.
    receipts: Vec<Vec<Receipt>>,
    stream: Arc<str>,
    keys: Arc<GroupKeys>,
    effects: String,
}

impl World {
    pub(super) async fn new(redis: Connection) -> Checked<Self> {
        static CASES: AtomicU64 = AtomicU64::new(0);
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        let stream: Arc<str> = format!("entries:{{{case}}}").into();
        let keys = Arc::new(GroupKeys::new(&stream, "group"));
        let effects = format!("effects:{{{case}}}");
        let (books, members, in_hand, receipts) = Default::default();
        let mut world = Self { redis, books, members, in_hand, receipts, stream, keys, effects };
        for _ in 0..3 {
            world.join().await?;
        }
        Ok(world)
    }

    /// Takes a step, if there is somebody or something to take it with.
    pub(super) async fn take(&mut self, step: Step) -> Checked {
        match step {
            Step::Append => self.append().await,
            Step::Join => self.join().await,
            Step::Read(who, count) => self.read(self.who(who), count, true).await,
            Step::ReadAndLose(who, count) => self.read(self.who(who), count, false).await,
            Step::Strays(who) => self.strays(self.who(who)).await,
            Step::Claim(who, count) => self.claim(self.who(who), count).await,
            Step::Acknowledge(who) => self.acknowledge(self.who(who)).await,
            Step::Commit(who, which) => {
                let who = self.who(who);
                let receipts = which.iter().filter_map(|which| self.receipt(who, *which)).collect();
                self.commit(who, receipts).await
            }
            Step::Postpone(who, which) => match self.receipt(self.who(who), which) {
                Some(receipt) => self.postpone(self.who(who), receipt).await,
                None => Ok(()),
            },
            Step::Reject(who, which) => match self.receipt(self.who(who), which) {
                Some(receipt) => self.reject(self.who(who), receipt).await,
                None => Ok(()),
            },
            Step::Heartbeat(who) => self.heartbeat(self.who(who)).await,
            Step::LeaseExpires(who) => self.lease_expires(self.who(who)).await,
            Step::Reap(who) => self.reap(self.who(who)).await,
            Step::Leave(who) => self.leave(self.who(who)).await,
            Step::RetryIsDue(which) => self.retry_is_due(which).await,
            Step::Delete(which) => self.delete(which).await,
        }
    }

    /// Compares what Redis holds with what it should.
    pub(super) async fn check(&mut self) -> Checked {
        let found = State::found(&mut self.redis, &self.members[0], &self.effects).await?;
        prop_assert_eq!(found, State::expected(&self.books, &self.members));
        prop_assert!(self.books.entries.values().all(|entry| entry.effects <= 1));
        Ok(())
    }

    /// Ends everybody, lets somebody new do all that is left, and sees whether anything is missing.
    pub(super) async fn drain(mut self) -> Checked {
        self.join().await?;
        let last = self.members.len() - 1;
        for who in 0..last {
            self.leave(who).await?;
        }
        for id in self.books.ids(|entry| matches!(entry.place, Place::Waiting { .. })) {
            self.make_due(id).await?;
        }
        self.claim(last, ALL).await?;
        self.read(last, ALL, true).await?;
        let left = self.in_hand[last].values().copied().collect();
        self.commit(last, left).await?;
        self.check().await?;
        for entry in self.books.entries.values() {
            let is_over = matches!(entry.place, Place::Done | Place::Dead | Place::Lost);
            prop_assert!(is_over || (entry.is_deleted && entry.place == Place::Unread), "{:?}", entry);
        }
        // Whatever the others still believe to have.
        for who in 0..last {
            self.commit(who, self.receipts[who].clone()).await?;
        }
        self.check().await
    }

    /// Somebody; the living more often than the dead.
    fn who(&self, who: Index) -> usize {
        let all = 0..self.members.len();
        let living = all.clone().filter(|who| self.books.leases[*who] == Lease::Stands);
        *who.get(&living.clone().chain(living.clone()).chain(living).chain(all).collect::<Vec<_>>())
    }

    /// Something that it has in hand, or less often had.
    fn receipt(&self, who: usize, which: Index) -> Option<Receipt> {
        let in_hand = self.in_hand[who].values();
        let known: Vec<&Receipt> = in_hand.clone().chain(in_hand).chain(&self.receipts[who]).collect();
        (!known.is_empty()).then(|| **which.get(&known))
    }

    fn got(&mut self, who: usize, taken: &[Taken]) {
        for Taken { receipt, .. } in taken {
            self.in_hand[who].insert(receipt.id, *receipt);
            self.receipts[who].push(*receipt);
        }
    }

    async fn append(&mut self) -> Checked {
        let mut append = redis::cmd("XADD");
        append.arg(&*self.stream).arg("*").arg("n").arg(self.books.entries.len());
        let id: String = append.query_async(&mut self.redis).await.map_err(broken)?;
        self.books.append(id.parse().map_err(broken)?);
        Ok(())
    }

    async fn join(&mut self) -> Checked {
        let consumer = format!("c{}", self.members.len());
        let (stream, keys) = (Arc::clone(&self.stream), Arc::clone(&self.keys));
        let member = Member { stream, group: "group".into(), consumer, keys };
        member.join(&mut self.redis, HOUR).await.map_err(broken)?;
        self.members.push(member);
        self.in_hand.push(BTreeMap::new());
        self.receipts.push(Vec::new());
        self.books.leases.push(Lease::Stands);
        Ok(())
    }

    async fn read(&mut self, who: usize, count: usize, arrives: bool) -> Checked {
        let taken = self.members[who].read(&mut self.redis, count, None).await.map_err(broken)?;
        prop_assert_eq!(ids(&taken), self.books.read(who, count));
        if arrives {
            self.got(who, &taken);
        }
        Ok(())
    }

    async fn strays(&mut self, who: usize) -> Checked {
        let in_hand: Vec<StreamId> = self.in_hand[who].keys().copied().collect();
        let found = self.members[who].strays(&mut self.redis, ALL, &in_hand).await.map_err(broken)?;
        let expected = self.books.pending_on(who).into_iter().filter(|id| !in_hand.contains(id));
        let (lost, there): (BTreeSet<_>, BTreeSet<_>) =
            expected.partition(|id| self.books.entries[id].is_deleted);
        prop_assert_eq!(ids(&found.entries), Vec::from_iter(there));
        prop_assert_eq!(parsed(&found.lost), lost.clone());
        for id in lost {
            self.books.lose(id);
        }
        self.got(who, &found.entries);
        Ok(())
    }

    async fn claim(&mut self, who: usize, count: usize) -> Checked {
        let claimed = self.members[who].claim(&mut self.redis, count).await.map_err(broken)?;
        prop_assert_eq!(claimed.is_some(), self.books.has_lease(who));
        let Some(claimed) = claimed else { return Ok(()) };
        let is_due = |place| matches!(place, Place::Waiting { is_due: true, .. });
        let due = self.books.ids(|entry| is_due(entry.place));
        prop_assert_eq!(claimed.entries.len() + claimed.lost.len(), due.len().min(count));
        for Taken { entry, receipt } in &claimed.entries {
            let known = self.books.entry(receipt.id);
            prop_assert!(is_due(known.place) && !known.is_deleted, "{:?}: {:?}", receipt, known);
            prop_assert_eq!((entry.failed, receipt.failed), (known.failed, known.failed));
            known.place = Place::Pending { consumer: who, deliveries: receipt.deliveries };
        }
        for id in parsed(&claimed.lost) {
            prop_assert!(due.contains(&id) && self.books.entry(id).is_deleted, "{} is lost", id);
            self.books.lose(id);
        }
        prop_assert_eq!(claimed.pending, self.books.pending_on(who).len());
        self.got(who, &claimed.entries);
        Ok(())
    }

    async fn acknowledge(&mut self, who: usize) -> Checked {
        // Those that have failed before have something to be written: that this is forgotten.
        let plain = self.in_hand[who].values().filter(|receipt| receipt.failed == 0);
        let ids: Vec<StreamId> = plain.map(|receipt| receipt.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let acknowledged = self.members[who].acknowledge(&mut self.redis, ids.iter().copied()).await;
        // As long as the lease stands, what is in hand is its own, all of it.
        let expected = self.books.has_lease(who).then_some(ids.len());
        prop_assert_eq!(acknowledged.map_err(broken)?, expected);
        for id in ids {
            self.in_hand[who].remove(&id);
            if expected.is_some() {
                self.books.settle(id, Place::Done);
            }
        }
        Ok(())
    }

    async fn commit(&mut self, who: usize, receipts: Vec<Receipt>) -> Checked {
        if receipts.is_empty() {
            return Ok(());
        }
        let trace = TraceContext::root();
        let effect = |receipt: &Receipt| {
            Commit::new().append(&*self.effects, &Effect::Of { entry: receipt.id }, &trace).map_err(broken)
        };
        let commits = receipts.iter().map(effect).collect::<Checked<Vec<_>>>()?;
        let batch: Vec<_> = receipts.iter().copied().zip(&commits).collect();
        let answers = self.members[who].commit(&mut self.redis, &batch).await.map_err(broken)?;
        prop_assert_eq!(answers.len(), receipts.len());
        for (receipt, answer) in receipts.iter().zip(&answers) {
            self.in_hand[who].remove(&receipt.id);
            let is_held = self.books.is_held(who, receipt.id, receipt.deliveries);
            prop_assert_eq!(told(answer), if is_held { "done" } else { "refused" });
            if is_held {
                self.books.settle(receipt.id, Place::Done);
                self.books.entry(receipt.id).effects += 1;
            }
        }
        Ok(())
    }

    async fn postpone(&mut self, who: usize, receipt: Receipt) -> Checked {
        let answer =
            self.members[who].postpone(&mut self.redis, receipt, HOUR, "not yet", &Commit::new()).await;
        self.in_hand[who].remove(&receipt.id);
        let is_held = self.books.is_held(who, receipt.id, receipt.deliveries);
        let entry = self.books.entry(receipt.id);
        let expected = match (is_held, entry.is_deleted) {
            (false, _) => "refused",
            (true, true) => {
                self.books.lose(receipt.id);
                "lost"
            }
            (true, false) => {
                entry.place = Place::Waiting { is_due: false, deliveries: receipt.deliveries };
                entry.failed += 1;
                "done"
            }
        };
        prop_assert_eq!(told(&answer.map_err(broken)?), expected);
        Ok(())
    }

    async fn reject(&mut self, who: usize, receipt: Receipt) -> Checked {
        let answer = self.members[who].reject(&mut self.redis, receipt, "never").await.map_err(broken)?;
        self.in_hand[who].remove(&receipt.id);
        let is_held = self.books.is_held(who, receipt.id, receipt.deliveries);
        prop_assert_eq!(told(&answer), if is_held { "done" } else { "refused" });
        if is_held {
            self.books.settle(receipt.id, Place::Dead);
        }
        Ok(())
    }

    async fn heartbeat(&mut self, who: usize) -> Checked {
        let stands = self.members[who].heartbeat(&mut self.redis, HOUR).await.map_err(broken)?;
        prop_assert_eq!(stands, self.books.has_lease(who));
        if stands {
            self.books.leases[who] = Lease::Stands;
        }
        Ok(())
    }

    async fn lease_expires(&mut self, who: usize) -> Checked {
        if self.books.has_lease(who) {
            let mut set = redis::cmd("HSET");
            set.arg(&self.keys.lease).arg(&self.members[who].consumer).arg(1);
            set.exec_async(&mut self.redis).await.map_err(broken)?;
            self.books.leases[who] = Lease::Expired;
        }
        Ok(())
    }

    async fn reap(&mut self, who: usize) -> Checked {
        let reaped = self.members[who].reap(&mut self.redis, HOUR).await.map_err(broken)?;
        prop_assert_eq!(reaped.is_some(), self.books.has_lease(who));
        let Some(Released { revoked, entries, lost }) = reaped else { return Ok(()) };
        let gone: Vec<usize> = (0..self.members.len())
            .filter(|other| *other != who && self.books.leases[*other] == Lease::Expired)
            .collect();
        let names: BTreeSet<&str> = gone.iter().map(|other| self.members[*other].consumer.as_str()).collect();
        prop_assert_eq!(revoked.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
        let (mut released, mut all_lost) = (0, BTreeSet::new());
        for other in gone {
            let (entries, lost) = self.books.release(other);
            released += entries;
            all_lost.extend(lost);
        }
        prop_assert_eq!((entries, parsed(&lost)), (released, all_lost));
        Ok(())
    }

    async fn leave(&mut self, who: usize) -> Checked {
        let Released { entries, lost, .. } =
            self.members[who].leave(&mut self.redis).await.map_err(broken)?;
        prop_assert_eq!((entries, parsed(&lost)), self.books.release(who));
        Ok(())
    }

    async fn retry_is_due(&mut self, which: Index) -> Checked {
        let waiting = self.books.ids(|entry| matches!(entry.place, Place::Waiting { .. }));
        if waiting.is_empty() {
            return Ok(());
        }
        self.make_due(*which.get(&Vec::from_iter(waiting))).await
    }

    async fn make_due(&mut self, id: StreamId) -> Checked {
        let mut set = redis::cmd("ZADD");
        set.arg(&self.keys.retry).arg(1).arg(id).exec_async(&mut self.redis).await.map_err(broken)?;
        if let Place::Waiting { is_due, .. } = &mut self.books.entry(id).place {
            *is_due = true;
        }
        Ok(())
    }

    async fn delete(&mut self, which: Index) -> Checked {
        let there = Vec::from_iter(self.books.ids(|entry| !entry.is_deleted));
        if there.is_empty() {
            return Ok(());
        }
        let id = *which.get(&there);
        let mut delete = redis::cmd("XDEL");
        delete.arg(&*self.stream).arg(id).exec_async(&mut self.redis).await.map_err(broken)?;
        self.books.entry(id).is_deleted = true;
        Ok(())
    }
}

fn told(fenced: &Fenced) -> &'static str {
    match fenced {
        Fenced::Done => "done",
        Fenced::Refused => "refused",
        Fenced::Lost => "lost",
        Fenced::Failed(_) => "failed",
    }
}

fn ids(taken: &[Taken]) -> Vec<StreamId> {
    taken.iter().map(|taken| taken.receipt.id).collect()
}

fn parsed(ids: &[String]) -> BTreeSet<StreamId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}
