//! Consumers come, show life, leave, and are ended when they do not.

use test_support::eventually;

use super::{AN_HOUR, ATTEMPTS, Consumer, Entry, LEASE, RETRY, Writes};
use crate::harness::{Bench, GROUP, LIMIT, STREAM};

#[tokio::test]
async fn the_first_to_join_creates_the_group_at_the_first_entry() {
    let bench = Bench::holding(1).await;
    bench.full().await;
    assert_eq!(Consumer::new(&bench, "c").join().await, Ok(1));
    assert_eq!(bench.unread().await, 1);
    bench.run::<()>(&["XGROUP", "SETID", STREAM, GROUP, "1-0"]).await;
    assert_eq!(Consumer::new(&bench, "d").join().await, Ok(0));
    assert_eq!(bench.unread().await, 0, "a group that is there stays as it is");
    let until: Vec<f64> = bench.run(&["HMGET", LEASE, "c", "d"]).await;
    let an_hour_from_now = bench.time().await + 3_600_000.0;
    assert!(until.iter().all(|until| (until - an_hour_from_now).abs() < 60_000.0), "{until:?}");
}

#[tokio::test]
async fn joining_creates_the_stream_too() {
    let bench = Bench::start().await;
    bench.full().await;
    assert_eq!(Consumer::new(&bench, "c").join().await, Ok(1));
    assert_eq!(bench.unread().await, 0);
}

#[tokio::test]
async fn nobody_joins_what_is_no_stream() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", STREAM, "text"]).await;
    assert_eq!(Consumer::new(&bench, "c").join().await, Err("WRONGTYPE".into()));
    assert_eq!(bench.exist(&[LEASE]).await, 0);
}

#[tokio::test]
async fn a_heartbeat_prolongs_a_lease_and_revives_none() {
    let bench = Bench::start().await;
    let consumer = Consumer::new(&bench, "c");
    consumer.join().await.unwrap();
    consumer.expire().await;
    bench.full().await;
    // It has run out, but nobody was told so.
    assert_eq!(consumer.heartbeat().await, Ok(1));
    assert!(bench.run::<f64>(&["HGET", LEASE, "c"]).await > bench.time().await);
    bench.run::<u8>(&["HDEL", LEASE, "c"]).await;
    assert_eq!(consumer.heartbeat().await, Ok(0));
    assert_eq!(bench.exist(&[LEASE]).await, 0);
}

/// watermill-redisstream#24: deleting a consumer destroys what is pending on it.
#[tokio::test]
async fn leaving_hands_back_what_is_pending_and_only_then_removes_the_consumer() {
    let bench = Bench::holding(3).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.full().await;
    assert_eq!(consumer.leave(2).await, Ok((2, vec![])));
    assert_eq!(bench.owners().await, ["1-0 waiting 1", "2-0 waiting 1", "3-0 c 1"]);
    assert_eq!(bench.names().await, ["c", "waiting"]);
    assert_eq!(consumer.acknowledge(&["3-0"]).await, Ok(-1), "the lease goes first");
    assert_eq!(consumer.leave(2).await, Ok((1, vec![])));
    assert_eq!(bench.names().await, ["waiting"]);
    assert_eq!(consumer.leave(2).await, Ok((0, vec![])), "sent twice");
    let now = bench.time().await;
    let due = bench.due().await;
    assert_eq!(due.len(), 3);
    assert!(due.iter().all(|(_, at)| *at <= now), "{due:?}");
}

#[tokio::test]
async fn leaving_a_group_that_is_gone_is_an_error() {
    let bench = Bench::holding(1).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.run::<()>(&["XGROUP", "DESTROY", STREAM, GROUP]).await;
    assert_eq!(consumer.leave(9).await, Err("NOGROUP".into()));
    bench.run::<u8>(&["DEL", STREAM]).await;
    assert_eq!(consumer.leave(9).await, Err("NOGROUP".into()));
}

