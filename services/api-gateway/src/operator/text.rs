//! What people write for other people.

use common::problem::{FieldError, Problem};

/// How long it may be.
pub(super) const LONGEST: usize = 500;

/// 422 if nothing is said there, or too much.
pub(super) fn check(pointer: &str, text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() || text.chars().count() > LONGEST {
        return Err(wrong(pointer, format!("1 to {LONGEST} characters")));
    }
    Ok(())
}

/// 422, with what is wrong there.
pub(super) fn wrong(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::invalid(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
}
