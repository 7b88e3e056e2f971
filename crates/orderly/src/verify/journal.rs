//! Reads journals and payment streams, several at the same time, and hands on what they tell about orders.

use common::{
    messages::{OrderEvent, PaymentTask},
    steadily::steadily,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use redis_kit::{
    Connection, Error, Redis,
    stream::{Entry, Message, Slot, StreamId, read_after},
};
use tokio::sync::mpsc;

use super::ledger::{Fact, What};

/// Entries that one command fetches: some 2 MB, and a millisecond or two of Redis's time.
const PAGE: usize = 2_000;

/// Streams that are read at the same time. Decoding takes longer than reading, so as many as there are cores is best.
const STREAMS_AT_ONCE: usize = 4;

/// Pages that wait to be taken into account.
const PAGES_AHEAD: usize = 8;

/// A stretch of one stream.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) partition: u16,
    pub(super) stream: String,
    /// Where it begins: after this entry.
    pub(super) after: StreamId,
    /// Where it ends: with this entry.
    pub(super) to: StreamId,
}

/// A message that may tell something about an order.
pub(super) trait Tells: Message {
    /// What it tells. Attempts that came to nothing and resolutions tell nothing that is final.
    fn fact(&self) -> Option<Fact>;
}

impl Tells for OrderEvent {
    fn fact(&self) -> Option<Fact> {
        let (order_id, what, amount) = match self {
            Self::Placed { order_id, total, .. } => (order_id, What::Placed, total),
            Self::Paid { order_id, amount, .. } => (order_id, What::Paid, amount),
            Self::PaymentDeclined { order_id, amount, .. } => (order_id, What::Declined, amount),
            Self::PaymentParked { order_id, amount, .. } => (order_id, What::Parked, amount),
            Self::PaymentAttemptFailed { .. } | Self::PaymentResolutionRefused { .. } => return None,
        };
        Some(Fact { order_id: *order_id, what, amount: *amount })
    }
}

impl Tells for PaymentTask {
    fn fact(&self) -> Option<Fact> {
        match self {
            Self::Requested { order_id, amount, .. } => {
                Some(Fact { order_id: *order_id, what: What::Requested, amount: *amount })
            }
            Self::Resolved { .. } => None,
        }
    }
}

/// What some entries in a row tell.
pub(super) struct Told {
    pub(super) partition: u16,
    /// How many entries they were.
    pub(super) entries: u64,
    pub(super) facts: Vec<(StreamId, Fact)>,
    /// Of each that cannot be read, where it stands and why not.
    pub(super) undecodable: Vec<String>,
}

/// Reads all stretches and hands each page to `take`, those of one stretch in their order.
pub(super) async fn read<M: Tells>(
    redis: &Redis,
    stretches: Vec<Stretch>,
    mut take: impl FnMut(Told),
) -> anyhow::Result<()> {
    let (pages, mut told) = mpsc::channel(PAGES_AHEAD);
    let readers = stretches.into_iter().map(move |stretch| {
        // A connection and a task for each, so that answers are taken apart and decoded on all cores.
        let (redis, pages) = (redis.commands(), pages.clone());
        async move { tokio::spawn(read_stretch::<M>(redis?, stretch, pages)).await? }
    });
    let reading = stream::iter(readers).buffer_unordered(STREAMS_AT_ONCE).try_collect::<()>();
    let taking = async {
        // Ends when every reader has.
        while let Some(page) = told.recv().await {
            take(page);
        }
        Ok(())
    };
    // At the first failure the channel goes, and with it the other readers.
    tokio::try_join!(reading, taking).map(|_| ())
}

async fn read_stretch<M: Tells>(
    redis: Connection,
    stretch: Stretch,
    pages: mpsc::Sender<Told>,
) -> anyhow::Result<()> {
    let Stretch { partition, stream, mut after, to } = stretch;
    while after < to {
        let read = || async { read_after::<M>(&mut redis.clone(), &stream, after, PAGE).await };
        let page = steadily(Error::is_transient, read).await?;
        // The page begins earlier if the entry at `after` has been deleted, and later if it was trimmed.
        let slots = page.slots.into_iter().filter(|slot| slot.id() > after && slot.id() <= to);
        let slots: Vec<Slot<M>> = slots.collect();
        let Some(last) = slots.last().map(Slot::id) else { break };
        after = last;
        // Nobody listens any more only if the command is ending.
        if pages.send(told(partition, &stream, slots)).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn told<M: Tells>(partition: u16, stream: &str, slots: Vec<Slot<M>>) -> Told {
    let entries = slots.len() as u64;
    let mut told =
        Told { partition, entries, facts: Vec::with_capacity(slots.len()), undecodable: Vec::new() };
    for slot in slots {
        match slot {
            Slot::Entry(Entry { id, message, .. }) => {
                told.facts.extend(message.fact().map(|fact| (id, fact)));
            }
            Slot::Undecodable { id, reason } => told.undecodable.push(format!("{stream} {id}: {reason}")),
            // It says again what stands elsewhere in the stream.
            Slot::Replay { .. } => {}
        }
    }
    told
}
