use super::StreamId;
use crate::{Connection, Error};

/// The id of the entry that stands right before `id` in `stream`, if there is one.
pub async fn entry_before(
    redis: &mut Connection,
    stream: &str,
    id: StreamId,
) -> Result<Option<StreamId>, Error> {
    let mut range = redis::cmd("XREVRANGE");
    range.arg(stream).arg(format!("({id}")).arg("-").arg("COUNT").arg(1);
    let entries: Vec<(String, redis::Value)> = range.query_async(redis).await?;
    // Redis made the id, so it is one.
    Ok(entries.first().and_then(|(id, _)| id.parse().ok()))
}
