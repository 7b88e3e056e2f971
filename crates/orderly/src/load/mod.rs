//! `orderly load`: places orders at a running system, and tells whether each that was accepted came to an end, once.
//!
//! | role | file |
//! |---|---|
//! | what it is told | `args.rs` |
//! | when each order is to be sent | `pace.rs` |
//! | an order over HTTP, and the answer | `gateway.rs` |
//! | the connections, each of which sends one order after the other | `placing.rs` |
//! | how orders end, as the channel and the journal tell it | `hearing.rs` |
//! | what became of each order, without any I/O | `tally.rs`, `early.rs`, `latencies.rs` |
//! | what they all share | `run.rs` |
//! | what is printed | `report.rs`, `progress.rs` |

mod args;
mod early;
mod gateway;
mod hearing;
mod latencies;
mod pace;
mod placing;
mod progress;
mod report;
mod run;
mod tally;

use std::{
    io::IsTerminal,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;

pub(crate) use args::LoadArgs;
use gateway::Gateway;
use hearing::Hearing;
use progress::Progress;
use report::Report;
use run::Run;

use crate::{
    books::Books,
    installation::Installation,
    report::{in_words, print, tell_unknown},
    signals::Signals,
};

/// How often it is looked whether outcomes are still missing.
const GLANCE: Duration = Duration::from_millis(20);

/// Runs `orderly load`. The exit code is 0 if all that was accepted came to an end, once; 1 if anything did not; 2 if that
/// could not be found out.
pub(crate) fn main(args: &LoadArgs) -> ExitCode {
    let progress = Progress::start(!args.json || std::io::stdout().is_terminal());
    let found = find_out(args, &progress);
    progress.finish();
    match found {
        Ok(report) => {
            let printed = if args.json { report.json() } else { Ok(report.to_string()) };
            match printed.map_err(anyhow::Error::from).and_then(|text| print(&text)) {
                Ok(()) => report.exit_code(),
                Err(error) => tell_unknown("load", &in_words(&error), false),
            }
        }
        Err(error) => tell_unknown("load", &in_words(&error), args.json),
    }
}

fn find_out(args: &LoadArgs, progress: &Progress) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(load(args, progress))
}

async fn load(args: &LoadArgs, progress: &Progress) -> anyhow::Result<Report> {
    let gateway = Gateway::reach(&args.url).await?;
    let source = Installation::reach(&args.installation).await?;
    let mut books = match &args.provider_url {
        Some(url) => {
            let (mut books, charges) = Books::open(url).await?;
            // What was charged before this run is not for its orders.
            books.skip(charges);
            Some(books)
        }
        None => None,
    };
    let mut hearing = Hearing::start(&source).await?;
    let signals = Signals::listen()?;
    let run = Arc::new(Run::new(args, gateway, signals.stop.clone()));
    tokio::select! {
        () = place_and_wait(args, &run) => {}
        () = hearing.listen(&run) => {}
        () = progress.follow(&run) => {}
        () = signals.kill.cancelled() => bail!("asked a second time to stop, before every outcome was there"),
    }
    let mut doubts = Vec::new();
    if run.tally().pending() > 0
        && let Err(error) = hearing.read_the_rest(&source, &run).await
    {
        doubts.push(format!("how orders ended cannot be read: {error}. Is Redis running?"));
    }
    if let Some(books) = &mut books
        && let Err(error) = books.read_on(|charge| run.tally().charged(charge)).await
    {
        doubts.push(in_words(&error));
    }
    let tally = run.tally();
    Ok(Report {
        figures: tally.figures(),
        outcome: tally.outcome(),
        not_sent: run.not_sent(),
        gateway: args.url.clone(),
        redis: source.server.address(),
        partitions: source.partitions.count(),
        provider: args.provider_url.clone(),
        doubts,
    })
}

/// Places all orders; then waits until each has ended, or until nothing has for as long as was allowed.
async fn place_and_wait(args: &LoadArgs, run: &Arc<Run>) {
    placing::place_all(run, args.connections).await;
    let (mut pending, mut since) = (run.tally().pending(), Instant::now());
    while pending > 0 && since.elapsed() < args.settle_timeout {
        tokio::time::sleep(GLANCE).await;
        let now = run.tally().pending();
        if now < pending {
            (pending, since) = (now, Instant::now());
        }
    }
}
