use std::net::{IpAddr, Ipv4Addr};

use local_redis::ServerChoice;

use crate::{data_dir::DataDirArgs, services::Service};

/// What `orderly up` is told. Services read their own settings from the environment; `orderly service NAME --help`
/// lists them.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct UpArgs {
    /// The gateway's port
    #[arg(long, env = "PORT", default_value_t = api_gateway::DEFAULT_PORT)]
    pub(super) port: u16,
    /// The address that the gateway listens on
    #[arg(long, env = "LISTEN_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    pub(super) listen_host: IpAddr,
    /// The private Redis server's port; by default a free one
    #[arg(long, value_name = "PORT")]
    pub(super) redis_port: Option<u16>,
    /// The sandbox's port; by default a free one
    #[arg(long, value_name = "PORT")]
    pub(super) sandbox_port: Option<u16>,
    /// Start only these services
    #[arg(long, value_name = "SERVICE", value_delimiter = ',', value_enum)]
    pub(super) only: Vec<Service>,
    /// How many payment-workers to start
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) workers: u16,
    /// Use this Redis instead of a private one
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub(super) redis_url: Option<String>,
    /// Where the private Redis server comes from: `auto` (the PATH, else a fetched one), `path`, `wheel`, or a FILE
    #[arg(long, env = ServerChoice::ENV, default_value_t, value_name = "auto|path|wheel|FILE")]
    pub(super) redis_server: ServerChoice,
    #[command(flatten)]
    pub(super) data_dir: DataDirArgs,
}

impl UpArgs {
    /// Whether a service is to be started.
    pub(super) fn wants(&self, service: Service) -> bool {
        self.only.is_empty() || self.only.contains(&service)
    }
}
