use common::messages::Announcement;
use redis_kit::pubsub::{ReplayEvent, ReplayStatus, ReplaySubscription, Since};

use super::{run::Run, tally::Ending};
use crate::installation::Installation;

/// Hears how orders end: live on the channel, and from the journals what was missed there.
pub(super) struct Hearing(ReplaySubscription<Announcement>);

impl Hearing {
    /// Once this has returned, nothing that happens is missed.
    pub(super) async fn start(source: &Installation) -> anyhow::Result<Self> {
        let journals = source.names.orders_streams(source.partitions);
        let channel = source.names.orders_channel();
        Ok(Self(ReplaySubscription::start(&source.server, &channel, &journals, Since::Now).await?))
    }

    pub(super) fn status(&self) -> ReplayStatus {
        self.0.status()
    }

    /// Tells the run of every ending. Never returns.
    pub(super) async fn listen(mut self, run: &Run) {
        loop {
            match self.0.next().await {
                ReplayEvent::Entry { announcement, .. } => {
                    if let Some(ending) = Ending::of(&announcement.event) {
                        run.tally().heard(announcement.event.order_id(), ending, run.now());
                    }
                }
                ReplayEvent::Reset { .. } => run.tally().reset(),
            }
        }
    }
}
