use std::fmt::Write as _;

use anyhow::{bail, ensure};
use clap::builder::PossibleValuesParser;
use common::{
    names::groups,
    operations::letters::{Field, Letter, Place},
    service::InstallationArgs,
};
use redis_kit::stream::dead_letters::FailedAttempt;
use serde_json::Value;

use crate::{installation::Installation, printable::printable, report};

/// What `orderly dlq show` is told.
#[derive(clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// The letter, as a list tells it: GROUP/PARTITION/ID, or PARTITION/ID where no other can be meant
    #[arg(value_name = "ID")]
    letter: Place,
    /// The consumer group that gave it up, if the id does not say
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(groups::all()))]
    group: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let installation = Installation::reach(&args.installation).await?;
    let mut found = find(&installation, &args.letter, args.group.as_deref()).await?;
    if found.len() > 1 {
        let ids: Vec<String> = found.iter().map(|shown| shown.id.to_string()).collect();
        bail!("{} may be each of {}", args.letter, ids.join(", "));
    }
    let Some(shown) = found.pop() else {
        bail!("there is no letter {}; list them with `orderly dlq list --letters`", args.letter);
    };
    report::print(&if args.json { serde_json::to_string(&shown)? } else { text(&shown).trim_end().into() })
}

/// The letters that may be meant.
async fn find(
    installation: &Installation,
    letter: &Place,
    wanted: Option<&str>,
) -> anyhow::Result<Vec<Letter>> {
    let partitions = installation.partitions.count();
    ensure!(
        letter.partition < partitions,
        "there is no partition {}: there are {partitions}, counted from 0",
        letter.partition
    );
    let mut found = Letter::find(installation, letter).await?;
    found.retain(|letter| wanted.is_none_or(|wanted| letter.group == wanted));
    Ok(found)
}

/// What people read of it.
fn text(letter: &Letter) -> String {
    let Letter { id, group, stream, given_up_at, reason, attempts, origin, history, fields, .. } = letter;
    let origin = origin.map_or_else(|| "nobody knows".into(), |origin| origin.to_string());
    let mut text = format!(
        "letter    {id}\ngiven up  {given_up_at:.3} by {group}, after {attempts} attempts\nbecause   {}\nstood at  {origin} in {stream}\n",
        printable(reason)
    );
    for FailedAttempt { at, consumer, reason } in history {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "failed    {at:.3} at {}: {}", printable(consumer), printable(reason));
    }
    text.push('\n');
    for Field { name, value } in fields {
        let _ = writeln!(text, "{}: {}", printable(name), pretty(value));
    }
    text
}

/// JSON in lines that are easy to read; anything else on one.
fn pretty(value: &str) -> String {
    let json: Option<Value> = serde_json::from_str(value).ok();
    let pretty = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    let lines: Vec<String> = pretty.as_deref().unwrap_or(value).split('\n').map(printable).collect();
    lines.join(if pretty.is_some() { "\n" } else { "\\n" })
}
