//! `orderly audit`: who asked for what, when and why, and what came of it.

use std::{collections::HashMap, process::ExitCode};

use common::{
    messages::{Action, ControlEvent, LetterFilter, Receipt},
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
    /// What the orders came to meanwhile, if something was broken on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
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
    // To each belong up to two entries more, which tell what came of it.
    let (mut redis, stream) = (installation.redis.clone(), installation.names.control_stream());
    let mut ids = cmd("XREVRANGE");
    ids.arg(&stream).arg("+").arg("-").arg("COUNT").arg(3 * limit + 1);
    let ids: Vec<(StreamId, Value)> = ids.query_async(&mut redis).await?;
    let mut position = match ids.last() {
        Some((id, _)) if ids.len() > 3 * limit => *id,
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
            requests.push(Request { at, id, action, by, why, carried_out: None, receipt: None });
        }
        ControlEvent::CarriedOut { request, instance, outcome, succeeded, .. } => {
            if let Some(request) = places.get(&request).and_then(|place| requests.get_mut(*place)) {
                request.carried_out =
                    Some(CarriedOut { at: entry.occurred_at, instance, succeeded, outcome });
            }
        }
        ControlEvent::Receipt { request, receipt, .. } => {
            if let Some(request) = places.get(&request).and_then(|place| requests.get_mut(*place)) {
                request.receipt = Some(receipt);
            }
        }
    }
}

impl Request {
    /// What people read of it.
    fn text(&self) -> String {
        let Self { at, action, by, why, carried_out, receipt, .. } = self;
        let why = why.as_deref().map(|why| format!("\n  because  {}", printable(why))).unwrap_or_default();
        let outcome = match carried_out {
            None => "not carried out yet".into(),
            Some(CarriedOut { instance, succeeded, outcome, .. }) => {
                let failed = if *succeeded { "" } else { "failed: " };
                format!("{failed}{} ({})", printable(outcome), printable(instance))
            }
        };
        let receipt = receipt.as_ref().map(|receipt| format!("\n  receipt  {}", counted(receipt)));
        let receipt = receipt.unwrap_or_default();
        format!("{at:.3}  {}: {}{why}\n  outcome  {outcome}{receipt}", printable(by), what(action))
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
        Action::KillWorker { worker } => format!("kill {}", which_worker(worker.as_deref())),
        Action::FreezeWorker { worker, seconds } => {
            let time = seconds.map_or_else(
                || " until others have taken over its work".into(),
                |seconds| format!(" for {seconds} s"),
            );
            format!("freeze {}{time}", which_worker(worker.as_deref()))
        }
        Action::SlowProvider { percent, seconds } => {
            format!("slow the provider down{}", how_much(*percent, *seconds))
        }
        Action::FailProvider { percent, seconds } => {
            format!("have the provider fail{}", how_much(*percent, *seconds))
        }
        Action::Unknown => "something that only a newer version knows".into(),
    }
}

fn which_worker(worker: Option<&str>) -> String {
    worker.map_or_else(|| "a payment-worker in the middle of a payment".into(), printable)
}

fn how_much(percent: Option<u32>, seconds: Option<u32>) -> String {
    let percent = percent.unwrap_or(Action::USUAL_PERCENT);
    format!(" for {percent} % of its calls, for {} s", seconds.unwrap_or(Action::USUAL_SECONDS))
}

/// What a receipt says, on one line.
fn counted(receipt: &Receipt) -> String {
    let Receipt { orders, unsettled, lost, charged_twice, .. } = receipt;
    let unsettled = if *unsettled > 0 { format!(", {unsettled} not settled yet") } else { String::new() };
    let verdict = match (receipt.agreed, receipt.provider_checked) {
        (false, _) => "; verify does not agree",
        (true, false) => "; the provider's books could not be read",
        (true, true) => "",
    };
    format!("{orders} orders: {lost} lost, {charged_twice} charged twice{unsettled}{verdict}")
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
