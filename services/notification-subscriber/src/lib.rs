//! Listens to the channel `orders` and tells the world what happened to an order.
//!
//! The channel is plain pub/sub: what is announced while this service is away is not heard. It says in its log when
//! that may have been so.

mod config;
mod notify;

use common::service::Service;
use redis_kit::pubsub::Subscription;
use tokio_util::sync::CancellationToken;

pub use config::Config;
use notify::Notifier;

/// The service's name.
pub const NAME: &str = "notification-subscriber";

/// Runs the service until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Some(service) = Service::start(NAME, &config.service, 0, &shutdown).await? else { return Ok(()) };
    let subscription = Subscription::start(&service.redis, &[&service.names.orders_channel()]);
    let mut notifier = Notifier::new(subscription, &service.health);
    service.run(async move { while shutdown.run_until_cancelled(notifier.next()).await.is_some() {} }).await
}
