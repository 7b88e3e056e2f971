//! Times as people say them.

use jiff::{Span, SpanRelativeTo, Timestamp};

/// Reads a time, such as `2026-01-31T12:00:00Z`, or how long before `now`, such as `10m`, `2h 30m` or `1d`.
pub(crate) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let span: Span = text.parse().ok()?;
    let ago = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    if ago.is_negative() { None } else { now.checked_sub(ago).ok() }
}
