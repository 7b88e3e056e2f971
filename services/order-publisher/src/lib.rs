//! Announces every event of the journal `orders-stream` on the channel `orders`, each once for as long as Redis runs.
//!
//! The announcement is published by the same script that passes the entry, so neither happens without the other. When Redis itself
//! has crashed, what was announced in its last moments may come again; a listener tells by the event's id.

mod announce;
mod config;

use common::{
    names::{groups, services},
    service::Service,
    upkeep::Upkeep,
};
use redis_kit::stream::WorkerOptions;
use tokio_util::sync::CancellationToken;

use announce::Announcer;
pub use config::Config;

/// The service's name.
pub const NAME: &str = services::ORDER_PUBLISHER;

/// Events of one partition that are announced by one call to Redis, at most.
const BATCH: usize = 256;

/// Runs the service until `shutdown`, then drains it.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Some(service) = Service::start(NAME, &config.service, 0, &shutdown).await? else { return Ok(()) };
    let announcer = Announcer::new(&service);
    // In order, so that what happened to an order is announced as it happened.
    let options = WorkerOptions {
        concurrency: BATCH,
        skip_unknown: true,
        tips: Some(service.names.orders_channel()),
        ..config.consumer.ordered()
    };
    let streams = service.names.orders_streams(service.partitions);
    let worker = service.join(&streams, groups::ORDER_PUBLISHER, announcer, options).await?;
    let upkeep = Upkeep::new(&service.commands, &streams, &groups::OF_ORDERS, &config.retention);
    service
        .run(async {
            tokio::join!(worker.run(shutdown.clone()), upkeep.run(shutdown));
        })
        .await
}
