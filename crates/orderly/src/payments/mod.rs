//! `orderly payments`: what became of payments that nobody but a person can settle.

mod parked;
mod resolve;

use std::process::ExitCode;

use clap::Subcommand;

use crate::command;

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
    command::run("payments", async {
        match command {
            PaymentsCommand::Parked(args) => parked::run(args).await,
            PaymentsCommand::Resolve(args) => resolve::run(args).await,
        }
    })
}
