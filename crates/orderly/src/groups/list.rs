use common::{operations::groups, service::InstallationArgs};

use super::row;
use crate::{installation::Installation, report};

/// What `orderly groups list` is told.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &ListArgs) -> anyhow::Result<()> {
    let installation = Installation::reach(&args.installation).await?;
    let groups = groups::all(&installation).await?;
    if !args.json {
        report::print(&row::head())?;
    }
    for group in &groups {
        report::print(&if args.json { serde_json::to_string(group)? } else { row::text(group) })?;
    }
    Ok(())
}
