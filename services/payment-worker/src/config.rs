use std::time::Duration;

use common::service::{ConsumerArgs, ServiceArgs};

/// What payment-worker is told.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    #[command(flatten)]
    pub(crate) consumer: ConsumerArgs,
    #[command(flatten)]
    pub(crate) provider: ProviderArgs,
    /// Payments of one partition that are charged at the same time
    #[arg(long, env = "PAYMENT_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
}

/// The payment provider, and how long to wait for it.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ProviderArgs {
    /// The provider's base URL
    #[arg(long, env = "PROVIDER_URL", default_value = "http://127.0.0.1:8090", value_name = "URL")]
    pub(crate) provider_url: String,
    /// Milliseconds that connecting to it may take
    #[arg(long = "provider-connect-timeout-ms", env = "PROVIDER_CONNECT_TIMEOUT_MS", default_value_t = 1_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    connect_timeout_ms: u64,
    /// Milliseconds that a whole call may take.
    #[arg(long = "provider-timeout-ms", env = "PROVIDER_TIMEOUT_MS", default_value_t = 5_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
}

impl ProviderArgs {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}
