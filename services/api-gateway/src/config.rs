use std::time::Duration;

use common::{
    seconds::seconds,
    service::{ConsumerArgs, ServiceArgs},
    store::Durability,
};

use crate::{accounts::Password, edge::ProxyArgs, limits::LimitArgs};

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
    #[arg(long, env = "KEEP_SETTLED_SECONDS", default_value = "86400", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) keep_settled: Duration,
    /// The Redis for cache entries and limits, which may forget; by default the durable one
    #[arg(long, env = "REDIS_CACHE_URL", hide_env_values = true)]
    pub(crate) redis_cache_url: Option<String>,
    /// The directory that `GET /users/{id}` reads
    #[arg(long, env = "USER_API_URL", default_value = "http://127.0.0.1:8090", hide_env_values = true)]
    pub(crate) user_api_url: String,
    #[command(flatten)]
    pub(crate) proxies: ProxyArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) accounts: AccountArgs,
}

/// Who may log in, and for how long.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct AccountArgs {
    /// Seconds without a request after which a session ends
    #[arg(long, env = "SESSION_IDLE_SECONDS", default_value = "1800", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) session_idle: Duration,
    /// Seconds after which a session ends however much it is used
    #[arg(long, env = "SESSION_SECONDS", default_value = "43200", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) session_absolute: Duration,
    /// The address of the admin that is made if there is none
    #[arg(long, env = "ADMIN_EMAIL", default_value = DEFAULT_ADMIN)]
    pub(crate) admin_email: String,
    /// The password of that admin; without one, none is made. From the environment alone: what is on a command line everybody sees
    #[arg(skip = std::env::var("ADMIN_PASSWORD").ok().map(Password::from_text))]
    pub(crate) admin_password: Option<Password>,
    /// Make customers to try the shop with, whose password is `demo-password`
    #[arg(long, env = "SEED_DEMO_CUSTOMERS", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) seed_demo_customers: bool,
}

/// The address of the first admin unless it is told another.
pub const DEFAULT_ADMIN: &str = "admin@example.com";
