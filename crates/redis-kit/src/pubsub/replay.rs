use std::{collections::VecDeque, sync::Arc};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tracing::{debug, warn};

use super::{
    Announcement, Event, Position, Subscription, SubscriptionStatus,
    journal::{Journal, PAGE},
    keeper::Keeper,
    metrics::ReplayMetrics,
    progress::Progress,
    track::{Track, Verdict},
};
use crate::{
    Error, Redis,
    stream::{Page, Slot, StreamId},
};

/// From where a [`ReplaySubscription`] follows a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// Only what is appended from now on.
    Now,
    /// What stands after these entries, by partition: the last [`ReplaySubscription::positions`] of somebody who keeps
    /// them. A partition without one is read from its start.
    Positions(Vec<StreamId>),
    /// What stands after the positions that are kept in Redis under this name, by one subscriber at a time. One that has
    /// none yet begins at the start of the journal.
    ///
    /// They are consumer groups of this name on the streams, so retention keeps what the subscriber has not heard.
    /// Removing one for good means to remove the groups (`XGROUP DESTROY`); creating them beforehand
    /// (`XGROUP CREATE <stream> <name> $`) is a way to begin at the end.
    Kept(String),
}

/// What a subscriber with replay is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayEvent<A> {
    /// The next entry of a partition's journal.
    Entry {
        /// What is announced of it.
        announcement: A,
        /// Where it stands. `prev` is what this subscriber was at before.
        position: Position,
    },
    /// The journal has nothing to go on from: what stood after `from` may be gone without having been heard. Whatever
    /// was built from it must be built anew from elsewhere.
    ///
    /// It goes on after `to`, which is later than `from` if the journal was trimmed beyond, and earlier if the journal has
    /// lost its end, or everything.
    Reset {
        /// Which of the journal's streams, counted from 0.
        partition: usize,
        /// Where the subscriber was.
        from: StreamId,
        /// Where it is now.
        to: StreamId,
    },
}

impl<A> ReplayEvent<A> {
    /// The partition and the place in it where the subscriber stands with this event.
    pub fn place(&self) -> (usize, StreamId) {
        match *self {
            Self::Entry { position: Position { partition, id, .. }, .. } => (partition, id),
            Self::Reset { partition, to, .. } => (partition, to),
        }
    }
}

/// A subscription that loses nothing: live messages on a channel, and the journal that they announce for whatever was
/// missed.
///
/// Every entry of the journal is given to the caller, in the order of its partition, once in the life of the
/// subscription; or else a [`ReplayEvent::Reset`] says that this cannot be vouched for. Passed over are entries that cannot be
/// decoded, of which nothing is announced ([`Announcement::of`]), or that were sent again for one group.
///
/// Nothing happens but in [`ReplaySubscription::next`], so a slow caller costs no memory: what does not fit into the
/// live subscription's buffer is read from the journal later.
///
/// ```no_run
/// # use redis_kit::{Redis, pubsub::{Announcement, ReplayEvent, ReplaySubscription, Since}};
/// # async fn run<A: Announcement>(redis: &Redis, streams: &[String]) -> Result<(), redis_kit::Error> {
/// let since = Since::Kept("mailer".into());
/// let mut subscription = ReplaySubscription::<A>::start(redis, "jobs", streams, since).await?;
/// loop {
///     let event = subscription.next().await;
///     match &event {
///         ReplayEvent::Entry { announcement, .. } => { /* tell somebody */ }
///         ReplayEvent::Reset { .. } => { /* something may be missing: say so */ }
///     }
///     subscription.done(&event);
/// }
/// # }
/// ```
pub struct ReplaySubscription<A: Announcement> {
    live: Subscription,
    journal: Arc<Journal>,
    partitions: Vec<Partition>,
    reads: FuturesUnordered<BoxFuture<'static, (usize, Page<A::Message>)>>,
    /// What was read or heard and is still to be given to the caller: no more than one page.
    queue: VecDeque<Queued<A>>,
    /// Keeps the positions in Redis, if they are to be kept there.
    keeper: Option<Keeper>,
    metrics: ReplayMetrics,
}