#[tokio::test]
async fn leaving_goes_page_by_page_through_more_than_a_thousand() {
    let bench = Bench::holding(2500).await;
    let consumer = Consumer::reading(&bench, "c").await;
    bench.run::<u8>(&["XDEL", STREAM, "3-0", "2003-0"]).await;
    assert_eq!(consumer.leave(1000).await, Ok((1000, vec!["3-0".into()])));
    assert_eq!(consumer.leave(1000).await, Ok((1000, vec![])));
    assert_eq!(bench.names().await, ["c", "waiting"]);
    assert_eq!(consumer.leave(1000).await, Ok((500, vec!["2003-0".into()])));
    assert_eq!((bench.names().await, bench.due().await.len()), (vec!["waiting".to_owned()], 2498));
}

#[tokio::test]
async fn leaving_does_not_cut_a_pause_short() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    consumer.postpone("1-0", 1, AN_HOUR, "not yet").await.unwrap();
    // As after a claim that was cut off midway.
    bench.run::<u8>(&["ZADD", RETRY, "9e15", "2-0"]).await;
    consumer.leave(9).await.unwrap();
    let due = bench.due().await;
    assert!(due[0].1 > bench.time().await + 3_000_000.0 && due[1].1 > 8e15, "{due:?}");
}

#[tokio::test]
async fn what_was_handed_back_can_be_claimed_whatever_could_not_be_written() {
    let bench = Bench::holding(2).await;
    let consumer = Consumer::reading(&bench, "c").await;
    let heir = Consumer::new(&bench, "heir");
    heir.join().await.unwrap();
    bench.run::<()>(&["SET", RETRY, "text"]).await;
    assert_eq!(consumer.leave(9).await, Err("WRONGTYPE".into()));
    bench.run::<u8>(&["DEL", RETRY]).await;
    for command in ["zadd", "xclaim"] {
        bench.permit(&[&format!("-{command}")]).await;
        consumer.leave(9).await.unwrap_err();
        bench.permit(&[&format!("+{command}")]).await;
    }
    consumer.leave(9).await.unwrap();
    let (claimed, ..) = heir.claim(9).await.unwrap().unwrap();
    assert_eq!(super::ids(&claimed), ["1-0", "2-0"]);
}

/// redis#11567: dead consumers pile up.
#[tokio::test]
async fn reaping_ends_those_whose_lease_has_run_out_and_nobody_else() {
    let bench = Bench::holding(2).await;
    let dead = Consumer::reading(&bench, "dead").await;
    bench.appended_after(2, 1).await;
    Consumer::reading(&bench, "alive").await;
    let never_read = Consumer::new(&bench, "never read");
    never_read.join().await.unwrap();
    let reaper = Consumer::new(&bench, "reaper");
    reaper.join().await.unwrap();
    for consumer in [dead, never_read, reaper] {
        consumer.expire().await;
    }
    bench.full().await;
    let (mut revoked, entries, lost) = reaper.reap(9, AN_HOUR).await.unwrap().unwrap();
    revoked.sort();
    assert_eq!((revoked, entries, lost), (vec!["dead".into(), "never read".into()], 2, vec![]));
    assert_eq!(bench.owners().await, ["1-0 waiting 1", "2-0 waiting 1", "3-0 alive 1"]);
    assert_eq!(bench.names().await, ["alive", "waiting"]);
    assert_eq!(reaper.reap(9, AN_HOUR).await.unwrap().unwrap(), (vec![], 0, vec![]));
    assert_eq!(dead.heartbeat().await, Ok(0));
    assert_eq!(dead.acknowledge(&["1-0"]).await, Ok(-1));
    assert_eq!(dead.commit(&[Entry("1-0", 1, 0, Writes::none())]).await.unwrap(), ["0"]);
}

