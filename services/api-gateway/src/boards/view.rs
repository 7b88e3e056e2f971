//! What a board looks like to clients.

use common::money::Money;
use iso_currency::Currency;
use jiff::Timestamp;
use redis_kit::{
    Error,
    leaderboard::{Neighbours, Page, Period, Standing, Window},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Boards;
use crate::docs;

/// The currency of amounts unless the client says.
pub(super) const DEFAULT_CURRENCY: Currency = Currency::EUR;

/// A board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Board {
    /// Customers by what they paid.
    TopCustomers,
    /// Products by how many were paid for.
    TopProducts,
    /// Products by how many were paid for, of which the old count less and less: half as much an hour later.
    TrendingProducts,
}

/// Which ranking is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Selection {
    TopCustomers { window: Window, currency: Currency },
    TopProducts { window: Window },
    TrendingProducts,
}

/// A part of a ranking.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct BoardView {
    #[serde(flatten)]
    about: About,
    /// How many members the ranking has in all.
    members: u64,
    /// In their order.
    standings: Vec<StandingView>,
}

/// A member and its neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct MemberView {
    #[serde(flatten)]
    about: About,
    /// How many members the ranking has in all.
    members: u64,
    /// How many of a hundred members are not ahead of it, itself among them.
    #[schema(example = 97.5)]
    percentile: f64,
    standing: StandingView,
    /// Those right before it, in their order.
    above: Vec<StandingView>,
    /// Those right behind it, in their order.
    below: Vec<StandingView>,
}

/// Which ranking it is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct About {
    board: Board,
    /// `hour`, `day`, `week` or `all`; what is trending has no window.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "day")]
    window: Option<String>,
    /// When the window's period began, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    begins: Option<Timestamp>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    ends: Option<Timestamp>,
}

/// How a member stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct StandingView {
    #[schema(minimum = 1)]
    rank: u64,
    /// A customer's id, or a product's stock keeping unit.
    member: String,
    /// What a product is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(flatten)]
    score: Score,
}

/// With what.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Score {
    /// What a customer paid.
    #[schema(value_type = docs::Money)]
    Amount(Money),
    /// How many of a product were paid for.
    Units(i64),
    /// The same, of which the old count less.
    Weight(f64),
}

/// A member in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) rank: u64,
    /// What a product is called, or a customer's id.
    pub(crate) member: String,
    pub(crate) score: String,
}

impl BoardView {
    /// Its members in words.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let row = |standing: &StandingView| {
            let StandingView { rank, member, name, score } = standing;
            Row { rank: *rank, member: name.as_ref().unwrap_or(member).clone(), score: score.text() }
        };
        self.standings.iter().map(row).collect()
    }

    /// No more than its first so many.
    pub(super) fn limited(mut self, limit: usize) -> Self {
        self.standings.truncate(limit);
        self
    }
}

impl Score {
    fn text(&self) -> String {
        match self {
            Self::Amount(amount) => amount.to_string(),
            Self::Units(units) => units.to_string(),
            Self::Weight(weight) => format!("{weight:.1}"),
        }
    }
}

impl Board {
    /// Reads its name as a path spells it.
    pub(super) fn read(name: &str) -> Option<Self> {
        let text = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(name);
        Self::deserialize(text).ok()
    }
}

impl Selection {
    /// Customers by what they paid in euros.
    pub(crate) fn top_customers(window: Window) -> Self {
        Self::TopCustomers { window, currency: DEFAULT_CURRENCY }
    }

    fn about(self) -> About {
        let (board, window) = match self {
            Self::TopCustomers { window, .. } => (Board::TopCustomers, Some(window)),
            Self::TopProducts { window } => (Board::TopProducts, Some(window)),
            Self::TrendingProducts => (Board::TrendingProducts, None),
        };
        let period = window.map(Window::now);
        About {
            board,
            window: window.map(|window| window.to_string()),
            begins: period.and_then(Period::begins),
            ends: period.and_then(Period::ends),
        }
    }
}

impl Boards {
    /// The first so many of a ranking, as it is now.
    pub(crate) async fn top(&self, selection: Selection, limit: u32) -> Result<BoardView, Error> {
        let about = selection.about();
        Ok(match selection {
            Selection::TopCustomers { window, currency } => {
                let page = self.customers(currency.code())?.top(window.now(), limit).await?;
                view(about, page, amount_of(currency))
            }
            Selection::TopProducts { window } => {
                view(about, self.products.top(window.now(), limit).await?, Score::Units)
            }
            Selection::TrendingProducts => view(about, self.trending.top(limit).await?, weight),
        })
    }

    /// A member and so many neighbours on either side; `None` if it is not in the ranking.
    pub(super) async fn around(
        &self,
        selection: Selection,
        member: &str,
        count: u32,
    ) -> Result<Option<MemberView>, Error> {
        let about = selection.about();
        Ok(match selection {
            Selection::TopCustomers { window, currency } => {
                let found = self.customers(currency.code())?.around(window.now(), member, count).await?;
                found.map(|found| member_view(about, found, amount_of(currency)))
            }
            Selection::TopProducts { window } => {
                let found = self.products.around(window.now(), member, count).await?;
                found.map(|found| member_view(about, found, Score::Units))
            }
            Selection::TrendingProducts => {
                let found = self.trending.around(member, count).await?;
                found.map(|found| member_view(about, found, weight))
            }
        })
    }
}

fn view<S>(about: About, page: Page<S>, score: impl Fn(S) -> Score + Copy) -> BoardView {
    let standings = page.standings.into_iter().map(|standing| standing_view(standing, score));
    BoardView { about, members: page.members, standings: standings.collect() }
}

fn member_view<S>(about: About, found: Neighbours<S>, score: impl Fn(S) -> Score + Copy) -> MemberView {
    let views =
        |some: Vec<Standing<S>>| some.into_iter().map(|standing| standing_view(standing, score)).collect();
    MemberView {
        about,
        members: found.members,
        percentile: hundredths(found.standing.percentile),
        standing: standing_view(found.standing, score),
        above: views(found.above),
        below: views(found.below),
    }
}

fn standing_view<S>(standing: Standing<S>, score: impl Fn(S) -> Score) -> StandingView {
    let Standing { rank, member, metadata, score: found, .. } = standing;
    StandingView { rank, member, name: metadata, score: score(found) }
}

fn amount_of(currency: Currency) -> impl Fn(i64) -> Score + Copy {
    move |minor| Score::Amount(Money::new(minor, currency))
}

fn weight(weight: f64) -> Score {
    Score::Weight(hundredths(weight))
}

/// Nobody wants to see more of it.
fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