struct Partition {
    /// As far as messages were heard or read.
    track: Track,
    /// As far as the caller is.
    progress: Progress,
}

enum Queued<A> {
    Event(ReplayEvent<A>),
    PassedOver { partition: usize, id: StreamId },
}

/// Whether a [`ReplaySubscription`] follows now. Cheap to clone.
#[derive(Clone)]
pub struct ReplayStatus {
    live: SubscriptionStatus,
    journal: Arc<Journal>,
}

impl ReplayStatus {
    /// Fails with the reason while the channel cannot be heard or a partition's journal cannot be read.
    pub fn check(&self) -> Result<(), String> {
        self.live.check()?;
        self.journal.check()
    }
}

impl<A: Announcement> ReplaySubscription<A> {
    /// Follows `streams`, the partitions of one journal, whose entries are announced on `channel`. Waits for Redis as
    /// long as it takes; once it has returned, nothing that is appended is missed.
    ///
    /// # Errors
    /// Those that waiting does not cure: a key that is no stream, a command that is not permitted.
    pub async fn start(
        redis: &Redis,
        channel: &str,
        streams: &[String],
        since: Since,
    ) -> Result<Self, Error> {
        let commands = redis.commands()?;
        let journal = Journal::new(commands.clone(), streams);
        let (keeper, positions) = match since {
            Since::Now => (None, journal.ends().await?),
            Since::Positions(mut positions) => {
                positions.resize(streams.len(), StreamId::ZERO);
                (None, positions)
            }
            Since::Kept(name) => {
                let (keeper, positions) = Keeper::start(commands, &name, streams).await?;
                (Some(keeper), positions)
            }
        };
        let partition =
            |position| Partition { track: Track::new(position), progress: Progress::new(position) };
        Ok(Self {
            live: Subscription::start(redis, &[channel]),
            journal: Arc::new(journal),
            partitions: positions.into_iter().map(partition).collect(),
            reads: FuturesUnordered::new(),
            queue: VecDeque::new(),
            keeper,
            metrics: ReplayMetrics::of(channel),
        })
    }

    /// Tells, for as long as the subscription lives, whether it can follow.
    pub fn status(&self) -> ReplayStatus {
        ReplayStatus { live: self.live.status(), journal: Arc::clone(&self.journal) }
    }

    /// The next event. Safe to cancel. Never ends; while Redis is away it waits.
    pub async fn next(&mut self) -> ReplayEvent<A> {
        loop {
            if let Some(event) = self.take_from_queue() {
                return event;
            }
            // A partition that is being read, or whose reads fail, does not hold up what is heard of the others.
            tokio::select! {
                Some((partition, page)) = self.reads.next() => self.turn(partition, page),
                event = self.live.next() => self.hear(event),
            }
        }
    }

    /// Where the caller stands with what [`ReplaySubscription::next`] has returned so far, by partition: for a
    /// caller who keeps positions by itself, and gives them to [`Since::Positions`] another time.
    pub fn positions(&self) -> Vec<StreamId> {
        self.partitions.iter().map(|partition| partition.progress.passed()).collect()
    }

    /// Says that this event, and all that came before it in its partition, need not be told again. Positions that are kept
    /// in Redis ([`Since::Kept`]) are saved in the background, some times a second at most, and when the subscription is
    /// stopped or dropped: what was done since the last time is told again after a crash, and what was not done is told
    /// again after any end.
    pub fn done(&mut self, event: &ReplayEvent<A>) {
        let (partition, id) = event.place();
        if let Some(Partition { progress, .. }) = self.partitions.get_mut(partition) {
            progress.done(id);
            self.settle(partition);
        }
    }

