//! `orderly tail`: what happens to orders, as it happens.
//!
//! | role | file |
//! |---|---|
//! | from when on | `since.rs`, `positions.rs` |
//! | what is left out | `filter.rs` |
//! | following the journal, and saying when that is not possible | `follow.rs` |
//! | a line for people, and one for programs | `line.rs`, `json.rs` |

mod filter;
mod follow;
mod json;
mod line;
mod positions;
mod since;

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use common::{
    messages::{OrderEvent, OrderId},
    service::InstallationArgs,
};
use jiff::Timestamp;
use redis_kit::stream::Message;

use positions::Positions;
use since::Since;

use crate::{report::in_words, signals::Signals};

/// What `orderly tail` is told.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// Only what happens to this order
    #[arg(long, value_name = "ID")]
    order: Option<OrderId>,
    /// Only what happens to this customer's orders
    ///
    /// Failed attempts and refused resolutions do not name the customer. They are told of the orders that were seen being placed.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only events of this type; repeat it for several
    #[arg(long = "type", value_name = "TYPE", value_parser = PossibleValuesParser::new(OrderEvent::TYPES))]
    types: Vec<String>,
    /// Begin earlier: so long ago (`10m`, `2h 30m`, `1d`), at a time (`2026-01-31T12:00:00Z`), or at the `beginning` of what is left
    /// of the journal
    #[arg(long, default_value = "now", value_name = "WHEN", value_parser = |text: &str| Since::parse(text, Timestamp::now()))]
    since: Since,
    /// Go on behind a `position` that was printed with --json
    #[arg(long, conflicts_with = "since", value_name = "POSITION")]
    after: Option<Positions>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Tell the trace of each event too
    #[arg(long, short)]
    verbose: bool,
}

/// Runs `orderly tail`. The exit code is 0 after an end that was asked for, 1 if it could not begin.
pub(crate) fn main(args: &TailArgs) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("orderly tail: {}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &TailArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let signals = Signals::listen()?;
        // A task of its own: while a reader stalls, printing does, and that must keep nobody from ending it.
        let following = tokio::spawn(follow::run(args.clone()));
        tokio::select! {
            ended = following => ended?,
            () = signals.stop.cancelled() => Ok(()),
        }
    });
    runtime.shutdown_background();
    outcome
}
