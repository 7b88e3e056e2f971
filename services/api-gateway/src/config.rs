use clap::ValueEnum;
use common::service::{ConsumerArgs, ServiceArgs, seconds};

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
    /// Accounts, products and the archive of orders: `sqlite:FILE`, or `postgres://user:password@host:port/database` where
    /// several gateways share it
    #[arg(long, env = "DATABASE_URL", default_value = "sqlite:orderly.db", hide_env_values = true)]
    pub(crate) database_url: String,
    /// Seconds for which an order stays in Redis once it is settled and archived
    #[arg(long, env = "KEEP_SETTLED_SECONDS", default_value_t = 86_400.0, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) keep_settled: f64,
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
