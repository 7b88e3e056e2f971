//! Listens to the channel `orders` and tells the world what happened to an order.
//!
//! What it misses on the channel, or while it is away, it reads from the journal that the channel announces: every event
//! is told in its partition's order. How far it got is kept in Redis, so after a crash the last few may be told again.

mod config;
mod notify;

use common::{
    names::{groups, services},
    service::Service,
};
use redis_kit::pubsub::{ReplaySubscription, Since};
use tokio_util::sync::CancellationToken;

pub use config::Config;
use notify::Notifier;

/// The service's name.
pub const NAME: &str = services::NOTIFICATION_SUBSCRIBER;

/// Runs the service until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Some(service) = Service::start(NAME, &config.service, 0, &shutdown).await? else { return Ok(()) };
    let (channel, journal) =
        (service.names.orders_channel(), service.names.orders_streams(service.partitions));
    let since = Since::Kept(groups::NOTIFICATION_SUBSCRIBER.into());
    let subscribing = ReplaySubscription::start(&service.redis, &channel, &journal, since);
    let Some(subscription) = shutdown.run_until_cancelled(subscribing).await else { return Ok(()) };
    let notifier = Notifier::new(subscription?, &service.health);
    service.run(notifier.run(shutdown)).await
}
