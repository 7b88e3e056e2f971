use std::{fmt, sync::Arc};

use metrics::{Counter, counter};
use redis::RedisResult;

use super::{
    Applied, BoardOptions, Leaderboard, Trending, TrendingOptions,
    change::Change,
    decay::Decay,
    happening::{Happening, TrendingKeys},
    keys::{self, BoardKeys},
    look::{Found, Look},
};
use crate::{Connection, Error, Redis, desk::Desk};

/// Where boards are: all of them share a connection, and what is asked of them at the same moment goes together. Cheap to
/// clone.
#[derive(Clone)]
pub struct Leaderboards(Arc<Shared>);

struct Shared {
    prefix: String,
    redis: Connection,
    changes: Arc<Desk<Change>>,
    happenings: Arc<Desk<Happening>>,
    looks: Arc<Desk<Look>>,
    /// Updates that were taken.
    taken: Counter,
    /// Updates that had been taken before.
    repeated: Counter,
    /// Scores that were cut to a board's lowest or highest.
    cut: Counter,
}

impl fmt::Debug for Leaderboards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leaderboards").field(&self.0.prefix).finish()
    }
}

impl Leaderboards {
    /// Boards whose keys begin with this, which may be empty. Nothing is sent before one is used.
    pub fn new(redis: &Redis, prefix: &str) -> Result<Self, Error> {
        let redis = redis.commands()?;
        let updates = |outcome: &'static str| counter!("leaderboard_updates_total", "outcome" => outcome);
        Ok(Self(Arc::new(Shared {
            prefix: prefix.into(),
            changes: Desk::new(redis.clone()),
            happenings: Desk::new(redis.clone()),
            looks: Desk::new(redis.clone()),
            redis,
            taken: updates("taken"),
            repeated: updates("repeated"),
            cut: counter!("leaderboard_scores_cut_total"),
        })))
    }

    /// The board of this name, which must mean the same wherever it is used.
    ///
    /// # Errors
    /// [`Error::InvalidBoard`], which says what is wrong with the name or the options.
    pub fn board(&self, name: &str, options: &BoardOptions) -> Result<Leaderboard, Error> {
        let keys = BoardKeys::new(&self.0.prefix, name)?;
        Ok(Leaderboard::new(self.clone(), keys, options)?)
    }

    /// The board of what is trending under this name. A board of the other kind may have the same one.
    ///
    /// # Errors
    /// [`Error::InvalidBoard`], which says what is wrong with the name or the options.
    pub fn trending(&self, name: &str, options: &TrendingOptions) -> Result<Trending, Error> {
        let board = BoardKeys::new(&self.0.prefix, name)?;
        let ranking = board.trending();
        let keys =
            TrendingKeys { cursors: board.trending_cursors(), metadata: keys::metadata(&ranking), ranking };
        Ok(Trending::new(self.clone(), keys, Decay::new(options)?))
    }

    pub(super) fn connection(&self) -> Connection {
        self.0.redis.clone()
    }

    pub(super) async fn change(&self, change: Change) -> RedisResult<Applied> {
        let brought = change.parts.len();
        let applied = self.0.changes.ask(change).await?;
        self.count(brought, applied);
        Ok(applied)
    }

    pub(super) async fn happen(&self, happening: Happening) -> RedisResult<Applied> {
        let brought = happening.weights.len();
        let applied = self.0.happenings.ask(happening).await?;
        self.count(brought, applied);
        Ok(applied)
    }

    pub(super) async fn look(&self, look: Look) -> RedisResult<Option<Found>> {
        self.0.looks.ask(look).await
    }

    fn count(&self, brought: usize, Applied { taken, cut }: Applied) {
        self.0.taken.increment(taken);
        self.0.repeated.increment((brought as u64).saturating_sub(taken));
        self.0.cut.increment(cut);
    }
}
