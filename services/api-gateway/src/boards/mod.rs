//! The shop's leaderboards: who buys most, what is bought most, and what is bought now.
//!
//! | to follow | open |
//! |---|---|
//! | a payment that counts | `projection.rs` |
//! | a request | `routes.rs` |
//! | what a board looks like | `view.rs` |
//! | how a change reaches who watches | `live.rs` |

mod live;
mod projection;
mod routes;
mod view;

use std::time::Duration;

use redis_kit::{
    Error, Redis,
    leaderboard::{
        BoardOptions, Leaderboard, Leaderboards, Operator, Ties, Trending, TrendingOptions, Window,
    },
};

use live::Watches;
pub(crate) use projection::BoardsProjection;
pub(crate) use routes::routes;
pub(crate) use view::{Row, Selection};

/// Up to 85 million euros of a customer, to the hour: together what Redis sorts by exactly.
const MOST_SPENT: i64 = (1 << 33) - 1;
const FIRST_TO_SPEND: Ties = Ties::FirstToReach { resolution: Duration::from_hours(1) };

/// In which time what was bought comes to count half as much.
const TRENDING_HALF_LIFE: Duration = Duration::from_hours(1);

/// The boards, and those who watch them.
pub(crate) struct Boards {
    all: Leaderboards,
    products: Leaderboard,
    trending: Trending,
    watches: Watches,
}

impl Boards {
    pub(crate) fn new(redis: &Redis, prefix: &str) -> Result<Self, Error> {
        let all = Leaderboards::new(redis, prefix)?;
        let trending = TrendingOptions { half_life: TRENDING_HALF_LIFE, ..TrendingOptions::default() };
        Ok(Self {
            products: all.board("top-products", &sums())?,
            trending: all.trending("trending-products", &trending)?,
            watches: Watches::default(),
            all,
        })
    }

    /// Customers by what they paid, in minor units; each currency has a board of its own, because amounts of two cannot be
    /// compared.
    fn customers(&self, currency: &str) -> Result<Leaderboard, Error> {
        let options = BoardOptions { scores: 0..=MOST_SPENT, ties: FIRST_TO_SPEND, ..sums() };
        self.all.board(&format!("top-customers-{currency}"), &options)
    }
}

fn sums() -> BoardOptions {
    let windows = vec![Window::Hour, Window::Day, Window::Week, Window::AllTime];
    BoardOptions { windows, operator: Operator::Sum, ..BoardOptions::default() }
}
