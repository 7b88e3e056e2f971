//! `orderly payments`: what became of payments that nobody but a person can settle.

mod parked;
mod resolve;

use std::process::ExitCode;

use clap::Subcommand;

use crate::report::in_words;

/// What is to be done with them.
#[derive(Subcommand)]
pub(crate) enum PaymentsCommand {
    /// List the payments that are parked: the provider gave no definite answer, or refused the request
    Parked(parked::ParkedArgs),
    /// Settle a parked payment, once you know what became of it at the provider. A payment-worker carries it out; the journal
    /// keeps who decided, and why
    Resolve(resolve::ResolveArgs),
}

/// Runs `orderly payments`. The exit code is 1 if it could not be done.
pub(crate) fn main(command: &PaymentsCommand) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            match command {
                PaymentsCommand::Parked(args) => parked::run(args).await,
                PaymentsCommand::Resolve(args) => resolve::run(args).await,
            }
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("orderly payments: {}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}
