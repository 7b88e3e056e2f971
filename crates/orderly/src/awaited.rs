//! Waiting until a stream tells of something.

use std::time::Duration;

use redis_kit::{
    Connection, Error,
    stream::{Entry, Message, Slot, StreamId, read_after},
};
use tokio::time::{Instant, sleep};

/// How often the stream is looked at.
pub(crate) const GLANCE: Duration = Duration::from_millis(50);

/// What `find` makes of the first entry behind `position` of which it makes anything; `None` if there is none by the deadline.
pub(crate) async fn find_behind<M: Message, T>(
    redis: &Connection,
    stream: &str,
    mut position: StreamId,
    deadline: Instant,
    mut find: impl FnMut(&Entry<M>) -> Option<T>,
) -> Result<Option<T>, Error> {
    loop {
        let page = read_after::<M>(&mut redis.clone(), stream, position, 1000).await?;
        for slot in &page.slots {
            position = slot.id();
            if let Slot::Entry(entry) = slot
                && let Some(found) = find(entry)
            {
                return Ok(Some(found));
            }
        }
        if page.slots.is_empty() {
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(GLANCE).await;
        }
    }
}
