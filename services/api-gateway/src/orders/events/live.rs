//! One subscription for all who listen to this gateway.

use std::sync::Arc;

use common::messages::{Announcement, OrderId};
use redis_kit::{
    pubsub::{ReplayEvent, ReplaySubscription, Since},
    stream::{Message, StreamId},
};
use tokio::sync::{broadcast, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

use super::Journal;

/// How many events a listener may be behind before it reads them from the journal instead.
const BUFFER: usize = 1024;

/// Something that happened to an order, as listeners are told it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) partition: u16,
    pub(crate) id: StreamId,
    pub(crate) order_id: OrderId,
    pub(crate) announcement: Announcement,
    /// The announcement as text.
    pub(super) json: String,
}

impl Told {
    /// `None` only if it cannot be written as JSON.
    pub(crate) fn new(partition: u16, id: StreamId, announcement: Announcement) -> Option<Self> {
        let json = serde_json::to_string(&announcement).ok()?;
        Some(Self { partition, id, order_id: announcement.event.order_id(), announcement, json })
    }

    /// The event's type, such as `order.paid`.
    pub(super) fn kind(&self) -> &'static str {
        self.announcement.event.message_type()
    }
}

/// Hears every event from when it has started, for as long as somebody holds it.
pub(super) struct Live {
    sender: broadcast::Sender<Arc<Told>>,
    started: watch::Receiver<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Live {
    pub(super) fn start(journal: &Journal) -> Self {
        let (sender, _) = broadcast::channel(BUFFER);
        let (start, started) = watch::channel(false);
        let task = tokio::spawn(pass_on(journal.clone(), sender.clone(), start));
        Self { sender, started, _task: AbortOnDropHandle::new(task) }
    }

    /// Waits until nothing that happens is missed.
    pub(super) async fn started(&self) {
        // An error means that it never will; then listeners read the journal when they are told nothing for a while.
        let _ = self.started.clone().wait_for(|started| *started).await;
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Told>> {
        self.sender.subscribe()
    }
}

async fn pass_on(journal: Journal, sender: broadcast::Sender<Arc<Told>>, start: watch::Sender<bool>) {
    let channel = journal.names.orders_channel();
    let streams = journal.names.orders_streams(journal.partitions);
    let subscribing =
        ReplaySubscription::<Announcement>::start(&journal.redis, &channel, &streams, Since::Now);
    let mut subscription = match subscribing.await {
        Ok(subscription) => subscription,
        Err(error) => return error!(%error, "cannot listen to what happens to orders"),
    };
    start.send_replace(true);
    loop {
        let event = subscription.next().await;
        // After a reset listeners notice by themselves: they read the journal from where they stand.
        if let ReplayEvent::Entry { announcement, position } = &event
            && let Ok(partition) = u16::try_from(position.partition)
            && let Some(told) = Told::new(partition, position.id, announcement.clone())
        {
            // Nobody may listen just now.
            let _ = sender.send(Arc::new(told));
        }
        subscription.done(&event);
    }
}
