//! What a group gave up: look at it, and then replay or drop it.
//!
//! A worker moves an entry that it gives up to the dead letters of its group, with the reason and the history of its
//! attempts. There it stays until somebody decides. First see what a [`Filter`] means, with [`DeadLetters::count`] or
//! [`DeadLetters::list`]; then [`DeadLetters::replay_all`] or [`DeadLetters::drop_all`] with the same filter. With
//! [`DeadLetters::complete_until`] in it, it means what was there when you looked, however long you think it over.
//!
//! # Replay
//! A replay appends a copy of the entry to its stream and deletes the letter in one script, so it happens once,
//! however often it is sent. The copy has all the entry's fields, byte for byte, and two more: `replay_for`, the group that
//! gave it up (the workers of every other group, which have had the entry, pass over it), and `origin`, where the entry first
//! stood. It keeps its message id, its time and its trace. If it is given up again, its letter tells the first origin.
//!
//! # Format
//! The letters of `group` are the entries of the stream `<stream>:dead:<group>`. Each begins with `origin` (the entry's id
//! in its stream), `reason`, `attempts` and `history` (JSON: `[{"at":<Unix milliseconds>,"consumer":"…","reason":"…"},…]`), and goes
//! on with the entry's own fields, or, if they were too many for a script, with one field `fields` that holds them as JSON.

mod filter;
mod letter;
mod scan;
mod shape;

use std::{num::NonZeroU32, sync::LazyLock, time::Duration};

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use self::scan::Scan;
pub use self::{
    filter::Filter,
    letter::{DeadLetter, FailedAttempt, Field},
};
use super::{GroupKeys, StreamId, clock};
use crate::{
    Connection, Error,
    lua::{Lua, lua},
};

static REPLAY: LazyLock<Lua> = lua!("lua/replay.lua");

/// No timer is finer.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// The dead letters of one group on one stream.
#[derive(Clone)]
pub struct DeadLetters {
    redis: Connection,
    stream: String,
    group: String,
    dead: String,
}

/// Some letters, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Those that fit the filter.
    pub letters: Vec<DeadLetter>,
    /// What to ask for next: letters after this one. `None` at the end.
    pub next: Option<StreamId>,
}

/// What became of the letters that were to be replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// So many are in the stream again.
    pub count: u64,
    /// These cannot be replayed, and are where they were. [`DeadLetters::replay`] tells why.
    pub refused: Vec<StreamId>,
}

impl DeadLetters {
    /// The dead letters of `group` on `stream`. Neither has to exist.
    pub fn new(redis: Connection, stream: impl Into<String>, group: impl Into<String>) -> Self {
        let (stream, group) = (stream.into(), group.into());
        Self { redis, dead: GroupKeys::new(&stream, &group).dead, stream, group }
    }

    /// The first `limit` letters after `after` that fit `filter`, oldest first. To find few among many it reads many.
    pub async fn list(&self, after: Option<StreamId>, limit: usize, filter: &Filter) -> Result<Page, Error> {
        let mut scan = Scan::after(after, self, filter);
        let mut letters: Vec<DeadLetter> = Vec::new();
        while let Some(page) = scan.next_page().await? {
            for letter in page {
                if letters.len() >= limit {
                    return Ok(Page { next: letters.last().map(|letter| letter.id), letters });
                }
                letters.push(letter);
            }
        }
        Ok(Page { letters, next: None })
    }

    /// Those of the next `count` letters after `after` that fit `filter`, which may be none. So it reads few, however many
    /// there are.
    pub async fn page(&self, after: Option<StreamId>, count: usize, filter: &Filter) -> Result<Page, Error> {
        let (since, to) = filter.range();
        let from = after.map_or(since, |after| format!("({after}"));
        let mut letters = self.range(&from, &to, count).await?;
        let next = letters.last().filter(|_| letters.len() == count).map(|last| last.id);
        letters.retain(|letter| filter.fits(letter));
        Ok(Page { letters, next })
    }

    /// One letter, if it is there.
    pub async fn show(&self, letter: StreamId) -> Result<Option<DeadLetter>, Error> {
        let id = letter.to_string();
        Ok(self.range(&id, &id, 1).await?.pop())
    }

    /// What [`Filter::until`] has to be for a filter to mean letters that are there now, and none that comes later. Those of
    /// the very last millisecond are not meant, because more may come in it.
    pub async fn complete_until(&self) -> Result<Timestamp, Error> {
        let now = clock(&mut self.redis.clone(), &self.dead).await?;
        Ok(Timestamp::from_millisecond(now.as_millisecond() - 1).unwrap_or(Timestamp::MAX))
    }

