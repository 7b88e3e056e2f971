//! Values that the first service ever writes and all others take over.

use redis_kit::{Connection, Error, cmd};

/// The value under `key`; if there is none, `value` is written and returned. Only reads where there is one, so that a service
/// can start on a full Redis too.
pub async fn first_written<T>(mut redis: Connection, key: &str, value: T) -> Result<T, Error>
where
    T: redis_kit::FromRedisValue + redis_kit::ToRedisArgs + Send + Sync,
{
    let stored: Option<T> = cmd("GET").arg(key).query_async(&mut redis).await?;
    if let Some(stored) = stored {
        return Ok(stored);
    }
    let stored = cmd("SET").arg(key).arg(&value).arg("NX").arg("GET").query_async(&mut redis).await?;
    Ok(Option::unwrap_or(stored, value))
}
