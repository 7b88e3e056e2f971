//! Boards of every kind beside the simplest thing that could be right: a list that is sorted anew for every look.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use redis_kit::leaderboard::{
    BoardOptions, Leaderboard, Neighbours, Operator, Page, Period, SortOrder, Standing, Ties, Update, Window,
};

use super::position;
use crate::harness::Bench;

const LOWEST: i64 = -6;
const HIGHEST: i64 = 12;

/// How long a step is in which times are told apart.
const STEP: i64 = 60_000;

/// 2026-11-27T10:00:00Z, a day that is kept for as long as the test needs: nothing of it may expire.
const BEGIN: i64 = 1_795_773_600_000;

const WINDOWS: [Window; 3] = [Window::Hour, Window::Day, Window::AllTime];

/// What comes together.
#[derive(Clone, Debug)]
struct Call {
    updates: Vec<Brought>,
    /// Whether it comes once more, as after a crash.
    again: bool,
}

#[derive(Clone, Copy, Debug)]
struct Brought {
    member: u8,
    points: i64,
    /// In milliseconds after the beginning.
    at: i64,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let brought = (0..5_u8, -4..9_i64, 0..3_i64, 0..3_i64).prop_map(|(member, points, hour, step)| Brought {
        member,
        points,
        at: hour * 3_600_000 + step * STEP,
    });
    let call = (prop::collection::vec(brought, 1..6), any::<bool>());
    prop::collection::vec(call.prop_map(|(updates, again)| Call { updates, again }), 1..8)
}

fn options() -> impl Strategy<Value = BoardOptions> {
    let resolution = Duration::from_millis(STEP.unsigned_abs());
    let operators = prop::sample::select(vec![Operator::Best, Operator::Last, Operator::Sum]);
    let orders = prop::sample::select(vec![SortOrder::Descending, SortOrder::Ascending]);
    let ties = prop::sample::select(vec![Ties::Competition, Ties::Dense, Ties::FirstToReach { resolution }]);
    (operators, orders, ties).prop_map(|(operator, sort_order, ties)| BoardOptions {
        windows: WINDOWS.to_vec(),
        // The day may be long ago when this runs.
        keep_past: 1_000_000,
        operator,
        sort_order,
        ties,
        scores: LOWEST..=HIGHEST,
    })
}

/// A ranking: each member's score, and the step of time in which it was reached.
type Ranking = HashMap<String, (i64, i64)>;

struct Naive<'a> {
    options: &'a BoardOptions,
    rankings: HashMap<Period, Ranking>,
}

impl Naive<'_> {
    fn bring(&mut self, updates: &[Brought]) {
        for window in WINDOWS {
            // What a member brings within an hour in one call counts as one.
            for (member, hour, of_hour) in runs(updates) {
                let ranking = self.rankings.entry(window.at(hour)).or_default();
                let old = ranking.get(&member).copied();
                if let Some(new) = next(self.options, old, &of_hour) {
                    ranking.insert(member, new);
                }
            }
        }
    }

    fn page(&self, period: Period) -> Page {
        let empty = Ranking::new();
        let ranking = self.rankings.get(&period).unwrap_or(&empty);
        let mut all: Vec<(&String, i64, i64)> =
            ranking.iter().map(|(member, (score, step))| (member, *score, *step)).collect();
        let is_descending = self.options.sort_order == SortOrder::Descending;
        let is_first = matches!(self.options.ties, Ties::FirstToReach { .. });
        // For an ascending order, all but the time are turned around.
        let turned = |score: i64| if is_descending { -score } else { score };
        all.sort_by(|a, b| {
            let by_time = if is_first { a.2.cmp(&b.2) } else { std::cmp::Ordering::Equal };
            let by_name = if is_descending { b.0.cmp(a.0) } else { a.0.cmp(b.0) };
            turned(a.1).cmp(&turned(b.1)).then(by_time).then(by_name)
        });
        let standings = all.iter().enumerate().map(|(place, (member, score, step))| {
            let is_better = |other: &&(&String, i64, i64)| {
                turned(other.1) < turned(*score) || is_first && other.1 == *score && other.2 < *step
            };
            let better: Vec<i64> = all.iter().filter(is_better).map(|(_, score, _)| *score).collect();
            let mut distinct = better.clone();
            distinct.dedup();
            let (ahead, rank) = match self.options.ties {
                Ties::FirstToReach { .. } => (place, place),
                Ties::Competition => (better.len(), better.len()),
                Ties::Dense => (better.len(), distinct.len()),
            };
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            let percentile = 100.0 * (all.len() - ahead) as f64 / all.len() as f64;
            let (member, score, rank) = ((*member).clone(), *score, rank as u64 + 1);
            Standing { rank, member, score, percentile, metadata: None }
        });
        Page { members: all.len() as u64, standings: standings.collect() }
    }
}

