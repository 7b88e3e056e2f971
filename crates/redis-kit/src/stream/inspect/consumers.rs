use std::{collections::HashMap, time::Duration};

use redis::{FromRedisValue, RedisError, Value};

use crate::{Connection, Error};

/// A consumer of a competing group, whether it lives or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerReport {
    /// The worker that became it: [`Worker::start`](crate::stream::Worker::start) was told this name.
    pub instance: String,
    /// How many entries it has been given and has not settled.
    pub pending: u64,
    /// How long ago it last asked for entries. Of two that one instance has become, the one that asked last is the one that may
    /// live.
    pub idle: Duration,
}

/// The consumers of a group of a stream; none if either is not there. What waits for a retry is nobody's.
pub async fn consumers(
    redis: &mut Connection,
    stream: &str,
    group: &str,
) -> Result<Vec<ConsumerReport>, Error> {
    // Of a missing stream Redis says no more than that there is an error.
    if !redis::cmd("EXISTS").arg(stream).query_async(redis).await? {
        return Ok(Vec::new());
    }
    let asked = redis::cmd("XINFO").arg("CONSUMERS").arg(stream).arg(group).query_async(redis).await;
    let infos: Vec<HashMap<String, Value>> = match asked.map_err(Error::from) {
        Err(error) if error.is_group_missing() => return Ok(Vec::new()),
        infos => infos?,
    };
    let reports: Result<Vec<_>, RedisError> =
        infos.into_iter().filter_map(|info| report(info).transpose()).collect();
    Ok(reports?)
}

/// `None` for a consumer that no worker has become, such as the one under whose name entries wait.
fn report(mut info: HashMap<String, Value>) -> Result<Option<ConsumerReport>, RedisError> {
    let mut take = |field| info.remove(field).unwrap_or(Value::Nil);
    let name = String::from_redis_value(take("name"))?;
    let (pending, idle) = (u64::from_redis_value(take("pending"))?, u64::from_redis_value(take("idle"))?);
    let Some((instance, _)) = name.rsplit_once('-') else { return Ok(None) };
    Ok(Some(ConsumerReport { instance: instance.into(), pending, idle: Duration::from_millis(idle) }))
}
