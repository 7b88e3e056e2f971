use common::{
    messages::{Announcement, OrderEvent},
    steadily::steadily,
};
use redis_kit::{
    Error,
    pubsub::{ReplayEvent, ReplaySubscription, Since},
    stream::{Slot, read_after},
};

use super::{run::Run, tally::Ending};
use crate::installation::Installation;

/// Entries that one command fetches.
const PAGE: usize = 1_000;

/// Hears how orders end: live on the channel, and from the journals what was missed there.
pub(super) struct Hearing(ReplaySubscription<Announcement>);

impl Hearing {
    /// Once this has returned, nothing that happens is missed.
    pub(super) async fn start(source: &Installation) -> anyhow::Result<Self> {
        let journals = source.names.orders_streams(source.partitions);
        let channel = source.names.orders_channel();
        Ok(Self(ReplaySubscription::start(&source.server, &channel, &journals, Since::Now).await?))
    }

    /// Tells the run of every ending. Never returns.
    pub(super) async fn listen(&mut self, run: &Run) {
        loop {
            match self.0.next().await {
                ReplayEvent::Entry { announcement, .. } => tell(run, &announcement.event),
                ReplayEvent::Reset { .. } => run.tally().reset(),
            }
        }
    }

    /// Tells what stands in the journals and was not heard: perhaps nobody announces it, or Redis was away. Fails if it still is.
    pub(super) async fn read_the_rest(self, source: &Installation, run: &Run) -> Result<(), Error> {
        let journals = source.names.orders_streams(source.partitions);
        for (journal, mut position) in journals.iter().zip(self.0.positions()) {
            loop {
                let read = || async {
                    read_after::<OrderEvent>(&mut source.redis.clone(), journal, position, PAGE).await
                };
                let page = steadily(Error::is_transient, read).await?;
                for slot in &page.slots {
                    position = slot.id();
                    if let Slot::Entry(entry) = slot {
                        tell(run, &entry.message);
                    }
                }
                if page.slots.len() < PAGE {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn tell(run: &Run, event: &OrderEvent) {
    if let Some(ending) = Ending::of(event) {
        run.tally().heard(event.order_id(), ending, run.now());
    }
}
