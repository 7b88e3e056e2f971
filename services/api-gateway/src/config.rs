use clap::ValueEnum;
use common::service::{ConsumerArgs, ServiceArgs};

/// What the gateway is told.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    #[command(flatten)]
    pub(crate) consumer: ConsumerArgs,
    /// What Redis must promise before an order is answered with 201
    #[arg(long, env = "DURABILITY", value_enum, default_value_t = Durability::Always)]
    pub(crate) durability: Durability,
}

/// How much of what was accepted may be lost when the machine that runs Redis loses power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// Nothing: Redis runs with `appendonly yes`, `appendfsync always`, `no-appendfsync-on-rewrite no`
    Always,
    /// About the last second: Redis runs with `appendonly yes` and `appendfsync everysec` or better
    Everysec,
    /// Anything: Redis is not asked
    None,
}
