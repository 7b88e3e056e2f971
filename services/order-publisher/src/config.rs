use common::{
    service::{ConsumerArgs, ServiceArgs},
    upkeep::RetentionArgs,
};

/// What order-publisher is told.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    #[command(flatten)]
    pub(crate) consumer: ConsumerArgs,
    #[command(flatten)]
    pub(crate) retention: RetentionArgs,
}
