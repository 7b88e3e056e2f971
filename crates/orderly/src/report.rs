//! What reports have in common, and what is said where none can be given.

use std::{
    fmt::{self, Display, Formatter},
    io::Write,
    process::ExitCode,
};

use anyhow::Context;
use serde::Serialize;

/// The exit code where it could not be found out whether all agrees.
pub(crate) const UNKNOWN: u8 = 2;

/// A line of a table: a name, and its figure.
pub(crate) fn row(f: &mut Formatter<'_>, name: &str, figure: impl Display) -> fmt::Result {
    writeln!(f, "{name:<28}{figure:>12}")
}

/// Prints a report on the standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot print what was found out")
}

/// Says that nothing could be found out, and why; as JSON too if that was wanted.
pub(crate) fn tell_unknown(command: &str, why: &str, json: bool) -> ExitCode {
    if json && let Ok(json) = unknown(why) {
        // There is the exit code, too.
        let _ = print(&json);
    }
    let _ = writeln!(std::io::stderr(), "orderly {command}: {why}");
    ExitCode::from(UNKNOWN)
}

/// An error and its causes, but not what has been said already: some repeat their cause.
pub(crate) fn in_words(error: &anyhow::Error) -> String {
    let mut causes = error.chain().map(ToString::to_string);
    let first = causes.next().unwrap_or_default();
    causes.fold(first, |text, cause| if text.ends_with(&cause) { text } else { format!("{text}: {cause}") })
}

/// What is printed as JSON where nothing could be found out.
#[derive(Serialize)]
struct Unknown<'a> {
    verdict: &'static str,
    error: &'a str,
}

/// The JSON object of a verdict that could not be reached.
fn unknown(error: &str) -> serde_json::Result<String> {
    serde_json::to_string(&Unknown { verdict: "unknown", error })
}
