use redis_kit::{
    Error,
    leaderboard::{BoardOptions, InvalidBoard, Leaderboard, Standing, Update, Window},
};

use super::{all, told};
use crate::harness::Bench;

/// `m1` has the most.
async fn ten(bench: &Bench) -> Leaderboard {
    let board = bench.board(&BoardOptions::default());
    board.update((1..=10).map(|n| Update::new(format!("m{n}"), 100 - n))).await.unwrap();
    board
}

#[tokio::test]
async fn a_page_is_a_part_of_the_ranking_and_knows_how_many_there_are() {
    let bench = Bench::start().await;
    let board = ten(&bench).await;
    let page = board.page(all(), 3, 2).await.unwrap();
    assert_eq!(page.members, 10);
    assert_eq!(told(&page), [(4, "m4", 96), (5, "m5", 95)]);
    assert_eq!(told(&board.page(all(), 9, 5).await.unwrap()), [(10, "m10", 90)]);
    for (offset, limit) in [(10, 5), (0, 0), (u64::MAX / 4, 1)] {
        let page = board.page(all(), offset, limit).await.unwrap();
        assert_eq!((page.members, page.standings.len()), (10, 0), "{limit} from {offset}");
    }
}

#[tokio::test]
async fn neighbours_stand_on_either_side_as_far_as_there_are_any() {
    let bench = Bench::start().await;
    let board = ten(&bench).await;
    let around = async |member| {
        let found = board.around(all(), member, 2).await.unwrap().unwrap();
        let names = |some: &[Standing]| some.iter().map(|one| one.member.clone()).collect::<Vec<_>>();
        (names(&found.above), found.standing.rank, names(&found.below), found.members)
    };
    let names = |some: &[&str]| some.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(around("m1").await, (names(&[]), 1, names(&["m2", "m3"]), 10));
    assert_eq!(around("m5").await, (names(&["m3", "m4"]), 5, names(&["m6", "m7"]), 10));
    assert_eq!(around("m10").await, (names(&["m8", "m9"]), 10, names(&[]), 10));
    assert_eq!(board.around(all(), "nobody", 2).await.unwrap(), None);
}

#[tokio::test]
async fn a_percentile_says_how_many_have_no_better_score() {
    let bench = Bench::start().await;
    let board = bench.board(&BoardOptions::default());
    board
        .update([("a", 9), ("b", 5), ("c", 5), ("d", 1)].map(|(who, points)| Update::new(who, points)))
        .await
        .unwrap();
    for (member, percentile) in [("a", 100.0), ("b", 75.0), ("c", 75.0), ("d", 25.0)] {
        let standing = board.standing(all(), member).await.unwrap().unwrap();
        assert!((standing.percentile - percentile).abs() < 1e-9, "{standing:?}");
    }
}

#[tokio::test]
async fn metadata_comes_with_every_read_and_stays_until_it_is_replaced() {
    let bench = Bench::start().await;
    let board = bench.board(&BoardOptions::default());
    board.update([Update::new("a", 1).with_metadata("Ada")]).await.unwrap();
    board.update([Update::new("a", 2), Update::new("b", 1)]).await.unwrap();
    let metadata = async || board.standing(all(), "a").await.unwrap().unwrap().metadata;
    assert_eq!(metadata().await.as_deref(), Some("Ada"));
    board.update([Update::new("a", 0).with_metadata("Ada L.")]).await.unwrap();
    assert_eq!(metadata().await.as_deref(), Some("Ada L."));
    let page = board.top(all(), 10).await.unwrap();
    let all: Vec<_> = page.standings.iter().map(|one| one.metadata.as_deref()).collect();
    assert_eq!(all, [Some("Ada L."), None]);
}

#[tokio::test]
async fn a_member_may_be_called_anything() {
    let bench = Bench::start().await;
    let board = bench.board(&BoardOptions::default());
    for member in ["", " ", "{a}", "a\r\nb", "ä€", "page", "0"] {
        board.update([Update::new(member, 7)]).await.unwrap();
        assert_eq!(board.standing(all(), member).await.unwrap().unwrap().member, member);
    }
}

#[tokio::test]
async fn a_page_is_one_command() {
    let bench = Bench::start().await;
    let board = ten(&bench).await;
    board.top(all(), 1).await.unwrap();
    let calls = async || (bench.calls("evalsha").await, bench.calls("eval").await);
    let before = calls().await;
    board.page(all(), 2, 5).await.unwrap();
    board.around(all(), "m5", 3).await.unwrap();
    let after = calls().await;
    assert_eq!((after.0 - before.0, after.1 - before.1), (2, 0));
}

#[tokio::test]
async fn a_window_that_the_board_does_not_keep_is_refused() {
    let bench = Bench::start().await;
    let board = ten(&bench).await;
    let error = board.top(Window::Day.now(), 1).await.unwrap_err();
    assert!(matches!(error, Error::InvalidBoard(InvalidBoard::OtherWindow(Window::Day))), "{error}");
    assert!(!error.is_transient());
}
