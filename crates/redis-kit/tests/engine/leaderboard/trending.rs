use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use redis_kit::leaderboard::{Trending, TrendingOptions, Update};

use super::position;
use crate::harness::Bench;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn trending(bench: &Bench) -> Trending {
    bench.boards().trending("t", &TrendingOptions::default()).unwrap()
}

fn ago(member: &str, points: i64, days: i32) -> Update {
    Update::new(member, points).at(Timestamp::now() - DAY * days)
}

async fn order(board: &Trending) -> Vec<String> {
    board.top(100).await.unwrap().standings.into_iter().map(|one| one.member).collect()
}

async fn weight(board: &Trending, member: &str) -> Option<f64> {
    board.standing(member).await.unwrap().map(|one| one.score)
}

#[tokio::test]
async fn what_is_old_weighs_half_as_much_for_each_half_life() {
    let bench = Bench::start().await;
    let board = trending(&bench);
    board.update([ago("once", 100, 3), ago("now", 20, 0), ago("before", 30, 1)]).await.unwrap();
    assert_eq!(order(&board).await, ["now", "before", "once"]);
    for (member, expected) in [("now", 20.0), ("before", 15.0), ("once", 12.5)] {
        let found = weight(&board, member).await.unwrap();
        assert!((found - expected).abs() < 0.01, "{member}: {found}");
    }
}

#[tokio::test]
async fn what_happens_adds_up_whether_it_comes_together_or_not() {
    let bench = Bench::start().await;
    let board = trending(&bench);
    board.update([ago("a", 8, 1), ago("a", 3, 0), ago("b", 1, 0)]).await.unwrap();
    // Late, and yet it weighs what is left of it.
    board.update([ago("b", 24, 2)]).await.unwrap();
    board.update([ago("b", 1, 0), ago("nothing", 0, 0), ago("less", -4, 0)]).await.unwrap();
    for (member, expected) in [("a", 7.0), ("b", 8.0)] {
        let found = weight(&board, member).await.unwrap();
        assert!((found - expected).abs() < 0.01, "{member}: {found}");
    }
    assert_eq!(order(&board).await, ["b", "a"]);
}

#[tokio::test]
async fn an_entry_counts_once_however_often_it_comes() {
    let bench = Bench::start().await;
    let board = trending(&bench);
    for _ in 0..3 {
        let entries = vec![(position(1), ago("a", 5, 0)), (position(2), ago("a", 5, 0))];
        board.update_from("orders:0", entries).await.unwrap();
    }
    let found = weight(&board, "a").await.unwrap();
    assert!((found - 10.0).abs() < 0.01, "{found}");
}

#[tokio::test]
async fn what_hardly_weighs_anything_is_forgotten_with_all_that_is_known_of_it() {
    let bench = Bench::start().await;
    let board = trending(&bench);
    board.update((0..50).map(|n| ago(&format!("m{n}"), 1, 11).with_metadata("old"))).await.unwrap();
    for _ in 0..5 {
        board.update([ago("new", 1, 0).with_metadata("new")]).await.unwrap();
    }
    assert_eq!(order(&board).await, ["new"]);
    let known: Vec<String> = bench.run(&["HKEYS", "leaderboard:{t}:trending:metadata"]).await;
    assert_eq!(known, ["new"]);
}

#[tokio::test]
async fn a_board_to_which_nothing_happens_any_more_expires() {
    let bench = Bench::start().await;
    let half_life = Duration::from_secs(2);
    let options = TrendingOptions { half_life, ..TrendingOptions::default() };
    let board = bench.boards().trending("t", &options).unwrap();
    board.update([Update::new("a", 1).with_metadata("A")]).await.unwrap();
    for key in ["leaderboard:{t}:trending", "leaderboard:{t}:trending:metadata"] {
        let left: i64 = bench.run(&["PTTL", key]).await;
        assert!((1..=200_000).contains(&left), "{key}: {left}");
    }
}

#[tokio::test]
async fn neighbours_ranks_and_metadata_are_as_on_any_board() {
    let bench = Bench::start().await;
    let board = trending(&bench);
    board
        .update((1..=5).map(|n| ago(&format!("m{n}"), 10 * n, 0).with_metadata(n.to_string())))
        .await
        .unwrap();
    let found = board.around("m3", 1).await.unwrap().unwrap();
    assert_eq!((found.members, found.standing.rank, found.standing.metadata.as_deref()), (5, 3, Some("3")));
    assert_eq!((&*found.above[0].member, &*found.below[0].member), ("m4", "m2"));
    assert!(board.remove("m3").await.unwrap() && !board.remove("m3").await.unwrap());
    assert_eq!(board.page(1, 2).await.unwrap().standings[1].member, "m2");
    assert_eq!(board.standing("m3").await.unwrap(), None);
}

#[tokio::test]
async fn a_score_board_may_have_the_same_name() {
    let bench = Bench::start().await;
    let (board, trending) = (bench.board(&super::sums()), trending(&bench));
    let entries = vec![(position(1), Update::new("a", 5))];
    board.update_from("s", entries.clone()).await.unwrap();
    assert_eq!(trending.update_from("s", entries).await.unwrap().taken, 1);
}
