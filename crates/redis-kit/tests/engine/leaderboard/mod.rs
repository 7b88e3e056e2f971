//! Leaderboards, seen from outside: who is where, and what is left in Redis.

mod failures;
mod model;
mod reading;
mod sources;
mod ties;
mod together;
mod trending;
mod updates;
mod windows;

use redis_kit::{
    leaderboard::{BoardOptions, Leaderboard, Leaderboards, Operator, Page, Period, Update, Window},
    stream::StreamId,
};

use crate::harness::Bench;

/// The ranking of all time of [`board`].
const KEY: &str = "leaderboard:{t}:all";

impl Bench {
    fn boards(&self) -> Leaderboards {
        Leaderboards::new(&self.redis(), "").unwrap()
    }

    fn board(&self, options: &BoardOptions) -> Leaderboard {
        self.boards().board("t", options).unwrap()
    }
}

/// All time: the only period of most boards here.
fn all() -> Period {
    Window::AllTime.now()
}

fn sums() -> BoardOptions {
    BoardOptions { operator: Operator::Sum, ..BoardOptions::default() }
}

/// Rank, member and score of each.
fn told(page: &Page) -> Vec<(u64, &str, i64)> {
    page.standings.iter().map(|one| (one.rank, &*one.member, one.score)).collect()
}

/// All that a board has.
async fn standings(board: &Leaderboard) -> Vec<(u64, String, i64)> {
    let page = board.top(all(), 1000).await.unwrap();
    told(&page).into_iter().map(|(rank, member, score)| (rank, member.to_owned(), score)).collect()
}

async fn score(board: &Leaderboard, member: &str) -> Option<i64> {
    board.standing(all(), member).await.unwrap().map(|standing| standing.score)
}

fn position(milliseconds: u64) -> StreamId {
    StreamId { milliseconds, sequence: 0 }
}

/// A member's points of an entry.
fn entry(at: u64, member: &str, points: i64) -> (StreamId, Update) {
    (position(at), Update::new(member, points))
}
