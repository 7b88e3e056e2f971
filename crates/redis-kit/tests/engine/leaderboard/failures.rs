use redis_kit::leaderboard::{Leaderboards, TrendingOptions, Update};

use super::{all, entry, score, sums};
use crate::harness::{Bench, LIMIT};

#[tokio::test]
async fn an_entry_whose_answer_was_lost_counts_once_when_it_comes_again() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let board = Leaderboards::new(&redis, "").unwrap().board("t", &sums()).unwrap();
    board.update_from("s", vec![entry(1, "a", 1)]).await.unwrap();
    proxy.drop_replies();
    let error = board.update_from("s", vec![entry(2, "a", 1)]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    proxy.pass();
    let again = async || board.update_from("s", vec![entry(2, "a", 1)]).await;
    let applied = test_support::eventually("the board to answer", LIMIT, again).await;
    assert_eq!(applied.taken, 0);
    assert_eq!(score(&board, "a").await, Some(2));
}

#[tokio::test]
async fn a_full_redis_still_takes_what_its_streams_could_not_be_trimmed_without() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    () = bench.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(bench.try_run::<()>(&["SET", "x:{t}", "1"]).await.is_err());
    assert_eq!(board.update_from("s", vec![entry(1, "a", 1)]).await.unwrap().taken, 1);
    assert_eq!(board.top(all(), 1).await.unwrap().members, 1);
    let trending = bench.boards().trending("t", &TrendingOptions::default()).unwrap();
    assert_eq!(trending.update([Update::new("a", 1)]).await.unwrap().taken, 1);
}

#[tokio::test]
async fn scripts_that_were_flushed_are_sent_again() {
    let bench = Bench::start().await;
    let board = bench.board(&sums());
    for points in [1, 2] {
        board.update([Update::new("a", points)]).await.unwrap();
        () = bench.run(&["SCRIPT", "FLUSH"]).await;
    }
    assert_eq!(score(&board, "a").await, Some(3));
}
