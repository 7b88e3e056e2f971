//! Times as people say them, and as streams do.

use jiff::{Span, SpanRelativeTo, Timestamp};
use redis_kit::stream::StreamId;

/// Reads a time, such as `2026-01-31T12:00:00Z`, or how long before `now`, such as `10m`, `2h 30m` or `1d`.
pub(crate) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let span: Span = text.parse().ok()?;
    let ago = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    if ago.is_negative() { None } else { now.checked_sub(ago).ok() }
}

/// When an entry was appended.
pub(crate) fn of(id: StreamId) -> Timestamp {
    let milliseconds = i64::try_from(id.milliseconds).ok();
    milliseconds.and_then(|time| Timestamp::from_millisecond(time).ok()).unwrap_or(Timestamp::MAX)
}
