use serde::Serialize;

use crate::printable::printable;

/// What is to be thought of something, in the order in which it is printed: what matters most is nearest to the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ok,
    /// It could not be found out.
    Unknown,
    /// It works, but somebody should look.
    Warning,
    /// Something does not work, or will not, until somebody does what the finding says.
    Problem,
}

impl Verdict {
    pub(super) const ALL: [Self; 4] = [Self::Ok, Self::Unknown, Self::Warning, Self::Problem];
}

/// What a check found.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Finding {
    /// The check's name, which stays the same from version to version.
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// What there is, and what follows from it.
    pub(super) seen: String,
    /// What to do; nothing where all is well.
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, seen: seen.into(), fix: None }
    }

    pub(super) fn unknown(check: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Unknown, seen: seen.into(), fix: Some(fix.into()) }
    }

    pub(super) fn warning(check: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, seen: seen.into(), fix: Some(fix.into()) }
    }

    pub(super) fn problem(check: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Problem, seen: seen.into(), fix: Some(fix.into()) }
    }

    /// The same of one node of several.
    pub(super) fn at(self, address: &str) -> Self {
        Self { seen: format!("{address}: {}", self.seen), ..self }
    }

    /// What people read of it.
    pub(super) fn text(&self) -> String {
        let fix =
            self.fix.as_deref().map(|fix| format!("\n      do: {}", printable(fix))).unwrap_or_default();
        format!("  {:<24}  {}{fix}", self.check, printable(&self.seen))
    }
}

/// `1 problem`, `2 problems`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