/// The same, for one that was never ours, or was ended while it stalled and then read once more.
#[tokio::test]
async fn reaping_ends_those_that_have_no_lease_once_they_were_idle_for_as_long() {
    let bench = Bench::holding(2).await;
    let reaper = Consumer::new(&bench, "reaper");
    reaper.join().await.unwrap();
    let stranger = Consumer::new(&bench, "stranger");
    stranger.read().await;
    assert_eq!(reaper.reap(9, AN_HOUR).await.unwrap().unwrap(), (vec![], 0, vec![]));
    assert_eq!(bench.names().await, ["stranger"]);
    eventually("the stranger to have been idle", LIMIT, || async {
        let (_, entries, _) = reaper.reap(9, "20").await.unwrap().unwrap();
        if entries == 2 { Ok(()) } else { Err(format!("{entries} entries were handed back")) }
    })
    .await;
    assert_eq!(bench.names().await, ["waiting"]);
    // However long nobody has run under that name.
    eventually("what waits to have been idle", LIMIT, || async {
        let idle: Vec<(String, String, u64, u64)> =
            bench.run(&["XPENDING", STREAM, GROUP, "-", "+", "9", "waiting"]).await;
        if idle.iter().all(|(_, _, idle, _)| *idle > 20) { Ok(()) } else { Err(format!("{idle:?}")) }
    })
    .await;
    assert_eq!(reaper.reap(9, "20").await.unwrap().unwrap(), (vec![], 0, vec![]));
    assert_eq!(bench.names().await, ["waiting"]);
}

#[tokio::test]
async fn reaping_goes_on_where_it_stopped() {
    let bench = Bench::holding(1500).await;
    let dead = Consumer::reading(&bench, "dead").await;
    let reaper = Consumer::new(&bench, "reaper");
    reaper.join().await.unwrap();
    dead.expire().await;
    assert_eq!(reaper.reap(1000, AN_HOUR).await.unwrap().unwrap(), (vec!["dead".into()], 1000, vec![]));
    assert_eq!(bench.names().await, ["dead", "waiting"], "deleting it would destroy the rest");
    eventually("the rest to be handed back", LIMIT, || async {
        let (_, entries, _) = reaper.reap(1000, "20").await.unwrap().unwrap();
        if entries == 500 { Ok(()) } else { Err(format!("{entries} were")) }
    })
    .await;
    assert_eq!((bench.names().await, bench.due().await.len()), (vec!["waiting".to_owned()], 1500));
}

#[tokio::test]
async fn reaping_leaves_retries_their_pause_and_forgets_what_was_deleted() {
    let bench = Bench::holding(3).await;
    let dead = Consumer::reading(&bench, "dead").await;
    dead.postpone("1-0", 1, AN_HOUR, "not yet").await.unwrap();
    dead.postpone("2-0", 1, "1", "not yet").await.unwrap();
    dead.seize("2-0").await;
    bench.run::<u8>(&["XDEL", STREAM, "2-0"]).await;
    let reaper = Consumer::new(&bench, "reaper");
    reaper.join().await.unwrap();
    dead.expire().await;
    let (_, entries, lost) = reaper.reap(9, AN_HOUR).await.unwrap().unwrap();
    assert_eq!((entries, lost), (2, vec!["2-0".to_owned()]));
    assert_eq!(bench.owners().await, ["1-0 waiting 1", "3-0 waiting 1"]);
    let now = bench.time().await;
    let due = bench.due().await;
    let waits = |id: &str| due.iter().any(|(other, at)| other == id && *at > now + 3_000_000.0);
    assert!(waits("1-0") && !waits("3-0"), "{due:?}");
    assert_eq!(bench.run::<Vec<String>>(&["HKEYS", ATTEMPTS]).await, ["1-0"]);
}

#[tokio::test]
async fn who_was_reaped_reaps_nobody() {
    let bench = Bench::holding(1).await;
    let other = Consumer::reading(&bench, "other").await;
    other.expire().await;
    assert_eq!(Consumer::new(&bench, "revoked").reap(9, AN_HOUR).await, Ok(None));
    assert_eq!(bench.owners().await, ["1-0 other 1"]);
}
