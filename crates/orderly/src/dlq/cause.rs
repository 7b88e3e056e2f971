//! What people read of letters with the same cause.

use common::operations::letters::{Cause, Look};

use crate::{printable::printable, report};

/// Prints each cause of those that were seen.
pub(super) fn print(look: &Look, json: bool) -> anyhow::Result<()> {
    for cause in &look.causes {
        let text = if json { serde_json::to_string(cause)? } else { text(cause) };
        report::print(&text)?;
    }
    Ok(())
}

fn text(cause: &Cause) -> String {
    let Cause { group, message_type, reason, count, oldest, newest, example } = cause;
    let message_type = message_type.as_deref().map_or_else(|| "without a type".into(), printable);
    format!(
        "{count} × {message_type}, given up by {group}\n  because  {}\n  between  {oldest:.3} and {newest:.3}\n  such as  {example}\n",
        printable(reason)
    )
}
