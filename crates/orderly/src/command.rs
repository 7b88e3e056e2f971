//! How a command that asks and answers is run.

use std::process::ExitCode;

use crate::report::in_words;

/// Runs it to its end. The exit code is 1 if it could not be done; why is on the standard error.
pub(crate) fn run(name: &str, work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(work)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("orderly {name}: {}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}