    /// How many letters fit.
    pub async fn count(&self, filter: &Filter) -> Result<u64, Error> {
        let mut scan = Scan::after(None, self, filter);
        let mut count = 0;
        while let Some(page) = scan.next_page().await? {
            count += page.len() as u64;
        }
        Ok(count)
    }

    /// Moves a letter back into its stream, and returns the id of the new entry; `None` if the letter is not there, as after
    /// an earlier replay.
    ///
    /// # Errors
    /// [`Error::Unreplayable`] if the letter does not hold its entry as it was. After any other, whether it was replayed may
    /// be unknown; another call does not do it twice.
    pub async fn replay(&self, letter: StreamId) -> Result<Option<StreamId>, Error> {
        let mut call = REPLAY.call([&*self.stream, &self.dead]);
        call.arg(letter).arg(&self.group);
        match REPLAY.run(&mut self.redis.clone(), &call).await {
            Ok(id) => Ok(id),
            Err(error) if error.code() == Some("UNREPLAYABLE") => {
                let reason = error.detail().unwrap_or_default().to_owned();
                Err(Error::Unreplayable { letter, reason })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Moves the letters that fit back into their stream, oldest first, evenly paced at no more than `per_second`, and
    /// never faster than a thousand a second. Those that come while it runs are left alone, among them what it replayed and was given up again; so it ends.
    ///
    /// May be dropped midway: each letter is either replayed or untouched, and another call goes on from there.
    ///
    /// # Errors
    /// As for [`DeadLetters::replay`], except that a letter that cannot be replayed is passed over. What was replayed before
    /// the error stays so.
    pub async fn replay_all(&self, filter: &Filter, per_second: NonZeroU32) -> Result<Replayed, Error> {
        let mut pace = interval((Duration::from_secs(1) / per_second.get()).max(SHORTEST_PAUSE));
        // After a slow answer the pace is the same as before; there is no burst to catch up.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut scan = Scan::present(self, filter).await?;
        let mut replayed = Replayed::default();
        while let Some(page) = scan.next_page().await? {
            for letter in page {
                pace.tick().await;
                match self.replay(letter.id).await {
                    Ok(Some(_)) => replayed.count += 1,
                    // Somebody else was faster.
                    Ok(None) => (),
                    Err(Error::Unreplayable { .. }) => replayed.refused.push(letter.id),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(replayed)
    }

    /// Deletes a letter for good. False if it is not there.
    pub async fn drop(&self, letter: StreamId) -> Result<bool, Error> {
        Ok(self.delete(&[letter]).await? == 1)
    }

    /// Deletes the letters that fit, for good, and returns how many. Those that come while it runs are left alone: nobody
    /// has seen them.
    pub async fn drop_all(&self, filter: &Filter) -> Result<u64, Error> {
        let mut scan = Scan::present(self, filter).await?;
        let mut dropped = 0;
        while let Some(page) = scan.next_page().await? {
            let ids: Vec<StreamId> = page.iter().map(|letter| letter.id).collect();
            dropped += self.delete(&ids).await?;
        }
        Ok(dropped)
    }

    async fn delete(&self, letters: &[StreamId]) -> Result<u64, Error> {
        if letters.is_empty() {
            return Ok(0);
        }
        let ids: Vec<String> = letters.iter().map(StreamId::to_string).collect();
        let mut delete = redis::cmd("XDEL");
        Ok(delete.arg(&self.dead).arg(ids).query_async(&mut self.redis.clone()).await?)
    }

    async fn last(&self) -> Result<Option<StreamId>, Error> {
        let mut last = redis::cmd("XREVRANGE");
        last.arg(&self.dead).arg("+").arg("-").arg("COUNT").arg(1);
        let last: Vec<(StreamId, redis::Value)> = last.query_async(&mut self.redis.clone()).await?;
        Ok(last.first().map(|(id, _)| *id))
    }

    async fn range(&self, from: &str, to: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let mut range = redis::cmd("XRANGE");
        range.arg(&self.dead).arg(from).arg(to).arg("COUNT").arg(limit);
        let entries: Vec<(StreamId, Vec<Field>)> = range.query_async(&mut self.redis.clone()).await?;
        Ok(entries.into_iter().map(|(id, fields)| DeadLetter::parse(id, fields)).collect())
    }
}
