//! `orderly audit`: who asked for what, when and why, and what came of it.

use std::{collections::HashMap, process::ExitCode};

use common::{
    messages::{Action, ControlEvent, LetterFilter},
    service::InstallationArgs,
};
use jiff::Timestamp;
use redis_kit::{
    Value, cmd,
    stream::{Entry, Slot, StreamId, read_after},
};
use serde::Serialize;
use uuid::Uuid;

use crate::{command, installation::Installation, moment, printable::printable, report};

/// What `orderly audit` is told.
#[derive(clap::Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// How many requests to tell at most
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs `orderly audit`.
pub(crate) fn main(args: &AuditArgs) -> ExitCode {
    command::run("audit", run(args))
}

/// A request, and what came of it.
#[derive(Serialize)]
struct Request {
    at: Timestamp,
    id: Uuid,
    #[serde(flatten)]
    action: Action,
    by: String,
    why: Option<String>,
    carried_out: Option<CarriedOut>,
}

#[derive(Serialize)]
struct CarriedOut {
    at: Timestamp,
    instance: String,
    succeeded: bool,
    outcome: String,
}

async fn run(args: &AuditArgs) -> anyhow::Result<()> {
    let installation = Installation::reach(&args.installation).await?;
    let limit = usize::from(args.limit);
    let requests = newest(&installation, limit).await?;
    if requests.is_empty() && !args.json {
        return report::print("Nobody has asked for anything.");
    }
    for request in requests.iter().rev().take(limit) {
        report::print(&if args.json { serde_json::to_string(request)? } else { request.text() })?;
    }
    Ok(())
}

/// The newest requests, oldest first, and at least so many if there are.
async fn newest(installation: &Installation, limit: usize) -> anyhow::Result<Vec<Request>> {
    // To each belongs one entry that tells what came of it.
    let (mut redis, stream) = (installation.redis.clone(), installation.names.control_stream());
    let mut ids = cmd("XREVRANGE");
    ids.arg(&stream).arg("+").arg("-").arg("COUNT").arg(2 * limit + 1);
    let ids: Vec<(StreamId, Value)> = ids.query_async(&mut redis).await?;
    let mut position = match ids.last() {
        Some((id, _)) if ids.len() > 2 * limit => *id,
        _ => StreamId::ZERO,
    };
    let (mut requests, mut places) = (Vec::new(), HashMap::new());
    loop {
        let page = read_after::<ControlEvent>(&mut redis, &stream, position, 1000).await?;
        let Some(last) = page.slots.last() else { return Ok(requests) };
        position = last.id();
        for slot in page.slots {
            match slot {
                Slot::Entry(entry) => note(entry, &mut requests, &mut places),
                Slot::Undecodable { id, reason } => {
                    let at = moment::of(id);
                    report::print(&format!("{at:.3}  an entry that this version cannot read: {reason}"))?;
                }
                Slot::Replay { .. } => {}
            }
        }
    }
}

/// Takes in an entry. `places` tells where in `requests` each is.
fn note(entry: Entry<ControlEvent>, requests: &mut Vec<Request>, places: &mut HashMap<Uuid, usize>) {
    match entry.message {
        ControlEvent::Requested { action, by, why } => {
            places.insert(entry.message_id, requests.len());
            let (at, id) = (entry.occurred_at, entry.message_id);
            requests.push(Request { at, id, action, by, why, carried_out: None });
        }
        ControlEvent::CarriedOut { request, instance, outcome, succeeded, .. } => {
            if let Some(request) = places.get(&request).and_then(|place| requests.get_mut(*place)) {
                request.carried_out =
                    Some(CarriedOut { at: entry.occurred_at, instance, succeeded, outcome });
            }
        }
    }
}

impl Request {
    /// What people read of it.
    fn text(&self) -> String {
        let Self { at, action, by, why, carried_out, .. } = self;
        let why = why.as_deref().map(|why| format!("\n  because  {}", printable(why))).unwrap_or_default();
        let outcome = match carried_out {
            None => "not carried out yet".into(),
            Some(CarriedOut { instance, succeeded, outcome, .. }) => {
                let failed = if *succeeded { "" } else { "failed: " };
                format!("{failed}{} ({})", printable(outcome), printable(instance))
            }
        };
        format!("{at:.3}  {}: {}{why}\n  outcome  {outcome}", printable(by), what(action))
    }
}

/// What was asked for, in words.
fn what(action: &Action) -> String {
    match action {
        Action::ReplayDeadLetters { group, filter, per_second } => {
            format!("replay dead letters of {}, {per_second} a second: {}", printable(group), which(filter))
        }
        Action::DropDeadLetters { group, filter } => {
            format!("drop dead letters of {}: {}", printable(group), which(filter))
        }
        Action::PauseGroup { group } => format!("pause {}", printable(group)),
        Action::ResumeGroup { group } => format!("resume {}", printable(group)),
        Action::Unknown => "something that only a newer version knows".into(),
    }
}

fn which(LetterFilter { message_type, reason_contains, since, until }: &LetterFilter) -> String {
    let parts = [
        message_type.as_deref().map(|wanted| format!("of type {}", printable(wanted))),
        reason_contains.as_deref().map(|text| format!("whose reason contains {text:?}")),
        since.map(|since| format!("given up since {since:.3}")),
        Some(format!("given up until {until:.3}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}
