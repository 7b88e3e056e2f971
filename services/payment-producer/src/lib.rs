//! Turns every placed order into a payment request on `payments-stream`, exactly once.
//!
//! The request is appended by the same script that passes the order's entry, so neither happens without the other.

mod config;
mod request;

use common::{
    names::{groups, services},
    service::Service,
    upkeep::Upkeep,
};
use redis_kit::stream::WorkerOptions;
use tokio_util::sync::CancellationToken;

pub use config::Config;
use request::PaymentRequester;

/// Payments of one partition that are requested by one call to Redis, at most.
const BATCH: usize = 256;

/// The service's name.
pub const NAME: &str = services::PAYMENT_PRODUCER;

/// Runs the service until `shutdown`, then drains it.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Some(service) = Service::start(NAME, &config.service, 0, &shutdown).await? else { return Ok(()) };
    let payments = service.names.payments_streams(service.partitions);
    let requester = PaymentRequester { instance: service.instance.clone(), payments: payments.clone() };
    // In order, because an entry costs less so: the cursor that moves with the request is all that Redis has to remember of it.
    let options = WorkerOptions { concurrency: BATCH, ..config.consumer.ordered() };
    let streams = service.names.orders_streams(service.partitions);
    let worker = service.join(&streams, groups::PAYMENT_PRODUCER, requester, options).await?;
    let upkeep = Upkeep::new(&service.commands, &payments, &groups::OF_PAYMENTS, &config.retention);
    service
        .run(async {
            tokio::join!(worker.run(shutdown.clone()), upkeep.run(shutdown));
        })
        .await
}
