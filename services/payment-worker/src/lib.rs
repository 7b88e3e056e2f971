//! Charges every payment request at the provider, and appends to the journal what became of it.
//!
//! The payment's id is the provider's idempotency key on every attempt, so that however often a worker dies midway,
//! the provider charges once; and the outcome is recorded, appended and acknowledged by one fenced script, so that the
//! journal tells it once.

mod charge;
mod config;
mod provider;

use common::{names::groups, service::Service};
use redis_kit::stream::WorkerOptions;
use tokio_util::sync::CancellationToken;

use charge::Charger;
pub use config::Config;
use provider::Provider;

/// The service's name.
pub const NAME: &str = "payment-worker";

/// Runs the service until `shutdown`, then drains it.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let provider = Provider::new(&config.provider)?;
    let Some(service) = Service::start(NAME, &config.service, 0, &shutdown).await? else { return Ok(()) };
    let charger = Charger::new(provider, service.names.clone(), service.partitions);
    // A payment is never given up because its provider is away: it is retried until there is an answer.
    let options = WorkerOptions {
        concurrency: config.concurrency.into(),
        max_attempts: None,
        ..config.consumer.options()
    };
    let streams = service.names.payments_streams(service.partitions);
    let worker = service.join(&streams, groups::PAYMENT_WORKERS, charger, options).await?;
    service.run(worker.run(shutdown)).await
}
