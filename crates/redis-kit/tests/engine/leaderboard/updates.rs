use futures_util::future::join_all;
use redis_kit::leaderboard::{BoardOptions, Operator, SortOrder, Update};

use super::{KEY, all, score, standings, sums};
use crate::harness::Bench;

fn by(operator: Operator) -> BoardOptions {
    BoardOptions { operator, ..BoardOptions::default() }
}

#[tokio::test]
async fn the_best_score_stays_the_last_one_replaces_and_a_sum_grows() {
    let bench = Bench::start().await;
    for (operator, expected) in [(Operator::Best, 30), (Operator::Last, 20), (Operator::Sum, 60)] {
        let board = bench.boards().board(&format!("{operator:?}"), &by(operator)).unwrap();
        for points in [10, 30, 20] {
            board.update([Update::new("a", points)]).await.unwrap();
        }
        assert_eq!(score(&board, "a").await, Some(expected), "{operator:?}");
        // All of them at once are the same.
        board.update([10, 30, 20].map(|points| Update::new("b", points))).await.unwrap();
        assert_eq!(score(&board, "b").await, Some(expected), "{operator:?}");
    }
}

#[tokio::test]
async fn where_the_lowest_is_first_the_lowest_is_best() {
    let bench = Bench::start().await;
    let board = bench.board(&BoardOptions { sort_order: SortOrder::Ascending, ..BoardOptions::default() });
    board
        .update([("a", 71), ("b", 65), ("a", 68), ("a", 90)].map(|(who, time)| Update::new(who, time)))
        .await
        .unwrap();
    assert_eq!(standings(&board).await, [(1, "b".into(), 65), (2, "a".into(), 68)]);
}

#[tokio::test]
async fn a_score_of_zero_is_ranked() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    board.update([("a", 0), ("b", -5)].map(|(who, points)| Update::new(who, points))).await.unwrap();
    board.update([Update::new("b", 3)]).await.unwrap();
    assert_eq!(standings(&board).await, [(1, "a".into(), 0), (2, "b".into(), -2)]);
    assert_eq!(board.standing(all(), "a").await.unwrap().unwrap().rank, 1);
}

#[tokio::test]
async fn of_points_that_come_at_once_from_many_none_is_lost() {
    let bench = Bench::start().await;
    let boards = [bench.board(&sums()), bench.board(&sums())];
    let updates = (0..400).map(|n| boards[n % 2].update([Update::new(format!("m{}", n % 3), 1)]));
    let taken: u64 = join_all(updates).await.into_iter().map(|applied| applied.unwrap().taken).sum();
    assert_eq!(taken, 400);
    let scores: i64 = standings(&boards[0]).await.iter().map(|(.., score)| score).sum();
    assert_eq!(scores, 400);
}

#[tokio::test]
async fn more_updates_than_go_in_one_call_all_count() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    let applied = board.update((0..1234).map(|n| Update::new(format!("m{}", n % 7), 1))).await.unwrap();
    assert_eq!(applied.taken, 1234);
    assert_eq!(standings(&board).await.iter().map(|(.., score)| score).sum::<i64>(), 1234);
}

#[tokio::test]
async fn what_would_be_beyond_the_scores_of_a_board_is_cut_and_counted() {
    let bench = Bench::start().await;
    let board = bench.board(&BoardOptions { scores: -10..=100, ..sums() });
    let applied = board.update([Update::new("a", 90), Update::new("b", -50)]).await.unwrap();
    assert_eq!(applied.cut, 1);
    let applied = board.update([Update::new("a", 20)]).await.unwrap();
    assert_eq!((applied.taken, applied.cut), (1, 1));
    assert_eq!(standings(&board).await, [(1, "a".into(), 100), (2, "b".into(), -10)]);
    // What comes off it later does count.
    board.update([Update::new("a", -30)]).await.unwrap();
    assert_eq!(score(&board, "a").await, Some(70));
}

#[tokio::test]
async fn the_greatest_scores_that_there_can_be_are_told_apart() {
    let bench = Bench::start().await;
    let most = (1 << 53) - 1;
    let board = bench.board(&by(Operator::Last));
    for (who, points) in [("a", most), ("b", most - 1), ("c", 1 - most), ("d", -most)] {
        board.update([Update::new(who, points)]).await.unwrap();
    }
    let expected =
        [(1, "a".into(), most), (2, "b".into(), most - 1), (3, "c".into(), 1 - most), (4, "d".into(), -most)];
    assert_eq!(standings(&board).await, expected);
    assert_eq!(board.update([Update::new("a", i64::MAX)]).await.unwrap().cut, 1);
    assert_eq!(score(&board, "a").await, Some(most));
}

#[tokio::test]
async fn sums_beyond_all_scores_are_cut_however_large() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    for points in [i64::MAX, i64::MIN] {
        board.update((0..3).map(|_| Update::new("a", points))).await.unwrap();
        assert_eq!(score(&board, "a").await, Some(points.signum() * ((1 << 53) - 1)));
    }
}

#[tokio::test]
async fn a_member_that_is_removed_is_nowhere() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    board.update(["a", "b"].map(|who| Update::new(who, 5).with_metadata("{}"))).await.unwrap();
    assert!(board.remove("a").await.unwrap());
    assert!(!board.remove("a").await.unwrap());
    assert_eq!(standings(&board).await, [(1, "b".into(), 5)]);
    let metadata: Vec<String> = bench.run(&["HKEYS", &format!("{KEY}:metadata")]).await;
    assert_eq!(metadata, ["b"]);
}
