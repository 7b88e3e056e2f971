//! Command line and environment.

use std::path::PathBuf;

use clap::Args;
use common::http::HttpArgs;

use crate::faults::FaultSettings;

/// Everything the sandbox can be told at start.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Where it listens.
    #[command(flatten)]
    pub http: HttpArgs,
    /// What it plays.
    #[command(flatten)]
    pub world: World,
}

/// The world the sandbox plays: by default a perfect one that forgets everything when it stops.
#[derive(Args, Clone, Debug, Default)]
pub struct World {
    /// The file that keeps the payment provider's books, one charge a line; without it they live in memory
    #[arg(long, env = "SANDBOX_BOOKS", value_name = "FILE")]
    pub books: Option<PathBuf>,
    /// Faults from the start: the JSON that PUT /faults takes, or @FILE that holds it; by default none
    #[arg(
        long,
        env = "SANDBOX_FAULTS",
        value_name = "JSON",
        default_value = "",
        hide_default_value = true,
        value_parser = FaultSettings::from_argument
    )]
    pub faults: FaultSettings,
}