    /// Ends the subscription, after saving the positions if they are kept in Redis; waits two seconds for that at most.
    pub async fn stop(self) {
        if let Some(keeper) = self.keeper {
            keeper.stop().await;
        }
    }

    fn take_from_queue(&mut self) -> Option<ReplayEvent<A>> {
        while let Some(queued) = self.queue.pop_front() {
            match queued {
                Queued::Event(event) => {
                    let (partition, id) = event.place();
                    self.partitions[partition].progress.give(id);
                    return Some(event);
                }
                Queued::PassedOver { partition, id } => {
                    self.partitions[partition].progress.pass(id);
                    self.settle(partition);
                }
            }
        }
        None
    }

    fn settle(&self, partition: usize) {
        if let Some(keeper) = &self.keeper {
            keeper.settle(partition, self.partitions[partition].progress.settled());
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            // Something may have been missed, in any partition.
            Event::Subscribed => (0..self.partitions.len()).for_each(|partition| self.look(partition)),
            Event::Message { payload, .. } => self.hear_message(&payload),
        }
    }

    fn hear_message(&mut self, payload: &[u8]) {
        let position = match serde_json::from_slice::<Position>(payload) {
            Ok(position) if position.partition < self.partitions.len() => position,
            Ok(Position { partition, .. }) => {
                return warn!(partition, "skipping a message of a partition that is not followed");
            }
            // Anybody may publish.
            Err(error) => return warn!(%error, "skipping a message that is no announcement"),
        };
        let track = &mut self.partitions[position.partition].track;
        match track.hear(position) {
            Verdict::Drop => {}
            Verdict::Look => self.gap(position),
            Verdict::Take => match serde_json::from_slice(payload) {
                Ok(announcement) => {
                    track.take(position.id);
                    self.metrics.heard.increment(1);
                    self.queue.push_back(Queued::Event(ReplayEvent::Entry { announcement, position }));
                }
                Err(error) => {
                    debug!(%error, stream_id = %position.id, "cannot read a live message; asking the journal");
                    self.look(position.partition);
                }
            },
        }
    }

    fn gap(&mut self, Position { partition, prev, id }: Position) {
        debug!(partition, %prev, %id, "something was missed; reading the journal");
        self.metrics.gaps.increment(1);
        self.look(partition);
    }

    /// Reads a partition's journal, unless that is under way; it will go on then.
    fn look(&mut self, partition: usize) {
        if let Some(after) = self.partitions[partition].track.look() {
            self.reads.push(Arc::clone(&self.journal).read(partition, after).boxed());
        }
    }

    fn turn(&mut self, partition: usize, page: Page<A::Message>) {
        let (after, full) = (page.after, page.slots.len() >= PAGE);
        let last = page.slots.last().map_or(after, Slot::id);
        let turned = self.partitions[partition].track.turn(after, last, full);
        if let Some(from) = turned.reset_from {
            warn!(partition, %from, to = %after, "the journal cannot tell what stood here; going on elsewhere");
            self.metrics.resets.increment(1);
            self.queue.push_back(Queued::Event(ReplayEvent::Reset { partition, from, to: after }));
        }
        let mut prev = after;
        for slot in page.slots {
            let position = Position { partition, prev, id: slot.id() };
            prev = position.id;
            self.queue.push_back(self.replay(slot, position));
        }
        if turned.go_on {
            self.look(partition);
        }
    }

    fn replay(&self, slot: Slot<A::Message>, position: Position) -> Queued<A> {
        let announcement = match slot {
            Slot::Entry(entry) => A::of(entry),
            Slot::Undecodable { id, reason } => {
                debug!(stream_id = %id, %reason, "passing over an entry that cannot be read");
                None
            }
            Slot::Replay { .. } => None,
        };
        match announcement {
            Some(announcement) => {
                self.metrics.replayed.increment(1);
                Queued::Event(ReplayEvent::Entry { announcement, position })
            }
            None => Queued::PassedOver { partition: position.partition, id: position.id },
        }
    }
}
