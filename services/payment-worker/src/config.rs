use std::time::Duration;

use anyhow::ensure;
use common::service::{ConsumerArgs, ServiceArgs};
use redis_kit::Backoff;

use crate::payment::Policy;

/// What payment-worker is told.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    #[command(flatten)]
    pub(crate) consumer: ConsumerArgs,
    #[command(flatten)]
    pub(crate) provider: ProviderArgs,
    #[command(flatten)]
    pub(crate) attempts: AttemptArgs,
    /// Payments of one partition that are charged at the same time
    #[arg(long, env = "PAYMENT_CONCURRENCY", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
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
    /// Milliseconds that a whole call may take; less than the lease
    #[arg(long = "provider-timeout-ms", env = "PROVIDER_TIMEOUT_MS", default_value_t = 5_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
    /// Seconds for which the provider remembers an idempotency key; a payment that is older is not charged any more, but only
    /// asked for
    #[arg(
        long = "provider-key-lifetime",
        env = "PROVIDER_KEY_LIFETIME_SECONDS",
        default_value_t = 86_400,
        value_name = "SECONDS"
    )]
    key_lifetime_seconds: u64,
    /// Calls in a row without an answer after which the provider counts as dead, and is asked by one payment at a time
    #[arg(long = "provider-breaker-failures", env = "PROVIDER_BREAKER_FAILURES", default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) breaker_failures: u32,
}

/// How often a payment without a definite answer is tried before it is parked for a person.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct AttemptArgs {
    /// Attempts at a payment that may charge
    #[arg(long, env = "PAYMENT_CHARGE_ATTEMPTS", default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    charge_attempts: u32,
    /// Attempts after those that only ask what became of the charge; then the payment is parked
    #[arg(long, env = "PAYMENT_ASK_ATTEMPTS", default_value_t = 5, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    ask_attempts: u32,
    /// Milliseconds between the first two attempts, at most; doubles with each
    #[arg(long, env = "PAYMENT_RETRY_BASE_MS", default_value_t = 250, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    retry_base_ms: u64,
    /// Milliseconds between any two attempts, at most
    #[arg(long, env = "PAYMENT_RETRY_LIMIT_MS", default_value_t = 300_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    retry_limit_ms: u64,
}

impl Config {
    /// Fails if times do not fit together.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let (lease, timeout) = (self.consumer.options().lease, self.provider.timeout());
        ensure!(
            timeout < lease,
            "a call to the provider may take {timeout:?} (--provider-timeout-ms), but what a worker has in hand is taken over \
             after {lease:?} (--lease): make the lease longer, or the time for the call shorter"
        );
        Ok(())
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            charges: self.attempts.charge_attempts,
            asks: self.attempts.ask_attempts,
            // A charge that is begun within this time arrives while the provider still remembers the key.
            key_lifetime: self.provider.key_lifetime().saturating_sub(self.provider.timeout() * 2),
        }
    }
}

impl ProviderArgs {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    fn key_lifetime(&self) -> Duration {
        Duration::from_secs(self.key_lifetime_seconds)
    }
}

impl AttemptArgs {
    pub(crate) fn backoff(self) -> Backoff {
        Backoff {
            base: Duration::from_millis(self.retry_base_ms),
            limit: Duration::from_millis(self.retry_limit_ms),
        }
    }
}
