//! Charges every payment request at the provider, once, and appends to the journal what became of it.
//!
//! | role | file |
//! |---|---|
//! | what becomes of a payment, attempt by attempt | `payment.rs`, a state machine that knows neither Redis nor HTTP |
//! | one attempt, from the request to the commit | `charge.rs` |
//! | settling what was parked, as a person decided | `resolve.rs` |
//! | what is written: the record, the journal, the list of the parked | `record.rs` |
//! | the provider's HTTP API, and what each answer means | `provider.rs` |
//! | waiting for a provider that is dead | `breaker.rs` |
//!
//! # Why no order is charged twice
//! - The payment's id derives from the order, and is the provider's idempotency key on every attempt. So the provider makes one
//!   charge, however many attempts reach it, as long as it remembers the key; beyond that time it is only asked.
//! - One number decides whose answer counts. Each attempt begins with a script that raises the payment's fence; what it learns is
//!   recorded, appended to the journal and acknowledged by a script that applies it if the fence is unchanged. An
//!   attempt that was overtaken while its process was stopped changes nothing.
//! - An answer that is not definite ends nothing: the payment is tried again, asked about, and in the end parked for a person.

mod breaker;
mod charge;
mod config;
mod payment;
mod provider;
mod record;
mod resolve;

use common::{
    names::{groups, services},
    service::Service,
};
use redis_kit::stream::WorkerOptions;
use tokio_util::sync::CancellationToken;

use breaker::Breaker;
use charge::Charger;
pub use config::Config;
use provider::Provider;

/// The service's name.
pub const NAME: &str = services::PAYMENT_WORKER;

/// Runs the service until `shutdown`, then drains it.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.check()?;
    let provider = Provider::new(&config.provider)?;
    let Some(service) = Service::start(NAME, &config.service, 0, &shutdown).await? else { return Ok(()) };
    let charger = Charger {
        instance: service.instance.clone(),
        provider,
        breaker: Breaker::new(config.provider.breaker_failures),
        policy: config.policy(),
        names: service.names.clone(),
        call_limit: config.provider.timeout(),
    };
    let options = WorkerOptions {
        concurrency: config.concurrency.into(),
        // How often a payment is tried is its own record's matter, and a payment is parked and not lost among dead letters.
        max_attempts: None,
        backoff: config.attempts.backoff(),
        ..config.consumer.options()
    };
    let streams = service.names.payments_streams(service.partitions);
    let worker = service.join(&streams, groups::PAYMENT_WORKERS, charger, options).await?;
    service.run(worker.run(shutdown)).await
}
