use common::service::ServiceArgs;

/// What notification-subscriber is told.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
}
