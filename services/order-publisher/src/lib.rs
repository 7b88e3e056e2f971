//! Announces every event of the journal `orders-stream` on the channel `orders`, each exactly once.
//!
//! The announcement is published by the same script that acknowledges the entry, so neither happens without the other.

mod announce;
mod config;

use common::{names::groups, service::Service};
use redis_kit::stream::WorkerOptions;
use tokio_util::sync::CancellationToken;

use announce::Announcer;
pub use config::Config;

/// The service's name.
pub const NAME: &str = "order-publisher";

/// Runs the service until `shutdown`, then drains it.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Some(service) = Service::start(NAME, &config.service, 0, &shutdown).await? else { return Ok(()) };
    let announcer = Announcer::new(&service);
    // One at a time, so that the events of a partition are announced in their order. A retried one may still be late.
    let options =
        WorkerOptions { concurrency: 1, max_attempts: None, skip_unknown: true, ..config.consumer.options() };
    let streams = service.names.orders_streams(service.partitions);
    let worker = service.join(&streams, groups::ORDER_PUBLISHER, announcer, options).await?;
    service.run(worker.run(shutdown)).await
}
