//! `orderly audit`: who asked for what, when and why, and what came of it.

use std::process::ExitCode;

use common::{
    messages::{Action, LetterFilter, Receipt},
    operations::requests::{self, CarriedOut, Newest, Request},
    service::InstallationArgs,
};

use crate::{command, installation::Installation, printable::printable, report};

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

async fn run(args: &AuditArgs) -> anyhow::Result<()> {
    let installation = Installation::reach(&args.installation).await?;
    let Newest { requests, unreadable } = requests::newest(&installation, args.limit.into()).await?;
    for (id, reason) in unreadable.iter().rev() {
        report::print(&format!("{:.3}  an entry that this version cannot read: {reason}", id.time()))?;
    }
    if requests.is_empty() && !args.json {
        return report::print("Nobody has asked for anything.");
    }
    for request in &requests {
        report::print(&if args.json { serde_json::to_string(request)? } else { text(request) })?;
    }
    Ok(())
}

/// What people read of it.
fn text(request: &Request) -> String {
    let Request { at, action, by, why, carried_out, receipt, .. } = request;
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
