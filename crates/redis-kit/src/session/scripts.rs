//! The scripts of sessions, one typed function each. What they do is said in the `.lua` files.

use std::{sync::LazyLock, time::Duration};

use jiff::Timestamp;
use redis::{ErrorKind, RedisError, RedisResult};

use super::{
    keys::UserKeys,
    options::SessionOptions,
    record::{Saving, Times},
    token::SessionId,
};
use crate::{
    Connection,
    lua::{Lua, lua, millis},
};

static BEGIN: LazyLock<Lua> = lua!("lua/read.lua", "lua/touch.lua", "lua/begin.lua");
static LOAD: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/read.lua", "lua/touch.lua", "lua/load.lua");
static SAVE: LazyLock<Lua> = lua!("lua/read.lua", "lua/save.lua");
static ROTATE: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/read.lua", "lua/touch.lua", "lua/rotate.lua");
static LIST: LazyLock<Lua> = lua!("lua/read.lua", "lua/list.lua");
static REVOKE: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/read.lua", "lua/revoke.lua");
static REVOKE_ALL: LazyLock<Lua> = lua!("lua/allow_oom.lua", "lua/read.lua", "lua/revoke_all.lua");

/// Longer times are cut to this, or Lua could not count them exactly.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);

/// What stands in a session.
pub(super) struct Stored {
    pub(super) data: String,
    pub(super) version: String,
    pub(super) times: Times,
}

/// A session as the scripts tell it.
type Told = Option<(String, String, i64, i64, i64)>;

impl Stored {
    fn read(told: Told) -> RedisResult<Option<Self>> {
        let Some((data, version, created, seen, ends)) = told else { return Ok(None) };
        let times = Times { created: time(created)?, seen: time(seen)?, ends: time(ends)? };
        Ok(Some(Self { data, version, times }))
    }
}

/// What a session begins with.
pub(super) struct Beginning<'a> {
    pub(super) id: &'a SessionId,
    pub(super) data: &'a str,
    pub(super) version: &'a str,
    /// A session of the same user, which goes.
    pub(super) replacing: Option<&'a SessionId>,
}

/// Begins a session. Returns its times, and the ids of those that were too many.
pub(super) async fn begin(
    mut redis: Connection,
    keys: &UserKeys,
    beginning: &Beginning<'_>,
    options: &SessionOptions,
) -> RedisResult<(Times, Vec<SessionId>)> {
    let Beginning { id, data, version, replacing } = beginning;
    let (session, replaced) = (keys.session(id), replacing.map(|old| keys.session(old)));
    let mut call = BEGIN.call([&*keys.index, &session].into_iter().chain(replaced.as_deref()));
    call.arg(id.as_str()).arg(data).arg(version).arg(ms(options.idle)).arg(ms(options.absolute));
    call.arg(options.max_per_user.saturating_sub(1)).arg(replacing.map(SessionId::as_str));
    let (now, ends, too_many): (i64, i64, Vec<String>) = BEGIN.run(&mut redis, &call).await?;
    let times = Times { created: time(now)?, seen: time(now)?, ends: time(ends)? };
    Ok((times, read_ids(&too_many)))
}

pub(super) async fn load(
    mut redis: Connection,
    keys: &UserKeys,
    id: &SessionId,
    options: &SessionOptions,
) -> RedisResult<Option<Stored>> {
    let mut call = LOAD.call([&*keys.index, &keys.session(id)]);
    call.arg(id.as_str()).arg(ms(options.idle)).arg(ms(options.unnoted()));
    Stored::read(LOAD.run(&mut redis, &call).await?)
}

/// Saves `data` if the session's version is still `read`, which then is `version`.
pub(super) async fn save(
    mut redis: Connection,
    keys: &UserKeys,
    id: &SessionId,
    data: &str,
    (read, version): (&str, &str),
) -> RedisResult<Saving> {
    let mut call = SAVE.call([&*keys.index, &keys.session(id)]);
    call.arg(id.as_str()).arg(read).arg(version).arg(data);
    Ok(match SAVE.run(&mut redis, &call).await? {
        1 => Saving::Saved,
        0 => Saving::Changed,
        _ => Saving::Gone,
    })
}

pub(super) async fn rotate(
    mut redis: Connection,
    keys: &UserKeys,
    (old, new): (&SessionId, &SessionId),
    options: &SessionOptions,
) -> RedisResult<Option<Stored>> {
    let mut call = ROTATE.call([&*keys.index, &keys.session(old), &keys.session(new)]);
    call.arg(old.as_str()).arg(new.as_str()).arg(ms(options.idle));
    Stored::read(ROTATE.run(&mut redis, &call).await?)
}

/// The ids in a user's index, the first to expire first. Some may have expired.
pub(super) async fn ids(mut redis: Connection, keys: &UserKeys) -> RedisResult<Vec<SessionId>> {
    let mut index = redis::cmd("ZRANGE");
    index.arg(&keys.index).arg(0).arg(-1);
    let ids: Vec<String> = index.query_async(&mut redis).await?;
    Ok(read_ids(&ids))
}

/// Each of a user's sessions that is still there.
pub(super) async fn list(
    mut redis: Connection,
    keys: &UserKeys,
    ids: Vec<SessionId>,
) -> RedisResult<Vec<(SessionId, Stored)>> {
    let sessions: Vec<String> = ids.iter().map(|id| keys.session(id)).collect();
    let mut call = LIST.call(std::iter::once(&*keys.index).chain(sessions.iter().map(String::as_str)));
    for id in &ids {
        call.arg(id.as_str());
    }
    let told: Vec<Told> = LIST.run(&mut redis, &call).await?;
    let stored: RedisResult<Vec<_>> = told.into_iter().map(Stored::read).collect();
    Ok(ids.into_iter().zip(stored?).filter_map(|(id, stored)| Some((id, stored?))).collect())
}

/// Ends a session. False if there was none.
pub(super) async fn revoke(mut redis: Connection, keys: &UserKeys, id: &SessionId) -> RedisResult<bool> {
    let mut call = REVOKE.call([&*keys.index, &keys.session(id)]);
    call.arg(id.as_str());
    REVOKE.run(&mut redis, &call).await
}

/// Ends all of a user's sessions but one. Returns which.
pub(super) async fn revoke_all(
    mut redis: Connection,
    keys: &UserKeys,
    except: Option<&SessionId>,
) -> RedisResult<Vec<SessionId>> {
    let mut call = REVOKE_ALL.call([&*keys.index]);
    call.arg(except.map_or("", SessionId::as_str));
    let ended: Vec<String> = REVOKE_ALL.run(&mut redis, &call).await?;
    Ok(read_ids(&ended))
}

/// Deletes what is left of sessions that are ended.
pub(super) async fn forget(mut redis: Connection, keys: &UserKeys, ids: &[SessionId]) -> RedisResult<()> {
    let mut delete = redis::cmd("UNLINK");
    for id in ids {
        delete.arg(keys.session(id));
    }
    delete.exec_async(&mut redis).await
}

/// What an index holds. What is no id is nobody's session.
fn read_ids(texts: &[String]) -> Vec<SessionId> {
    texts.iter().filter_map(|text| SessionId::parse(text)).collect()
}

fn ms(duration: Duration) -> u64 {
    millis(duration.min(LONGEST))
}

fn time(ms: i64) -> RedisResult<Timestamp> {
    let no_time = |_| RedisError::from((ErrorKind::Parse, "a session's time is none"));
    Timestamp::from_millisecond(ms).map_err(no_time)
}
