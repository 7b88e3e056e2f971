use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::{
    Applied, Leaderboards, Neighbours, Page, Standing, Ties, Update,
    decay::Decay,
    happening::{Happening, TrendingKeys, Weight},
    look::{At, Look},
    scripts,
    update::{Numbered, parts, unnumbered},
};
use crate::{Error, stream::StreamId};

/// Equal weights share a rank; there hardly are any.
const TIES: Ties = Ties::Competition;

/// A board of what is trending: members ranked by what happened to them, of which the old weighs less and less. Cheap to
/// clone.
#[derive(Clone)]
pub struct Trending {
    boards: Leaderboards,
    keys: Arc<TrendingKeys>,
    decay: Decay,
}

impl fmt::Debug for Trending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trending").field(&self.keys.ranking).finish()
    }
}

impl Trending {
    pub(super) fn new(boards: Leaderboards, keys: TrendingKeys, decay: Decay) -> Self {
        Self { boards, keys: Arc::new(keys), decay }
    }

    /// Tells what happened to members; up to 500 updates in one step.
    ///
    /// # Errors
    /// If no answer came, it may count, and would count twice if it were told again, unless by [`Self::update_from`].
    pub async fn update(&self, updates: impl IntoIterator<Item = Update>) -> Result<Applied, Error> {
        self.update_from("", unnumbered(updates)).await
    }

    /// The same of a source's entries, each of which counts once: see
    /// [`Leaderboard::update_from`](super::Leaderboard::update_from).
    ///
    /// # Errors
    /// If no answer came, or only some count, the same entries may be told again.
    pub async fn update_from(
        &self,
        source: &str,
        updates: Vec<(StreamId, Update)>,
    ) -> Result<Applied, Error> {
        let (mut applied, source) = (Applied::default(), Arc::from(source));
        for part in parts(&source, updates) {
            applied.taken += self.boards.happen(self.happening(&source, part)).await?.taken;
        }
        Ok(applied)
    }

    fn happening(&self, source: &Arc<str>, updates: Vec<Numbered>) -> Happening {
        let weights =
            updates.into_iter().filter_map(|(position, Update { member, points, at, metadata })| {
                let logarithm = self.decay.logarithm(points, at)?;
                Some(Weight { position, member, logarithm, metadata })
            });
        Happening {
            keys: Arc::clone(&self.keys),
            source: Arc::clone(source),
            forget_below: self.decay.forgotten(Timestamp::now()),
            expires: self.decay.lifetime(),
            weights: weights.collect(),
        }
    }

    /// The first `limit` members, 1000 at most.
    pub async fn top(&self, limit: u32) -> Result<Page<f64>, Error> {
        self.page(0, limit).await
    }

    /// Up to `limit` members, 1000 at most, behind the first `offset`.
    pub async fn page(&self, offset: u64, limit: u32) -> Result<Page<f64>, Error> {
        let found = self.boards.look(self.look(At::page(offset, limit))).await?;
        Ok(found.map_or(Page::EMPTY, |found| found.page(TIES, self.weight())).limited(limit))
    }

    /// How a member stands; `None` if nothing happened to it, or too long ago.
    pub async fn standing(&self, member: &str) -> Result<Option<Standing<f64>>, Error> {
        Ok(self.around(member, 0).await?.map(|neighbours| neighbours.standing))
    }

    /// How a member stands, and up to `count` before and behind it, 500 at most; `None` as above.
    pub async fn around(&self, member: &str, count: u32) -> Result<Option<Neighbours<f64>>, Error> {
        let found = self.boards.look(self.look(At::around(member, count))).await?;
        Ok(found.and_then(|found| found.neighbours(member, TIES, self.weight())))
    }

    /// Forgets a member. False if it was not known.
    pub async fn remove(&self, member: &str) -> Result<bool, Error> {
        let TrendingKeys { ranking, metadata, .. } = &*self.keys;
        // No scores are kept of this ranking; there is nothing under such a name.
        let keys = [ranking.clone(), metadata.clone(), super::keys::scores(ranking)];
        Ok(scripts::remove(self.boards.connection(), &keys, member).await? > 0)
    }

    /// What a number of the ranking weighs by now.
    fn weight(&self) -> impl Fn(f64) -> f64 + use<> {
        let (decay, now) = (self.decay, Timestamp::now());
        move |logarithm| decay.weight(logarithm, now)
    }

    fn look(&self, at: At) -> Look {
        let TrendingKeys { ranking, metadata, .. } = &*self.keys;
        Look {
            ranking: ranking.clone(),
            metadata: metadata.clone(),
            scores: None,
            ties: TIES,
            is_descending: true,
            at,
        }
    }
}
