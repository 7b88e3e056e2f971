use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use redis_kit::leaderboard::{BoardOptions, Leaderboard, Operator, SortOrder, Ties, Update};

use super::{KEY, standings};
use crate::harness::Bench;

const SECOND: Duration = Duration::from_secs(1);

fn with(ties: Ties) -> BoardOptions {
    BoardOptions { ties, scores: 0..=1_000_000, operator: Operator::Sum, ..BoardOptions::default() }
}

fn first_to_reach() -> BoardOptions {
    with(Ties::FirstToReach { resolution: SECOND })
}

/// Updates, each some seconds after the beginning.
async fn play(board: &Leaderboard, points: &[(&str, i64, i64)]) {
    let begun: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
    for (member, points, second) in points {
        let at = begun + SignedDuration::from_secs(*second);
        board.update([Update::new(*member, *points).at(at)]).await.unwrap();
    }
}

async fn ranks(board: &Leaderboard) -> Vec<(u64, String)> {
    standings(board).await.into_iter().map(|(rank, member, _)| (rank, member)).collect()
}

fn expected(ranks: &[(u64, &str)]) -> Vec<(u64, String)> {
    ranks.iter().map(|(rank, member)| (*rank, (*member).to_owned())).collect()
}

#[tokio::test]
async fn of_equal_scores_the_one_that_was_reached_first_is_first() {
    let bench = Bench::start().await;
    let board = bench.board(&first_to_reach());
    play(&board, &[("late", 50, 30), ("early", 50, 10), ("middle", 30, 5), ("middle", 20, 20)]).await;
    assert_eq!(ranks(&board).await, expected(&[(1, "early"), (2, "middle"), (3, "late")]));
    // Nothing more is nothing new.
    play(&board, &[("early", 0, 60)]).await;
    assert_eq!(ranks(&board).await[0].1, "early");
    let scores: Vec<i64> = standings(&board).await.into_iter().map(|(.., score)| score).collect();
    assert_eq!(scores, [50; 3]);
}

#[tokio::test]
async fn the_same_where_the_lowest_score_is_first() {
    let bench = Bench::start().await;
    let options =
        BoardOptions { sort_order: SortOrder::Ascending, operator: Operator::Best, ..first_to_reach() };
    let board = bench.board(&options);
    play(&board, &[("late", 50, 30), ("early", 50, 10), ("early", 50, 60), ("slow", 51, 1)]).await;
    assert_eq!(ranks(&board).await, expected(&[(1, "early"), (2, "late"), (3, "slow")]));
}

#[tokio::test]
async fn a_best_score_that_is_heard_of_late_counts_as_reached_when_it_was() {
    let bench = Bench::start().await;
    let board = bench.board(&BoardOptions { operator: Operator::Best, ..first_to_reach() });
    play(&board, &[("a", 50, 20), ("b", 50, 30), ("b", 50, 10)]).await;
    assert_eq!(ranks(&board).await, expected(&[(1, "b"), (2, "a")]));
}

#[tokio::test]
async fn equal_scores_share_a_rank_and_leave_out_as_many() {
    let bench = Bench::start().await;
    let board = bench.board(&with(Ties::Competition));
    play(&board, &[("a", 9, 0), ("b", 5, 0), ("c", 5, 0), ("d", 5, 0), ("e", 1, 0)]).await;
    assert_eq!(ranks(&board).await, expected(&[(1, "a"), (2, "d"), (2, "c"), (2, "b"), (5, "e")]));
}

#[tokio::test]
async fn or_leave_out_none() {
    let bench = Bench::start().await;
    let board = bench.board(&with(Ties::Dense));
    play(&board, &[("a", 9, 0), ("b", 5, 0), ("c", 5, 0), ("d", 5, 0), ("e", 1, 0)]).await;
    assert_eq!(ranks(&board).await, expected(&[(1, "a"), (2, "d"), (2, "c"), (2, "b"), (3, "e")]));
}

#[tokio::test]
async fn a_score_that_nobody_has_any_more_is_no_rank() {
    let bench = Bench::start().await;
    let board = bench.board(&with(Ties::Dense));
    play(&board, &[("a", 9, 0), ("b", 5, 0), ("c", 5, 0), ("d", 1, 0), ("b", 4, 1), ("c", 4, 1)]).await;
    assert_eq!(ranks(&board).await, expected(&[(1, "c"), (1, "b"), (1, "a"), (2, "d")]));
    board.remove("d").await.unwrap();
    let scores: Vec<String> = bench.run(&["ZRANGE", &format!("{KEY}:scores"), "0", "-1"]).await;
    assert_eq!(scores, ["9"]);
}

#[tokio::test]
async fn a_shared_rank_is_the_same_wherever_a_page_begins() {
    let bench = Bench::start().await;
    let points =
        [("a", 9), ("b", 9), ("c", 5), ("d", 5), ("e", 5), ("f", 1)].map(|(who, points)| (who, points, 0));
    for ties in [Ties::Competition, Ties::Dense] {
        let board = bench.boards().board(&format!("{ties:?}"), &with(ties)).unwrap();
        play(&board, &points).await;
        let whole = board.top(super::all(), 10).await.unwrap().standings;
        for offset in 0..6 {
            let page = board.page(super::all(), offset, 2).await.unwrap().standings;
            let from = usize::try_from(offset).unwrap();
            assert_eq!(page, whole[from..(from + 2).min(6)], "{ties:?} from {offset}");
        }
        for standing in &whole {
            let alone = board.standing(super::all(), &standing.member).await.unwrap();
            assert_eq!(alone.as_ref(), Some(standing), "{ties:?}");
        }
    }
}
