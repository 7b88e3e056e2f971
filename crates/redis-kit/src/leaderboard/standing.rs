use super::{Ties, look::Found};

/// How a member stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing<Score = i64> {
    /// From 1 on.
    pub rank: u64,
    /// Who.
    pub member: String,
    /// With what. On a board of what is trending, what it weighs by now.
    pub score: Score,
    /// How many of a hundred members are not ahead of it, itself among them. The first has 100.
    pub percentile: f64,
    /// What is known of the member.
    pub metadata: Option<String>,
}

/// A part of a ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<Score = i64> {
    /// How many members the ranking has in all.
    pub members: u64,
    /// In the order of the ranking.
    pub standings: Vec<Standing<Score>>,
}

/// A member, and those around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours<Score = i64> {
    /// How many members the ranking has in all.
    pub members: u64,
    /// Those before, the best first.
    pub above: Vec<Standing<Score>>,
    /// The member itself.
    pub standing: Standing<Score>,
    /// Those behind, the best first.
    pub below: Vec<Standing<Score>>,
}

impl<Score> Page<Score> {
    pub(super) const EMPTY: Self = Self { members: 0, standings: Vec::new() };

    pub(super) fn limited(mut self, limit: u32) -> Self {
        self.standings.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        self
    }
}

impl Found {
    /// What was found, ranked, and with the scores that are in its numbers.
    pub(super) fn page<Score>(self, ties: Ties, score: impl Fn(f64) -> Score) -> Page<Score> {
        let Self { members, first, mut better, mut distinct, rows } = self;
        let mut before: Option<f64> = None;
        let standings = (first..).zip(rows).map(|(place, row)| {
            #[expect(clippy::float_cmp, reason = "whether it is the same number")]
            if before.is_some_and(|before| before != row.number) {
                better = place;
                distinct += 1;
            }
            before = Some(row.number);
            let (ahead, rank) = match ties {
                Ties::FirstToReach { .. } => (place, place + 1),
                Ties::Competition => (better, better + 1),
                Ties::Dense => (better, distinct + 1),
            };
            Standing {
                rank,
                member: row.member,
                score: score(row.number),
                percentile: percentile(members, ahead),
                metadata: row.metadata,
            }
        });
        Page { standings: standings.collect(), members }
    }

    /// The same of a look around a member.
    pub(super) fn neighbours<Score>(
        self,
        member: &str,
        ties: Ties,
        score: impl Fn(f64) -> Score,
    ) -> Option<Neighbours<Score>> {
        let Page { members, standings } = self.page(ties, score);
        let place = standings.iter().position(|standing| standing.member == member)?;
        let mut above = standings;
        let mut rest = above.split_off(place).into_iter();
        Some(Neighbours { members, above, standing: rest.next()?, below: rest.collect() })
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53")]
fn percentile(members: u64, ahead: u64) -> f64 {
    100.0 * members.saturating_sub(ahead) as f64 / members as f64
}
