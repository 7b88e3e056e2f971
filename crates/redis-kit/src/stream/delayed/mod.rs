//! Delayed appends: a message that is to enter a stream at a given time, and not before.
//!
//! [`append_at`] keeps the message beside the stream. When its time has come, a script moves it into the stream, where it is
//! an entry like any other and every group sees it. A worker has that done on its way; where no worker reads the stream,
//! call [`append_due`] now and then. This has nothing to do with retries, which never enter a stream again.
//!
//! # Once
//! Each message has an id. Adding one that is known changes nothing, so whoever did not hear an answer sends it
//! again with [`append_at_with_id`]. An id stays known for ten minutes ([`REMEMBERED`]) after its message was appended or
//! cancelled: an answer that was lost does not bring it back.
//!
//! # Time
//! By Redis's clock, never before the given time, and as much after it as the workers take to look again. Messages that
//! are due together are appended in the order of their times. `occurred_at` is when a message was written, and not when it
//! was due.

use std::{sync::LazyLock, time::Duration};

use jiff::Timestamp;
use uuid::Uuid;

use super::{Message, StreamKeys, encode};
use crate::{
    Connection, Error,
    lua::{Lua, lua, millis},
    trace::TraceContext,
};

static ADD: LazyLock<Lua> = lua!("lua/add.lua");
static CANCEL: LazyLock<Lua> = lua!("lua/cancel.lua");
static APPEND_DUE: LazyLock<Lua> = lua!("lua/append_due.lua");

/// For how long an id stays known once its message was appended or cancelled.
pub const REMEMBERED: Duration = Duration::from_mins(10);

/// The most that one call of [`append_due`] moves: Redis is busy with it for about a millisecond, and then with others.
const MOST: usize = 100;

/// Has `message` appended to `stream` at `at`, or at once if that has passed, and returns its id.
///
/// # Errors
/// After a transient one it may be waiting all the same. Who must not have it appended twice chooses the id:
/// [`append_at_with_id`].
pub async fn append_at<M: Message>(
    redis: &mut Connection,
    stream: &str,
    message: &M,
    trace: &TraceContext,
    at: Timestamp,
) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    append_at_with_id(redis, stream, id, message, trace, at).await?;
    Ok(id)
}

/// The same with an id of the caller's, so that it may be sent again. False if the id is known: then nothing is changed,
/// not the message and not its time either.
pub async fn append_at_with_id<M: Message>(
    redis: &mut Connection,
    stream: &str,
    id: Uuid,
    message: &M,
    trace: &TraceContext,
    at: Timestamp,
) -> Result<bool, Error> {
    let fields = encode(message, trace)?.map(|(name, value)| match name {
        "id" => [name.to_owned(), id.to_string()],
        _ => [name.to_owned(), value],
    });
    let keys = StreamKeys::new(stream);
    let mut call = ADD.call([&*keys.delayed, &keys.delayed_fields, &keys.delayed_past]);
    call.arg(id.to_string()).arg(milliseconds(at)).arg(serde_json::to_string(fields.as_flattened())?);
    Ok(ADD.run(redis, &call).await?)
}

/// Forgets a message that waits. False if none of that id does: it was appended, cancelled before, or never there.
pub async fn cancel(redis: &mut Connection, stream: &str, id: Uuid) -> Result<bool, Error> {
    let keys = StreamKeys::new(stream);
    let mut call = CANCEL.call([&*keys.delayed, &keys.delayed_fields, &keys.delayed_past]);
    call.arg(id.to_string());
    Ok(CANCEL.run(redis, &call).await?)
}

/// Appends messages whose time has come, up to `limit` (and never more than a hundred), and returns how many. Unless
/// that is 0, more may be due. Any number of processes may call it; each message is appended once.
pub async fn append_due(redis: &mut Connection, stream: &str, limit: usize) -> Result<usize, Error> {
    let keys = StreamKeys::new(stream);
    let mut call = APPEND_DUE.call([stream, &keys.delayed, &keys.delayed_fields, &keys.delayed_past]);
    call.arg(limit.min(MOST)).arg(millis(REMEMBERED));
    Ok(APPEND_DUE.run(redis, &call).await?)
}

/// Appends all that is due now. Workers do this on their way.
pub(super) async fn append_all_due(redis: &mut Connection, stream: &str) -> Result<(), Error> {
    while append_due(redis, stream, MOST).await? == MOST {}
    Ok(())
}

/// Redis counts in whole milliseconds; rounded up, so that nothing comes early.
fn milliseconds(at: Timestamp) -> i64 {
    let whole = at.as_millisecond();
    if Timestamp::from_millisecond(whole).is_ok_and(|rounded| rounded < at) { whole + 1 } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_to_milliseconds() {
        for (nanoseconds, expected) in
            [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (-1, 0), (-1_000_001, -1)]
        {
            let at = Timestamp::from_nanosecond(nanoseconds).unwrap();
            assert_eq!(milliseconds(at), expected, "{nanoseconds} ns");
        }
    }
}
