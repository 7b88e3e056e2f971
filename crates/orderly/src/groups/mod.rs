//! `orderly groups`: how the consumer groups are doing, and having one rest for a while.

mod list;
mod pause;
mod row;

use std::process::ExitCode;

use clap::Subcommand;

use crate::command;

pub(crate) use row::paused;

/// What is to be done with consumer groups.
#[derive(Subcommand)]
pub(crate) enum GroupsCommand {
    /// List the consumer groups: how far each is behind, what it has in hand and has given up, and whether it is paused
    ///
    /// Groups that take entries in their order have nothing pending and no consumers, as Redis counts them: how far they are
    /// behind is their lag. A `?` is a lag that Redis does not know.
    ///
    /// Exit code 0: they are listed. 1: Redis cannot be asked.
    List(list::ListArgs),
    /// Have a group take nothing more from its streams until it is resumed; restarts do not change that
    ///
    /// What it has in hand is finished. The service that owns the group carries it out, and every instance of it follows within a
    /// second or two. Orders are accepted all the same, and wait.
    ///
    /// Exit code 0: it is paused. 1: it is not, or not in time; why is printed.
    Pause(pause::PauseArgs),
    /// Have a group that is paused go on
    ///
    /// Exit code 0: it goes on. 1: it does not, or not in time; why is printed.
    Resume(pause::ResumeArgs),
}

/// Runs `orderly groups`.
pub(crate) fn main(command: &GroupsCommand) -> ExitCode {
    command::run("groups", async {
        match command {
            GroupsCommand::List(args) => list::run(args).await,
            GroupsCommand::Pause(args) => pause::pause(args).await,
            GroupsCommand::Resume(args) => pause::resume(args).await,
        }
    })
}
