//! `orderly completions`: what makes a shell complete the command's words.

use std::{io::Write, process::ExitCode};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Cli;

/// What `orderly completions` is told.
#[derive(clap::Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Prints the script for a shell. The exit code is 1 if nobody takes it.
pub(crate) fn main(args: &CompletionsArgs) -> ExitCode {
    match std::io::stdout().write_all(&script(args.shell)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "orderly", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_the_subcommands_and_their_flags() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for word in ["verify", "load", "idempotent", "tail", "dlq", "groups", "chaos", "audit"] {
                assert!(script.contains(word), "{word} is not in what {shell} is told");
            }
        }
    }
}
