//! `orderly verify`: whether what clients were promised, what the journal tells and what the provider charged agree.
//!
//! | role | file |
//! |---|---|
//! | what is read, in which order, and why that is right on a system that runs | `pass.rs` |
//! | how many orders are looked at together | `plan.rs` |
//! | journals and payment requests | `journal.rs` |
//! | work that is still to be done | `ahead.rs` |
//! | dead letters | `letters.rs` |
//! | what clients were promised | `promises.rs` |
//! | the orders of a short time, for whoever broke something meanwhile | `window.rs` |
//! | what follows from all that, without any I/O | `ledger/`, `verdict.rs` |
//! | what is printed | `report.rs`, `progress.rs` |

mod ahead;
mod journal;
mod ledger;
mod letters;
mod pass;
mod plan;
mod progress;
mod promises;
mod report;
mod verdict;
mod window;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Instant};

use common::{service::InstallationArgs, steadily::steadily};
use jiff::Timestamp;
use redis_kit::{Error, check_version, cmd, stream::trimmed_before};

use ledger::Terms;
use pass::Pass;
use progress::Progress;
use report::Report;
use verdict::Verdict;
pub(crate) use window::{Window, count};

use crate::{
    books::Books,
    installation::Installation,
    report::{in_words, print, tell_unknown},
};

/// What `orderly verify` is told.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// The payment provider's base URL
    #[arg(long, env = "PROVIDER_URL", default_value = "http://127.0.0.1:8090", value_name = "URL")]
    provider_url: String,
    /// Leave the provider's books out
    #[arg(long)]
    no_provider: bool,
    /// What clients were promised: lines like `{"order_id": "…", "amount": "49.80", "currency": "EUR"}`
    ///
    /// Every one of these orders must be in the journal with that amount. The amount may be missing; `placed_at` (RFC 3339)
    /// tells whether an order is older than what retention has left of the journal; other fields are ignored.
    #[arg(long, value_name = "FILE")]
    promised: Option<PathBuf>,
    /// Say that nothing is under way any more: an order that is in flight is then a disagreement
    #[arg(long)]
    settled: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Orders that are held in memory at a time, some 150 bytes each; if there may be more, they are read in several passes
    #[arg(long, default_value_t = 2_000_000, value_name = "ORDERS", value_parser = clap::value_parser!(u64).range(1..))]
    at_a_time: u64,
}

/// Runs `orderly verify`. The exit code is 0 if all agrees, 1 if anything does not, 2 if that could not be found out.
pub(crate) fn main(args: &VerifyArgs) -> ExitCode {
    match find_out(args) {
        Ok(report) => {
            let printed = if args.json { report.json() } else { Ok(report.to_string()) };
            match printed.map_err(anyhow::Error::from).and_then(|text| print(&text)) {
                Ok(()) if report.verdict.is_clean() => ExitCode::SUCCESS,
                Ok(()) => ExitCode::FAILURE,
                Err(error) => tell_unknown("verify", &explain(&error), false),
            }
        }
        Err(error) => tell_unknown("verify", &explain(&error), args.json),
    }
}

/// Why nothing could be found out, and what to do.
fn explain(error: &anyhow::Error) -> String {
    let text = in_words(error);
    error.chain().find_map(advice).map_or(text.clone(), |advice| format!("{text}. {advice}"))
}

/// What to do about an error.
fn advice(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if cause.is::<Error>() {
        Some("Is Redis running, and is it the right one? Say where it is with --redis-url (REDIS_URL)")
    } else if cause.is::<reqwest::Error>() {
        Some(
            "Is the provider running? Say where it is with --provider-url (PROVIDER_URL), or leave its books out with \
             --no-provider",
        )
    } else {
        None
    }
}

fn find_out(args: &VerifyArgs) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let progress = Progress::start(!args.json || std::io::stdout().is_terminal());
    let report = runtime.block_on(verify(args, &progress));
    progress.finish();
    report
}

async fn verify(args: &VerifyArgs, progress: &Progress) -> anyhow::Result<Report> {
    let started = Instant::now();
    let source = Installation::reach(&args.installation).await?;
    steadily(Error::is_transient, || check_version(source.redis.clone())).await?;
    let (mut books, charges) = if args.no_provider {
        (None, 0)
    } else {
        let (books, charges) = Books::open(&args.provider_url).await?;
        (Some(books), charges)
    };
    let sizes = sizes(args, &source, progress).await?;
    let shares = plan::shares(&sizes, args.at_a_time);
    progress.expect(charges * shares.len() as u64);
    let mut verdict = Verdict::default();
    let terms = Terms { with_books: books.is_some(), settled: args.settled };
    for share in &shares {
        let pass = Pass::over(share, &source, args.promised.as_deref(), terms, progress);
        pass.run(&mut books, &mut verdict).await?;
    }
    Ok(Report {
        verdict,
        journal_since: journal_since(&source).await?,
        provider: books.map(|_| args.provider_url.clone()),
        partitions: source.partitions.count(),
        redis: source.server.address(),
        passes: shares.len(),
        has_promises: args.promised.is_some(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// How many orders each partition has at most: each has an entry of its own, and those that were only promised are in the file.
async fn sizes(args: &VerifyArgs, source: &Installation, progress: &Progress) -> anyhow::Result<Vec<u64>> {
    let mut sizes = match &args.promised {
        Some(file) => promises::count(file, source.partitions)?,
        None => vec![0; source.partitions.count().into()],
    };
    for (partition, size) in (0..).zip(&mut sizes) {
        let entries = length(source, &source.names.orders_stream(partition)).await?;
        let requests = length(source, &source.names.payments_stream(partition)).await?;
        *size = entries.max(*size);
        progress.expect((entries + requests) * size.div_ceil(args.at_a_time).max(1));
    }
    Ok(sizes)
}

/// How many entries a stream has.
async fn length(source: &Installation, stream: &str) -> Result<u64, Error> {
    let length = || async { Ok(cmd("XLEN").arg(stream).query_async(&mut source.redis.clone()).await?) };
    steadily(Error::is_transient, length).await
}

/// Since when the journals of all partitions are whole; `None` if none was ever trimmed.
async fn journal_since(source: &Installation) -> anyhow::Result<Option<Timestamp>> {
    let mut since = 0;
    for journal in source.names.orders_streams(source.partitions) {
        let trimmed = || async { trimmed_before(&mut source.redis.clone(), &journal).await };
        since = steadily(Error::is_transient, trimmed).await?.milliseconds.max(since);
    }
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    Ok(Timestamp::from_millisecond(since).ok().filter(|_| since > 0))
}
