use redis_kit::leaderboard::{BoardOptions, Operator, Update, Window};
use redis_kit::stream::StreamId;

use super::{KEY, all, entry, position, score, standings, sums};
use crate::harness::Bench;

#[tokio::test]
async fn an_entry_counts_once_however_often_it_comes() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    let entries = vec![entry(1, "a", 5), entry(2, "b", 7), entry(2, "a", 1), entry(3, "a", 2)];
    assert_eq!(board.update_from("orders:0", entries.clone()).await.unwrap().taken, 4);
    for _ in 0..3 {
        assert_eq!(board.update_from("orders:0", entries.clone()).await.unwrap().taken, 0);
    }
    assert_eq!(standings(&board).await, [(1, "a".into(), 8), (2, "b".into(), 7)]);
}

#[tokio::test]
async fn of_what_comes_again_only_what_is_new_counts() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    board.update_from("s", vec![entry(1, "a", 1), entry(2, "a", 1)]).await.unwrap();
    // After a crash the same entries are read together with later ones, and are split otherwise.
    let again = vec![entry(1, "a", 1), entry(2, "a", 1), entry(3, "a", 1), entry(4, "a", 1)];
    assert_eq!(board.update_from("s", again).await.unwrap().taken, 2);
    assert_eq!(score(&board, "a").await, Some(4));
}

#[tokio::test]
async fn each_source_has_a_position_of_its_own() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    board.update_from("orders:0", vec![entry(10, "a", 1)]).await.unwrap();
    assert_eq!(board.update_from("orders:1", vec![entry(5, "a", 1)]).await.unwrap().taken, 1);
    assert_eq!(board.update_from("orders:0", vec![entry(5, "a", 1)]).await.unwrap().taken, 0);
    // And so has each board.
    let other = bench.boards().board("other", &sums()).unwrap();
    assert_eq!(other.update_from("orders:0", vec![entry(5, "a", 1)]).await.unwrap().taken, 1);
}

#[tokio::test]
async fn positions_are_compared_as_numbers_however_large() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    let at = |milliseconds, sequence| (StreamId { milliseconds, sequence }, Update::new("a", 1));
    let rising =
        [(9, 0), (9, 9), (9, 10), (10, 0), (1 << 53, 1), ((1 << 53) + 1, 0), (u64::MAX, u64::MAX - 1)];
    for (milliseconds, sequence) in rising {
        let applied = board.update_from("s", vec![at(milliseconds, sequence)]).await.unwrap();
        assert_eq!(applied.taken, 1, "{milliseconds}-{sequence}");
        assert_eq!(board.update_from("s", vec![at(milliseconds, sequence)]).await.unwrap().taken, 0);
    }
}

#[tokio::test]
async fn many_points_of_one_entry_are_never_split() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    let mut entries: Vec<_> =
        (0..1500).map(|n| (position(7), Update::new(format!("m{}", n % 3), 1))).collect();
    entries.push(entry(8, "m0", 1));
    let applied = board.update_from("s", entries).await.unwrap();
    assert_eq!(applied.taken, 1501);
    assert_eq!(score(&board, "m0").await, Some(501));
}

#[tokio::test]
async fn entries_may_come_in_any_order_within_one_call() {
    let bench = Bench::start().await;
    let board = bench.board(&BoardOptions { operator: Operator::Last, ..BoardOptions::default() });
    board.update_from("s", vec![entry(3, "a", 3), entry(1, "a", 1), entry(2, "a", 2)]).await.unwrap();
    assert_eq!(score(&board, "a").await, Some(3));
}

#[tokio::test]
async fn the_cursor_and_the_points_are_written_in_one_step() {
    let bench = Bench::start().await;
    let windows = vec![Window::Hour, Window::AllTime];
    let board = bench.board(&BoardOptions { windows, ..sums() });
    // One of the keys cannot be written, so neither is another, and the entry counts once that is mended.
    let hour = format!("leaderboard:{{t}}:{}", Window::Hour.now());
    () = bench.run(&["SET", KEY, "no sorted set"]).await;
    let error = board.update_from("s", vec![entry(1, "a", 5)]).await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    assert_eq!(bench.run::<u64>(&["EXISTS", &hour, "leaderboard:{t}:cursors"]).await, 0);
    () = bench.run(&["DEL", KEY]).await;
    assert_eq!(board.update_from("s", vec![entry(1, "a", 5)]).await.unwrap().taken, 1);
    assert_eq!(board.standing(all(), "a").await.unwrap().unwrap().score, 5);
}
