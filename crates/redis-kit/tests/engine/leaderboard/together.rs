use futures_util::future::join_all;
use redis_kit::leaderboard::{BoardOptions, Operator, Ties, TrendingOptions, Update};

use super::{all, sums};
use crate::harness::Bench;

/// Boards whose keys are not in one slot, each of another kind.
fn kinds() -> [BoardOptions; 4] {
    let ties = Ties::FirstToReach { resolution: std::time::Duration::from_hours(1) };
    [
        sums(),
        BoardOptions { ties: Ties::Dense, ..sums() },
        BoardOptions { operator: Operator::Last, ..BoardOptions::default() },
        BoardOptions { ties, scores: 0..=1_000_000, ..sums() },
    ]
}

#[tokio::test]
async fn updates_of_many_boards_at_once_each_reach_their_own() {
    let bench = Bench::start().await;
    let boards = bench.boards();
    let each: Vec<_> = (0..12).map(|n| boards.board(&format!("b{n}"), &kinds()[n % 4]).unwrap()).collect();
    let updates = (1..=10_i64).flat_map(|points| each.iter().map(move |board| (board, points)));
    join_all(updates.map(async |(board, points)| {
        let many = [Update::new("a", points).with_metadata("A"), Update::new("b", 2 * points)];
        assert_eq!(board.update(many).await.unwrap().taken, 2);
    }))
    .await;
    let looks = each.iter().map(|board| board.top(all(), 10));
    for (n, page) in join_all(looks).await.into_iter().enumerate() {
        let page = page.unwrap();
        let scores: Vec<i64> = page.standings.iter().map(|one| one.score).collect();
        // What came last of what came at once nobody knows.
        if n % 4 == 2 {
            assert!(scores.iter().all(|score| (1..=20).contains(score)), "{scores:?}");
        } else {
            assert_eq!(scores, [110, 55], "board {n}");
            assert_eq!(page.standings[1].metadata.as_deref(), Some("A"));
        }
    }
}

#[tokio::test]
async fn a_board_that_fails_takes_no_other_with_it() {
    let bench = Bench::start().await;
    let boards = bench.boards();
    let (good, bad) = (boards.board("t", &sums()).unwrap(), boards.board("bad", &sums()).unwrap());
    let trending = boards.trending("t", &TrendingOptions::default()).unwrap();
    () = bench.run(&["SET", "leaderboard:{bad}:all", "no sorted set"]).await;
    let updates = (0..20).map(|n| {
        let board = if n % 2 == 0 { &good } else { &bad };
        board.update([Update::new("a", 1)])
    });
    let done: Vec<bool> = join_all(updates).await.iter().map(Result::is_ok).collect();
    assert_eq!(done, (0..20).map(|n| n % 2 == 0).collect::<Vec<_>>());
    let looks = join_all([good.top(all(), 1), bad.top(all(), 1)]).await;
    assert_eq!(looks[0].as_ref().unwrap().standings[0].score, 10);
    assert!(looks[1].as_ref().unwrap_err().to_string().contains("WRONGTYPE"));
    trending.update([Update::new("a", 1)]).await.unwrap();
}
