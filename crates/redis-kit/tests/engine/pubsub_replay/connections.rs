//! Connections that are lost, half-open or too slow, and a server that is away.

use redis_kit::pubsub::{Since, tip};
use test_support::eventually;

use super::{NAME, Press, Reader, STREAMS, id, kept, nth};
use crate::harness::{LIMIT, same};

#[tokio::test]
async fn what_was_announced_while_the_connection_was_killed_is_not_lost() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    for round in 0..3 {
        let first = round * 100 + 1;
        press.announce(0, [first]).await;
        press.bench.run::<u64>(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        press.announce(0, first + 1..first + 100).await;
        reader.hears(0, first..first + 100).await;
    }
}

#[tokio::test]
async fn nothing_is_lost_or_reordered_while_connections_are_reset_over_and_over() {
    let press = Press::start().await;
    let (proxy, redis) = press.proxy().await;
    let mut reader = Reader::start(&redis, Since::Now).await;
    let writing = async {
        for n in 1..=200 {
            press.announce(0, [n]).await;
            press.announce(1, [n]).await;
            if n % 10 == 0 {
                proxy.reset_connections();
            }
        }
    };
    let reading = async {
        let mut heard = [0, 0];
        while heard != [200, 200] {
            let event = reader.next().await;
            let (partition, _) = event.place();
            heard[partition] += 1;
            assert_eq!(event, nth(partition, heard[partition]));
        }
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn what_was_swallowed_by_a_half_open_connection_is_read_when_that_is_noticed() {
    let press = Press::start().await;
    let (proxy, redis) = press.proxy().await;
    let mut reader = Reader::start(&redis, Since::Now).await;
    press.announce(0, [1]).await;
    reader.hears(0, [1]).await;
    proxy.silence();
    press.announce(0, [2]).await;
    eventually("the message to be swallowed", LIMIT, async || {
        let clients: String = press.bench.run(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
        if clients.contains(" omem=0 ") { Ok(()) } else { Err(clients) }
    })
    .await;
    proxy.pass();
    press.announce(0, [3]).await;
    reader.hears(0, [2, 3]).await;
}

#[tokio::test]
async fn a_subscriber_that_the_server_cut_off_for_being_slow_continues_without_loss() {
    let press = Press::start().await;
    press.bench.run::<()>(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 65536 65536 0"]).await;
    let mut reader = Reader::listening(&press).await;
    let before = press.subscribers().await;
    // In one transaction, so that nothing is sent before all is in the buffer.
    press.announce(0, 1..=2_000).await;
    reader.hears(0, 1..=2_000).await;
    reader.hears_nothing_but(&press, 0, 2_001).await;
    assert_ne!(press.subscribers().await, before, "the connection is another one");
}

#[tokio::test]
async fn a_caller_that_falls_behind_is_given_everything_in_order() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    let before = press.subscribers().await;
    for page in 0..10 {
        press.announce(0, page * 1_000 + 1..=page * 1_000 + 1_000).await;
    }
    reader.hears(0, 1..=10_000).await;
    reader.hears_nothing_but(&press, 0, 10_001).await;
    assert_ne!(press.subscribers().await, before, "not all of it fitted into the buffer");
}

#[tokio::test]
async fn a_crash_and_restart_of_the_server_is_waited_out() {
    let mut press = Press::durable().await;
    let mut reader = press.subscribe(kept()).await;
    let status = reader.0.status();
    press.announce(0, 1..=3).await;
    reader.does(0, 1..=3).await;
    assert_eq!(status.check(), Ok(()));
    press.bench.crash().await;
    eventually("the loss to be noticed", LIMIT, async || match status.check() {
        Err(_) => Ok(()),
        Ok(()) => Err("it is said to be well"),
    })
    .await;
    press.bench.restart().await;
    press.announce(0, 4..=6).await;
    reader.does(0, 4..=6).await;
    eventually("it to be well again", LIMIT, async || status.check()).await;
    reader.0.stop().await;
    assert_eq!(press.kept(NAME).await, ["6-0", "0-0"]);
}

#[tokio::test]
async fn a_partition_whose_journal_cannot_be_read_does_not_hold_up_the_others() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    let status = reader.0.status();
    press.bench.run::<()>(&["SET", STREAMS[1], "no stream"]).await;
    press.publish(&tip(1, id(1))).await;
    press.announce(0, 1..=3).await;
    reader.hears(0, 1..=3).await;
    press.append(0, [4]).await;
    press.announce(0, [5]).await;
    reader.hears(0, [4, 5]).await;
    let noticed = eventually("the status to tell", LIMIT, async || {
        same(&Err("cannot read the journal of partition 1".to_owned()), &status.check())
    });
    tokio::select! {
        event = reader.next() => panic!("{event:?}"),
        () = noticed => {}
    }
    press.bench.run::<()>(&["DEL", STREAMS[1]]).await;
    press.append(1, [1]).await;
    reader.hears(1, [1]).await;
    assert_eq!(status.check(), Ok(()));
}
