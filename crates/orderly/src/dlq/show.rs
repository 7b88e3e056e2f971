use std::fmt::Write as _;

use anyhow::{bail, ensure};
use clap::builder::PossibleValuesParser;
use common::{names::groups, service::InstallationArgs};
use jiff::Timestamp;
use redis_kit::stream::{
    StreamId,
    dead_letters::{DeadLetter, DeadLetters, FailedAttempt},
};
use serde::Serialize;
use serde_json::Value;

use super::place::Place;
use crate::{installation::Installation, moment, printable::printable, report};

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

/// Everything of a letter.
#[derive(Serialize)]
struct Shown {
    id: Place,
    group: String,
    /// The stream that its entry was on.
    stream: String,
    given_up_at: Timestamp,
    r#type: Option<String>,
    reason: String,
    attempts: u32,
    /// Where its entry first stood.
    origin: Option<StreamId>,
    history: Vec<FailedAttempt>,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    value: String,
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
    report::print(&if args.json { serde_json::to_string(&shown)? } else { shown.text().trim_end().into() })
}

/// The letters that may be meant.
async fn find(
    installation: &Installation,
    letter: &Place,
    wanted: Option<&str>,
) -> anyhow::Result<Vec<Shown>> {
    let Place { group: spelled, partition, id } = letter;
    let partitions = installation.partitions.count();
    ensure!(
        *partition < partitions,
        "there is no partition {partition}: there are {partitions}, counted from 0"
    );
    let mut found = Vec::new();
    for group in groups::all() {
        let is_meant = |named: Option<&str>| named.is_none_or(|named| named == group);
        if !is_meant(spelled.as_deref()) || !is_meant(wanted) {
            continue;
        }
        let streams = installation.names.streams_of(group, installation.partitions);
        let Some(stream) = streams.into_iter().nth(usize::from(*partition)) else { continue };
        let letters = DeadLetters::new(installation.redis.clone(), &*stream, group);
        if let Some(letter) = letters.show(*id).await? {
            found.push(Shown::new(group, *partition, stream, letter));
        }
    }
    Ok(found)
}

impl Shown {
    fn new(group: &str, partition: u16, stream: String, letter: DeadLetter) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let field = |(name, value): &(Vec<u8>, Vec<u8>)| Field { name: text(name), value: text(value) };
        Self {
            id: Place { group: Some(group.into()), partition, id: letter.id },
            group: group.into(),
            stream,
            given_up_at: moment::of(letter.id),
            r#type: letter.message_type().map(str::to_owned),
            fields: letter.fields.iter().map(field).collect(),
            reason: letter.reason,
            attempts: letter.attempts,
            origin: letter.origin,
            history: letter.history,
        }
    }

    /// What people read of it.
    fn text(&self) -> String {
        let Self { id, group, stream, given_up_at, reason, attempts, origin, history, fields, .. } = self;
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
}

/// JSON in lines that are easy to read; anything else on one.
fn pretty(value: &str) -> String {
    let json: Option<Value> = serde_json::from_str(value).ok();
    let pretty = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    let lines: Vec<String> = pretty.as_deref().unwrap_or(value).split('\n').map(printable).collect();
    lines.join(if pretty.is_some() { "\n" } else { "\\n" })
}
