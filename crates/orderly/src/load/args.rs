use std::time::Duration;

use common::{seconds::seconds, service::InstallationArgs};

use super::pace::Pace;

/// What `orderly load` is told.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LoadArgs {
    /// The gateway's base URL
    #[arg(long, env = "GATEWAY_URL", default_value = "http://127.0.0.1:8080")]
    pub(super) url: String,
    #[command(flatten)]
    pub(super) installation: InstallationArgs,
    /// How many connections place orders, each one at a time
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(super) connections: u16,
    /// Place so many orders
    #[arg(long, conflicts_with = "duration", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    orders: Option<u64>,
    /// Place orders for so long [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Place so many orders a second, whether or not the system follows: an open loop
    ///
    /// Each order then has a time at which it is to be sent, and its latency counts from that time, not from when a connection
    /// was free to send it: so what a slow system keeps waiting is not left out (coordinated omission). Without a
    /// rate each connection sends its next order when it has the last answer, as fast as that goes: a closed loop.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How many customers take turns, named load-0, load-1 and so on: so many that none meets the limit of orders per customer
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) customers: u64,
    /// What is ordered; repeat it to have several products take turns
    #[arg(long = "sku", default_value = "BOOK-1", value_name = "SKU")]
    pub(super) skus: Vec<String>,
    /// Send each order with an idempotency key of its own, and repeat it a few times if no answer comes, or an error (5xx)
    #[arg(long)]
    pub(super) idempotent: bool,
    /// The payment provider's base URL, to count in its books how often each order was charged
    #[arg(long, env = "PROVIDER_URL", value_name = "URL")]
    pub(super) provider_url: Option<String>,
    /// Once all answers are there, wait so long for the next order to end before those that have not are given up as lost
    #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds)]
    pub(super) settle_timeout: Duration,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// For how long orders are placed if nothing else is said.
const DURATION: Duration = Duration::from_secs(10);

impl LoadArgs {
    /// When orders are to be sent, and how many.
    pub(super) fn pace(&self) -> Pace {
        let duration = self.duration.or(self.orders.is_none().then_some(DURATION));
        Pace { orders: self.orders, duration, rate: self.rate }
    }
}
