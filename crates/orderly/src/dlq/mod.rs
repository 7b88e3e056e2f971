//! `orderly dlq`: what the consumer groups have given up, and what is to become of it.
//!
//! | role | file |
//! |---|---|
//! | which letters are meant | `which.rs` |
//! | telling of them | `cause.rs`, `list.rs`, `show.rs` |
//! | replaying and dropping them | `settle.rs` |

mod cause;
mod list;
mod settle;
mod show;
mod which;

use std::process::ExitCode;

use clap::Subcommand;

use crate::command;

/// What is to be done with dead letters.
#[derive(Subcommand)]
pub(crate) enum DlqCommand {
    /// List the dead letters of all consumer groups, those with the same cause together
    ///
    /// A cause is the group, the type of the message and the reason, in which ids and numbers are left out (…).
    ///
    /// Exit code 0: they are listed, or there are none. 1: Redis cannot be asked.
    List(list::ListArgs),
    /// Show everything that is known of one letter
    ///
    /// Exit code 0: it is shown. 1: there is no such letter, more than one is meant, or Redis cannot be asked.
    Show(show::ShowArgs),
    /// Bring letters back into their stream, for the group that gave them up and for no other
    ///
    /// Without --yes it only shows which these are. The service that owns the group carries it out, and `orderly audit`
    /// tells who asked for it, why, and what came of it. Letters that come after the look are left alone.
    ///
    /// Exit code 0: it is done, or was only shown. 1: it was not done, or not all of it, or not in time; why is printed.
    Replay(settle::ReplayArgs),
    /// Delete letters for good
    ///
    /// Without --yes it only shows which these are. The service that owns the group carries it out, and `orderly audit`
    /// tells who asked for it, why, and what came of it. Letters that come after the look are left alone.
    ///
    /// Exit code 0: it is done, or was only shown. 1: it was not done, or not in time; why is printed.
    Drop(settle::DropArgs),
}

/// Runs `orderly dlq`.
pub(crate) fn main(command: &DlqCommand) -> ExitCode {
    command::run("dlq", async {
        match command {
            DlqCommand::List(args) => list::run(args).await,
            DlqCommand::Show(args) => show::run(args).await,
            DlqCommand::Replay(args) => settle::replay(args).await,
            DlqCommand::Drop(args) => settle::drop(args).await,
        }
    })
}
