//! The examples do what they say.

use crate::harness::Bench;

#[path = "../../examples/cache.rs"]
#[expect(dead_code, reason = "the test calls what its main calls")]
mod cache;
#[path = "../../examples/leaderboard.rs"]
#[expect(dead_code, reason = "the test calls what its main calls")]
mod leaderboard;
#[path = "../../examples/ordered.rs"]
#[expect(dead_code, reason = "the test calls what its main calls")]
mod ordered;
#[path = "../../examples/pubsub_vs_streams.rs"]
#[expect(dead_code, reason = "the test calls what its main calls")]
mod pubsub_vs_streams;
#[path = "../../examples/sessions.rs"]
#[expect(dead_code, reason = "the test calls what its main calls")]
mod sessions;
#[path = "../../examples/worker.rs"]
#[expect(dead_code, reason = "the test calls what its main calls")]
mod worker;

#[tokio::test]
async fn only_plain_pubsub_misses_what_is_sent_while_it_is_away() {
    let bench = Bench::start().await;
    let redis = bench.redis();
    let heard = pubsub_vs_streams::demonstrate(&redis).await.unwrap();
    assert_eq!(heard.plain, [1, 2, 3, 7, 8, 9].into());
    assert_eq!(heard.group, (1..=9).collect());
    assert_eq!(heard.replay, (1..=9).collect());
}

#[tokio::test]
async fn every_mail_is_sent_once_though_attempts_fail_and_a_worker_dies() {
    let bench = Bench::start().await;
    let seen = worker::demonstrate(&bench.redis()).await.unwrap();
    let sent: Vec<_> = seen.sent.iter().map(|(to, by)| (to.as_str(), by.as_str())).collect();
    assert_eq!(sent, [("Ada", "first"), ("Bob", "first"), ("Eve", "second"), ("Dan", "second")]);
    assert_eq!(seen.given_up, ["no such address"]);
}

#[tokio::test]
async fn bookings_stay_in_their_order_while_instances_come_and_go() {
    let bench = Bench::start().await;
    let books = ordered::demonstrate(&bench.redis()).await.unwrap();
    let (alone, shared) = (["north"; 9], ["north", "south", "north"].map(|by| [by; 3]));
    for (account, by) in [("Ann", alone.as_slice()), ("Don", shared.as_flattened())] {
        let expected: Vec<_> = (1..=9).zip(by.iter().map(ToString::to_string)).collect();
        assert_eq!(books[account], expected, "{account}");
    }
}

#[tokio::test]
async fn the_origin_is_asked_once_for_all_and_what_was_invalidated_stays_away() {
    let bench = Bench::start().await;
    let seen = cache::demonstrate(&bench.redis()).await.unwrap();
    let of = |prices: &[Option<u32>], asked| cache::Seen { prices: prices.to_vec(), asked };
    let expected =
        [of(&[None; 20], 1), of(&[Some(10), Some(10)], 1), of(&[Some(10)], 1), of(&[Some(11), Some(12)], 2)];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn two_instances_of_a_shop_share_their_sessions() {
    let bench = Bench::start().await;
    let told = sessions::demonstrate(&bench.redis()).await.unwrap();
    assert_eq!(
        told,
        [
            "Ada logs in at north: 200 OK",
            "south says: Ada has 0 items",
            "north says: Ada has 10 items",
            "Ada logs out at south: 200 OK",
            "and is unknown at north: 401 Unauthorized",
        ]
    );
}

#[tokio::test]
async fn a_game_ranks_its_players_by_the_day_and_for_all_time() {
    let bench = Bench::start().await;
    let told = leaderboard::demonstrate(&bench.redis()).await.unwrap();
    assert_eq!(
        told,
        [
            "today: 1. player2 (Alan) 2200",
            "today: 2. player1 (Ada) 1500",
            "today: 3. player4 (Edsger) 900",
            "all time: 1. player3 (Grace) 2200",
            "all time: 2. player2 (Alan) 2200",
            "all time: 3. player1 (Ada) 1500",
            "player1 stands behind player2 and before player4, of 4 in all",
            "levels by now: tower 20, cave 15",
        ]
    );
}
