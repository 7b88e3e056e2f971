use common::{
    operations::letters::{Place, each},
    service::InstallationArgs,
};
use jiff::Timestamp;
use redis_kit::stream::dead_letters::DeadLetter;
use serde::Serialize;

use super::{cause, which::WhichArgs};
use crate::{installation::Installation, printable::printable, report};

/// What `orderly dlq list` is told.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    #[command(flatten)]
    which: WhichArgs,
    /// List each letter, and not only the causes
    #[arg(long)]
    letters: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// What a list tells of one letter.
#[derive(Serialize)]
struct Listed {
    id: Place,
    group: String,
    given_up_at: Timestamp,
    r#type: Option<String>,
    attempts: u32,
    reason: String,
}

pub(super) async fn run(args: &ListArgs) -> anyhow::Result<()> {
    let installation = Installation::reach(&args.installation).await?;
    if args.letters {
        return list_each(&installation, args).await;
    }
    let look = args.which.look(&installation).await?;
    cause::print(&look, args.json)?;
    match look.count() {
        _ if args.json => Ok(()),
        0 => report::print("No dead letters."),
        count => report::print(&format!(
            "{count} in all. Look at one with `orderly dlq show ID`; then\n  orderly dlq replay --group GROUP …   once its cause is \
             mended\n  orderly dlq drop --group GROUP …     if nobody will want it"
        )),
    }
}

async fn list_each(installation: &Installation, args: &ListArgs) -> anyhow::Result<()> {
    let filter = args.which.filter(installation).await?;
    let mut printed = Ok(());
    each(installation, &args.which.groups(), &filter, |group, place, letter| {
        let listed = Listed::new(group, place, letter);
        if printed.is_ok() {
            printed = listed.print(args.json);
        }
    })
    .await?;
    printed
}

impl Listed {
    fn new(group: &str, id: Place, letter: &DeadLetter) -> Self {
        Self {
            id,
            group: group.into(),
            given_up_at: letter.id.time(),
            r#type: letter.message_type().map(str::to_owned),
            attempts: letter.attempts,
            reason: letter.reason.clone(),
        }
    }

    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return report::print(&serde_json::to_string(self)?);
        }
        let Self { id, given_up_at, r#type, attempts, reason, .. } = self;
        let message_type = r#type.as_deref().map_or_else(|| "without a type".into(), printable);
        let reason = printable(reason);
        report::print(&format!("{id}  {given_up_at:.3}  {message_type}  attempts {attempts}  {reason}"))
    }
}
