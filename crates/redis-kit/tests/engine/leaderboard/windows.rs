use jiff::{SignedDuration, Timestamp};
use redis_kit::leaderboard::{BoardOptions, Leaderboard, Operator, Period, Update, Window};

use super::told;
use crate::harness::Bench;

const WINDOWS: [Window; 4] = [Window::Hour, Window::Day, Window::Week, Window::AllTime];

fn options() -> BoardOptions {
    BoardOptions { windows: WINDOWS.to_vec(), operator: Operator::Sum, ..BoardOptions::default() }
}

/// The middle of a day that is some days away, so that an hour more or less is the same day.
fn noon(days: i64) -> Timestamp {
    let today = Window::Day.now().begins().unwrap();
    today + SignedDuration::from_hours(24 * days + 12)
}

async fn score(board: &Leaderboard, period: Period, member: &str) -> Option<i64> {
    board.standing(period, member).await.unwrap().map(|standing| standing.score)
}

#[tokio::test]
async fn points_count_in_the_periods_of_their_own_time() {
    let bench = Bench::start().await;
    let board = bench.board(&options());
    // In days to come, whose hours are not gone yet, whatever time it is.
    let (before, day) = (noon(1), noon(2));
    board.update([Update::new("a", 1).at(before), Update::new("a", 2).at(day)]).await.unwrap();
    let later = day + SignedDuration::from_hours(1);
    board.update([Update::new("a", 4).at(later)]).await.unwrap();
    assert_eq!(score(&board, Window::Hour.at(day), "a").await, Some(2));
    assert_eq!(score(&board, Window::Hour.at(later), "a").await, Some(4));
    assert_eq!(score(&board, Window::Day.at(day), "a").await, Some(6));
    assert_eq!(score(&board, Window::Day.at(day).previous().unwrap(), "a").await, Some(1));
    assert_eq!(score(&board, Window::AllTime.now(), "a").await, Some(7));
}

#[tokio::test]
async fn every_key_of_a_window_has_an_end_and_that_of_all_time_has_none() {
    let bench = Bench::start().await;
    let board = bench.board(&BoardOptions { keep_past: 2, ..options() });
    let now = Timestamp::now();
    board.update([Update::new("a", 1).at(now)]).await.unwrap();
    for window in [Window::Hour, Window::Day, Window::Week] {
        let period = window.at(now);
        let expires: i64 = bench.run(&["PEXPIRETIME", &format!("leaderboard:{{t}}:{period}")]).await;
        // Two more periods after its own.
        let length = period.ends().unwrap().as_millisecond() - period.begins().unwrap().as_millisecond();
        assert_eq!(expires, period.begins().unwrap().as_millisecond() + 3 * length, "{window}");
    }
    for key in ["leaderboard:{t}:all", "leaderboard:{t}:cursors"] {
        assert!(bench.run::<i64>(&["PEXPIRETIME", key]).await < 0, "{key}");
    }
}

#[tokio::test]
async fn a_key_that_lost_its_end_is_given_it_again() {
    let bench = Bench::start().await;
    let board = bench.board(&options());
    let day = Window::Day.now();
    let key = format!("leaderboard:{{t}}:{day}");
    board.update([Update::new("a", 1)]).await.unwrap();
    () = bench.run(&["PERSIST", &key]).await;
    board.update([Update::new("b", 1)]).await.unwrap();
    assert!(bench.run::<i64>(&["PTTL", &key]).await > 0);
}

#[tokio::test]
async fn what_comes_after_its_period_is_gone_counts_in_the_longer_ones_alone() {
    let bench = Bench::start().await;
    let board = bench.board(&options());
    board.update([Update::new("a", 3).at(noon(-30)).with_metadata("Ada")]).await.unwrap();
    let keys: Vec<String> = bench.run(&["KEYS", "leaderboard:{t}:*"]).await;
    let mut keys = keys;
    keys.sort();
    assert_eq!(keys, ["leaderboard:{t}:all", "leaderboard:{t}:all:metadata"]);
    assert_eq!(score(&board, Window::Day.at(noon(-30)), "a").await, None);
    assert_eq!(score(&board, Window::AllTime.now(), "a").await, Some(3));
}

#[tokio::test]
async fn metadata_lives_as_long_as_the_longest_window() {
    let bench = Bench::start().await;
    let board = bench.board(&BoardOptions { windows: vec![Window::Hour, Window::Week], ..options() });
    board.update([Update::new("a", 1).with_metadata("Ada")]).await.unwrap();
    let page = board.top(Window::Hour.now(), 1).await.unwrap();
    assert_eq!(told(&page), [(1, "a", 1)]);
    assert_eq!(page.standings[0].metadata.as_deref(), Some("Ada"));
    let week = format!("leaderboard:{{t}}:{}", Window::Week.now());
    let ends = async |key: &str| bench.run::<i64>(&["PEXPIRETIME", key]).await;
    assert_eq!(ends(&week).await, ends(&format!("{week}:metadata")).await);
}

#[tokio::test]
async fn a_member_that_is_removed_is_in_no_window_any_more() {
    let bench = Bench::start().await;
    let board = bench.board(&options());
    let now = Timestamp::now();
    let before = Window::Hour.at(now).previous().unwrap().begins().unwrap();
    for at in [before, now] {
        board.update([Update::new("a", 1).at(at), Update::new("b", 1).at(at)]).await.unwrap();
    }
    assert!(board.remove("a").await.unwrap());
    for period in WINDOWS.map(|window| window.at(now)).into_iter().chain([Window::Hour.at(before)]) {
        let members: Vec<_> =
            board.top(period, 9).await.unwrap().standings.into_iter().map(|one| one.member).collect();
        assert_eq!(members, ["b"], "{period}");
    }
}
