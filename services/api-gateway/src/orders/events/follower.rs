//! One listener: first what it has missed, from the journal, then what is told live.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use common::{
    messages::{Announcement, OrderEvent, OrderId},
    positions::Positions,
};
use redis_kit::{
    Error, pubsub,
    stream::{Slot, StreamId, read_after},
};
use tokio::{sync::broadcast, time::timeout};

use super::{
    Journal,
    live::{Live, Told},
};

/// How many entries are read from the journal at a time.
const PAGE: usize = 256;

/// After so long without any event, the journal is asked. It costs little, and what is told live is only as good as the
/// channel.
const SILENCE: Duration = Duration::from_secs(5);

/// What a listener is told.
#[derive(Debug)]
pub(crate) enum Step {
    Event(Arc<Told>),
    /// What stood between may be gone, and was not told.
    Reset {
        partition: u16,
        to: StreamId,
    },
}

impl Step {
    fn place(&self) -> (u16, StreamId) {
        match self {
            Self::Event(told) => (told.partition, told.id),
            Self::Reset { partition, to } => (*partition, *to),
        }
    }
}

pub(crate) struct Follower {
    journal: Journal,
    // Held, so that events are heard.
    _live: Arc<Live>,
    receiver: broadcast::Receiver<Arc<Told>>,
    /// As far as the journal was read or events were heard.
    known: Positions,
    /// As far as the listener was told.
    told: Positions,
    /// The partitions that are followed.
    followed: VecDeque<u16>,
    /// Those of them whose journal is still to be read.
    behind: VecDeque<u16>,
    read: VecDeque<Step>,
    /// The only one it is about.
    order_id: Option<OrderId>,
    pages: usize,
}

impl Follower {
    /// `live` has started, so what is read from now on leaves no gap before what is heard.
    pub(super) fn new(
        live: Arc<Live>,
        journal: Journal,
        positions: Positions,
        followed: VecDeque<u16>,
        order_id: Option<OrderId>,
    ) -> Self {
        let (receiver, behind) = (live.listen(), followed.clone());
        let (known, told) = (positions.clone(), positions);
        Self {
            journal,
            _live: live,
            receiver,
            known,
            told,
            followed,
            behind,
            read: VecDeque::new(),
            order_id,
            pages: 0,
        }
    }

    /// Where the listener stands with what it was told last.
    pub(super) fn told(&self) -> &Positions {
        &self.told
    }

    /// How many pages of the journal were read since it began or was [moved](Self::move_to).
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// Goes on behind these positions.
    pub(super) fn move_to(&mut self, positions: Positions) {
        self.known.clone_from(&positions);
        self.told = positions;
        self.read.clear();
        self.behind.clear();
        self.pages = 0;
    }

    /// The next step, or `None` if there is none yet but something was done to find it. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<Option<Step>, Error> {
        if let Some(step) = self.read.pop_front() {
            let (partition, id) = step.place();
            self.told.0[usize::from(partition)] = id;
            return Ok(Some(step));
        }
        if let Some(&partition) = self.behind.front() {
            self.read_page(partition).await?;
        } else {
            match timeout(SILENCE, self.receiver.recv()).await {
                Ok(Ok(told)) => self.hear(told),
                // It was too slow, or there is silence.
                Ok(Err(_)) | Err(_) => self.behind.clone_from(&self.followed),
            }
        }
        Ok(None)
    }

    fn hear(&mut self, told: Arc<Told>) {
        let known = self.known.0.get_mut(usize::from(told.partition));
        if let Some(known) = known.filter(|known| **known < told.id) {
            *known = told.id;
            if self.concerns(&told) {
                self.read.push_back(Step::Event(told));
            }
        }
    }

    fn concerns(&self, told: &Told) -> bool {
        self.order_id.is_none_or(|order_id| order_id == told.order_id)
    }

    async fn read_page(&mut self, partition: u16) -> Result<(), Error> {
        let place = usize::from(partition);
        let (stream, position) = (self.journal.names.orders_stream(partition), self.known.0[place]);
        let mut redis = self.journal.commands.clone();
        let page = read_after::<OrderEvent>(&mut redis, &stream, position, PAGE).await?;
        self.pages += 1;
        if page.after != position {
            self.known.0[place] = page.after;
            self.read.push_back(Step::Reset { partition, to: page.after });
        }
        match page.slots.last().map(Slot::id) {
            Some(last) => self.known.0[place] = last,
            None => self.behind.retain(|behind| *behind != partition),
        }
        let told = page.slots.into_iter().filter_map(|slot| told(partition, slot));
        let told: Vec<Arc<Told>> = told.map(Arc::new).filter(|told| self.concerns(told)).collect();
        self.read.extend(told.into_iter().map(Step::Event));
        Ok(())
    }
}

pub(super) fn told(partition: u16, slot: Slot<OrderEvent>) -> Option<Told> {
    let Slot::Entry(entry) = slot else { return None };
    let id: StreamId = entry.id;
    let announcement = <Announcement as pubsub::Announcement>::of(entry)?;
    Told::new(partition, id, announcement)
}
