use common::messages::Announcement;
use redis_kit::stream::StreamId;
use serde::Serialize;

use super::Positions;

/// An event, as one JSON object: where it stands, what happened, and the position to go on behind with `--after`.
#[derive(Serialize)]
struct Event<'a> {
    partition: usize,
    id: StreamId,
    #[serde(flatten)]
    announcement: &'a Announcement,
    position: String,
}

/// That what stood behind `from` cannot be told.
#[derive(Serialize)]
struct Reset {
    r#type: &'static str,
    partition: usize,
    from: StreamId,
    to: StreamId,
    position: String,
}

/// An event.
pub(super) fn event(
    announcement: &Announcement,
    partition: usize,
    id: StreamId,
    position: &Positions,
) -> serde_json::Result<String> {
    serde_json::to_string(&Event { partition, id, announcement, position: position.to_string() })
}

/// A reset, which is no event of an order.
pub(super) fn reset(
    partition: usize,
    from: StreamId,
    to: StreamId,
    position: &Positions,
) -> serde_json::Result<String> {
    serde_json::to_string(&Reset { r#type: "reset", partition, from, to, position: position.to_string() })
}