/// For each member, what it brings within an hour, if no other hour is in between; in the order of arrival.
fn runs(updates: &[Brought]) -> Vec<(String, Timestamp, Vec<Brought>)> {
    let hour = |brought: &Brought| Window::Hour.at(time(brought));
    let mut runs: Vec<(String, Timestamp, Vec<Brought>)> = Vec::new();
    for stretch in updates.chunk_by(|a, b| hour(a) == hour(b)) {
        for member in 0..5 {
            let of_member: Vec<_> = stretch.iter().copied().filter(|one| one.member == member).collect();
            if let Some(first) = of_member.first() {
                runs.push((name(member), time(first), of_member));
            }
        }
    }
    runs
}

/// How a member stands after it brought this; `None`: as before.
fn next(options: &BoardOptions, old: Option<(i64, i64)>, brought: &[Brought]) -> Option<(i64, i64)> {
    let step = |one: &Brought| (BEGIN + one.at).div_euclid(STEP);
    let cut = |points: i64| points.clamp(LOWEST, HIGHEST);
    match options.operator {
        Operator::Sum => {
            let sum: i64 = brought.iter().map(|one| one.points).sum();
            let last = brought.iter().rfind(|one| one.points != 0).unwrap_or(&brought[0]);
            let new = cut(sum + old.map_or(0, |(score, _)| score));
            (old.is_none_or(|(score, _)| score != new)).then(|| (new, step(last)))
        }
        Operator::Last => {
            let new = cut(brought.last()?.points);
            // Since when it has been so.
            let since = brought.iter().rev().take_while(|one| cut(one.points) == new).last()?;
            (old.is_none_or(|(score, _)| score != new)).then(|| (new, step(since)))
        }
        Operator::Best => {
            let is_descending = options.sort_order == SortOrder::Descending;
            let turned = |score: i64| if is_descending { -score } else { score };
            let key = |(score, step): (i64, i64)| (turned(score), step);
            let new = brought.iter().map(|one| (cut(one.points), step(one))).min_by_key(|one| key(*one))?;
            (old.is_none_or(|old| key(new) < key(old))).then_some(new)
        }
    }
}

fn name(member: u8) -> String {
    format!("m{member}")
}

fn time(brought: &Brought) -> Timestamp {
    Timestamp::from_millisecond(BEGIN + brought.at).unwrap()
}

/// Brings all of it to a board and to the list, and looks at every ranking from everywhere.
async fn compare(board: &Leaderboard, options: &BoardOptions, calls: &[Call]) {
    let mut naive = Naive { options, rankings: HashMap::new() };
    for (n, call) in (1..).zip(calls) {
        let updates = call.updates.iter().map(|one| Update::new(name(one.member), one.points).at(time(one)));
        let updates: Vec<_> = updates.map(|update| (position(n), update)).collect();
        for _ in 0..=u8::from(call.again) {
            board.update_from("source", updates.clone()).await.unwrap();
        }
        naive.bring(&call.updates);
    }
    let hours = (0..3).map(|n| Window::Hour.at(Timestamp::from_millisecond(BEGIN + n * 3_600_000).unwrap()));
    let begin = Timestamp::from_millisecond(BEGIN).unwrap();
    for period in hours.chain([Window::Day.at(begin), Window::AllTime.at(begin)]) {
        let expected = naive.page(period);
        assert_eq!(
            board.top(period, 100).await.unwrap(),
            expected,
            "{period} of {options:?} after {calls:?}"
        );
        for (place, standing) in expected.standings.iter().enumerate() {
            let page = board.page(period, place as u64, 2).await.unwrap().standings;
            assert_eq!(page, expected.standings[place..(place + 2).min(expected.standings.len())]);
            let around = board.around(period, &standing.member, 1).await.unwrap().unwrap();
            assert_eq!(around, neighbours(&expected, place));
        }
    }
}

fn neighbours(page: &Page, place: usize) -> Neighbours {
    let Page { members, standings } = page;
    let below = standings.len().min(place + 2);
    Neighbours {
        members: *members,
        above: standings[place.saturating_sub(1)..place].to_vec(),
        standing: standings[place].clone(),
        below: standings[place + 1..below].to_vec(),
    }
}

/// It says with which options and which calls it failed. (They are not made fewer: that would need a server in between.)
#[tokio::test]
async fn a_board_of_any_kind_ranks_as_a_list_that_is_sorted() {
    let bench = Bench::start().await;
    let boards = bench.boards();
    let mut runner = TestRunner::new(Config::default());
    for n in 0..150 {
        let (options, calls) = (options(), calls()).new_tree(&mut runner).unwrap().current();
        let board = boards.board(&format!("b{n}"), &options).unwrap();
        compare(&board, &options, &calls).await;
    }
}
