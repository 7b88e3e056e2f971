//! Server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::HeaderMap,
    response::sse::{Event, KeepAlive, KeepAliveStream, Sse},
};
use common::problem::Problem;
use futures_util::{
    StreamExt,
    stream::{BoxStream, unfold},
};

use super::query::bad_request;

/// How often a silent connection says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A connection on which events are told.
pub(crate) type EventStream = Sse<KeepAliveStream<BoxStream<'static, Result<Event, Infallible>>>>;

/// Where a listener was; 400 for what no event ever carried.
pub(crate) fn last_event_id<T>(
    headers: &HeaderMap,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = headers.get("last-event-id") else { return Ok(None) };
    let position = text.to_str().ok().and_then(read);
    position.map(Some).ok_or_else(|| bad_request("Last-Event-ID is none that this stream ever told"))
}

/// Tells one event after the other, each by what the one before left, until there is none.
pub(crate) fn event_stream<S, Next>(from: S, next: impl Fn(S) -> Next + Send + 'static) -> EventStream
where
    S: Send + 'static,
    Next: Future<Output = Option<(Event, S)>> + Send + 'static,
{
    let events = unfold((from, next), |(from, next)| async move {
        let (event, left) = next(from).await?;
        Some((Ok(event), (left, next)))
    });
    Sse::new(events.boxed()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
