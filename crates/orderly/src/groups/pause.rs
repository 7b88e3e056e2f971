use std::time::Duration;

use clap::builder::PossibleValuesParser;
use common::{messages::Action, names::groups, service::InstallationArgs};

use crate::{
    control::{self, RequestArgs},
    installation::Installation,
};

/// What `orderly groups pause` is told.
#[derive(clap::Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// Which group
    #[arg(value_parser = PossibleValuesParser::new(groups::all()))]
    group: String,
    /// Why, for whoever finds it paused
    #[arg(long, value_name = "REASON")]
    why: String,
    #[command(flatten)]
    request: RequestArgs,
}

/// What `orderly groups resume` is told.
#[derive(clap::Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// Which group
    #[arg(value_parser = PossibleValuesParser::new(groups::all()))]
    group: String,
    /// Why, for whoever reads `orderly audit`
    #[arg(long, value_name = "REASON")]
    why: Option<String>,
    #[command(flatten)]
    request: RequestArgs,
}

pub(super) async fn pause(args: &PauseArgs) -> anyhow::Result<()> {
    let action = Action::PauseGroup { group: args.group.clone() };
    ask(&args.installation, action, &args.request, Some(&args.why)).await
}

pub(super) async fn resume(args: &ResumeArgs) -> anyhow::Result<()> {
    let action = Action::ResumeGroup { group: args.group.clone() };
    ask(&args.installation, action, &args.request, args.why.as_deref()).await
}

async fn ask(
    installation: &InstallationArgs,
    action: Action,
    request: &RequestArgs,
    why: Option<&str>,
) -> anyhow::Result<()> {
    let installation = Installation::reach(installation).await?;
    let answer = control::ask(&installation, action, request, why, Duration::ZERO).await?;
    control::tell(&[answer], request.json)
}
