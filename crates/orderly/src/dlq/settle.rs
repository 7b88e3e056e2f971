//! Replaying and dropping letters: first shown, then asked of the services that own the groups.

use std::{num::NonZeroU32, time::Duration};

use common::{
    messages::{Action, LetterFilter},
    service::InstallationArgs,
};
use futures_util::future::try_join_all;

use super::{cause, which::WhichArgs};
use crate::{
    control::{self, RequestArgs},
    installation::Installation,
    report,
};

/// What both are told.
#[derive(clap::Args)]
struct SettleArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    request: RequestArgs,
    /// Why, for whoever reads `orderly audit`
    #[arg(long, value_name = "REASON")]
    why: Option<String>,
    /// Do it. Without this, it is only shown which letters are meant
    #[arg(long)]
    yes: bool,
}

/// What `orderly dlq replay` is told.
#[derive(clap::Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    args: SettleArgs,
    /// Letters of a group that are replayed in a second, at most. The time that takes is waited for too
    #[arg(long, default_value = "50", value_name = "COUNT")]
    per_second: NonZeroU32,
}

/// What `orderly dlq drop` is told.
#[derive(clap::Args)]
pub(crate) struct DropArgs {
    #[command(flatten)]
    args: SettleArgs,
}

pub(super) async fn replay(ReplayArgs { args, per_second }: &ReplayArgs) -> anyhow::Result<()> {
    let per_second = *per_second;
    let pace = Duration::from_secs(1) / per_second.get();
    settle(args, "replayed", pace, |group, filter| Action::ReplayDeadLetters { group, filter, per_second })
        .await
}

pub(super) async fn drop(DropArgs { args }: &DropArgs) -> anyhow::Result<()> {
    settle(args, "dropped for good", Duration::ZERO, |group, filter| Action::DropDeadLetters {
        group,
        filter,
    })
    .await
}

/// Shows the letters that are meant, and with --yes asks the owners of their groups. One letter takes as long as `pace`.
async fn settle(
    args: &SettleArgs,
    done: &str,
    pace: Duration,
    action: impl Fn(String, LetterFilter) -> Action,
) -> anyhow::Result<()> {
    let SettleArgs { request, why, yes, .. } = args;
    let installation = Installation::reach(&args.installation).await?;
    let look = args.which.look(&installation).await?;
    if !yes || !request.json {
        cause::print(&look, request.json)?;
    }
    match look.count() {
        0 if request.json => return Ok(()),
        0 => return report::print("No dead letters fit; nothing is to be done."),
        count if !yes && !request.json => {
            return report::print(&format!("{count} would be {done}. To do it, say it again with --yes."));
        }
        _ if !yes => return Ok(()),
        _ => {}
    }
    let asking = look.groups().into_iter().map(|(group, count)| {
        let longer = pace.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        let action = action(group.to_owned(), look.filter.clone());
        control::ask(&installation, action, request, why.as_deref(), longer)
    });
    control::tell(&try_join_all(asking).await?, request.json)
}
