//! `orderly chaos`: breaking something on purpose, and what became of the orders meanwhile. `up` carries it out.

mod receipt;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Subcommand, value_parser};
use common::{
    messages::{Action, Receipt},
    service::InstallationArgs,
};
use serde::Serialize;
use tokio::time::Instant;

use receipt::{Table, check};

use crate::{
    command,
    control::{self, Answer, RequestArgs},
    installation::Installation,
    printable::printable,
    report,
};

/// What is to be broken.
#[derive(Subcommand)]
pub(crate) enum ChaosCommand {
    /// Kill a payment-worker in the middle of a payment; `up` starts it again
    ///
    /// The busiest one, or the one that is named, as soon as it has a payment in hand; after five seconds without any, an idle
    /// one. Then waits until the orders have come to an end that were accepted since five seconds before, and prints what became
    /// of them, as `orderly verify` counts.
    ///
    /// Exit code 0: it is done, and all agrees. 1: it was not done, nobody has counted in time, or something was lost, charged
    /// twice or does not agree; what is printed.
    Kill(KillArgs),
    /// Freeze a payment-worker in the middle of a payment for a while, by default until others have taken over its work
    ///
    /// What it was about to do it does when it goes on, if it still may. Which one, what is printed, and exit codes are as for
    /// `kill`.
    Freeze(FreezeArgs),
    /// Have the payment provider, which the sandbox plays, take a second longer for some of its calls
    ///
    /// What else it was told to do wrong it does as before. What is printed and exit codes are as for `kill`.
    Slow(DisturbArgs),
    /// Have the payment provider, which the sandbox plays, fail some of its calls, every other time after it has charged
    ///
    /// What else it was told to do wrong it does as before. What is printed and exit codes are as for `kill`.
    Fail(DisturbArgs),
}

/// What all of them are told.
#[derive(clap::Args)]
struct ChaosArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    #[command(flatten)]
    request: RequestArgs,
    /// Why, for whoever reads `orderly audit`
    #[arg(long, value_name = "REASON")]
    why: Option<String>,
    /// Do not wait for what becomes of the orders; `orderly audit` tells it later
    #[arg(long)]
    no_receipt: bool,
}

/// What `orderly chaos kill` is told.
#[derive(clap::Args)]
pub(crate) struct KillArgs {
    /// Which one, such as payment-worker-1
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
    #[command(flatten)]
    args: ChaosArgs,
}

/// What `orderly chaos freeze` is told.
#[derive(clap::Args)]
pub(crate) struct FreezeArgs {
    /// Which one, such as payment-worker-1
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
    /// For how long
    #[arg(long, value_parser = value_parser!(u32).range(1..=i64::from(Action::MOST_SECONDS)))]
    seconds: Option<u32>,
    #[command(flatten)]
    args: ChaosArgs,
}

/// What `orderly chaos slow` and `fail` are told.
#[derive(clap::Args)]
pub(crate) struct DisturbArgs {
    /// How many of a hundred calls
    #[arg(long, default_value_t = Action::USUAL_PERCENT, value_parser = value_parser!(u32).range(1..=100))]
    percent: u32,
    /// For how long
    #[arg(long, default_value_t = Action::USUAL_SECONDS, value_parser = value_parser!(u32).range(1..=i64::from(Action::MOST_SECONDS)))]
    seconds: u32,
    #[command(flatten)]
    args: ChaosArgs,
}

/// Runs `orderly chaos`.
pub(crate) fn main(command: &ChaosCommand) -> ExitCode {
    let (action, args) = match command {
        ChaosCommand::Kill(KillArgs { worker, args }) => {
            (Action::KillWorker { worker: worker.clone() }, args)
        }
        ChaosCommand::Freeze(FreezeArgs { worker, seconds, args }) => {
            (Action::FreezeWorker { worker: worker.clone(), seconds: *seconds }, args)
        }
        ChaosCommand::Slow(DisturbArgs { percent, seconds, args }) => {
            (Action::SlowProvider { percent: Some(*percent), seconds: Some(*seconds) }, args)
        }
        ChaosCommand::Fail(DisturbArgs { percent, seconds, args }) => {
            (Action::FailProvider { percent: Some(*percent), seconds: Some(*seconds) }, args)
        }
    };
    command::run("chaos", run(action, args))
}

/// What came of it, for programs.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    answer: Answer,
    receipt: Option<Receipt>,
}

async fn run(action: Action, args: &ChaosArgs) -> anyhow::Result<()> {
    let installation = Installation::reach(&args.installation).await?;
    let patience = receipt_within(&action);
    let (request, why) = (&args.request, args.why.as_deref());
    let answer = control::ask(&installation, action, request, why, Duration::ZERO).await?;
    if answer.succeeded && !request.json {
        report::print(&printable(&answer.outcome))?;
    }
    let receipt = if answer.succeeded && !args.no_receipt {
        control::receipt(&installation, answer.request, Instant::now() + patience).await?
    } else {
        None
    };
    let told = Told { answer, receipt };
    if request.json {
        report::print(&serde_json::to_string(&told)?)?;
    }
    let Told { answer, receipt } = told;
    if !answer.succeeded {
        bail!("{}", printable(&answer.outcome));
    }
    if args.no_receipt {
        return Ok(());
    }
    let receipt = receipt.with_context(|| {
        format!(
            "nobody has counted in {} s what became of the orders; has `orderly up` been stopped? `orderly verify` tells whether \
             all agrees",
            patience.as_secs()
        )
    })?;
    if !request.json {
        report::print(&Table(&receipt).to_string())?;
    }
    check(&receipt)
}

/// How long it may take until it is over and all is counted: a worker is back, or what was asked for has passed, in two minutes; a
/// minute is waited for orders; and then it is counted.
fn receipt_within(action: &Action) -> Duration {
    let lasts = match action {
        Action::FreezeWorker { seconds, .. }
        | Action::SlowProvider { seconds, .. }
        | Action::FailProvider { seconds, .. } => *seconds,
        _ => None,
    };
    Duration::from_secs(lasts.unwrap_or(Action::MOST_SECONDS).into()) + Duration::from_secs(90)
}
