//! A subscription hears what is published, and says when it may have missed something.

use std::time::Duration;

use redis_kit::pubsub::{Event, Subscription};
use test_support::eventually;
use tokio::time::{Instant, timeout};

use crate::{
    harness::{Bench, LIMIT, same},
    topology::IS_CLUSTER,
};

async fn next(subscription: &mut Subscription) -> Event {
    timeout(LIMIT, subscription.next()).await.expect("an event")
}

fn message(channel: &str, payload: &str) -> Event {
    Event::Message { channel: channel.into(), payload: payload.into() }
}

async fn publish(bench: &Bench, channel: &str, payload: &str) {
    let listeners = bench.run::<u64>(&["PUBLISH", channel, payload]).await;
    // A node of a cluster counts its own listeners only, and ours may be at another.
    assert!(listeners == 1 || IS_CLUSTER, "{listeners} subscribers hear {payload}");
}

#[tokio::test]
async fn the_first_event_says_that_messages_are_heard_from_here_on() {
    let bench = Bench::start().await;
    let mut subscription = Subscription::start(&bench.redis(), &["a", "b"]);
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    for n in 0..100 {
        publish(&bench, if n % 2 == 0 { "a" } else { "b" }, &n.to_string()).await;
    }
    for n in 0..100 {
        let channel = if n % 2 == 0 { "a" } else { "b" };
        assert_eq!(next(&mut subscription).await, message(channel, &n.to_string()));
    }
}

#[tokio::test]
async fn a_payload_may_be_any_bytes() {
    let bench = Bench::start().await;
    let mut subscription = Subscription::start(&bench.redis(), &["a"]);
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    let payload = vec![0xff, 0x00, b'\r', b'\n'];
    let mut publish = redis_kit::cmd("PUBLISH");
    publish.arg("a").arg(&payload).exec_async(&mut bench.commands()).await.unwrap();
    assert_eq!(next(&mut subscription).await, Event::Message { channel: "a".into(), payload });
}

#[tokio::test]
async fn it_waits_for_a_server_that_is_not_there_yet() {
    let mut bench = Bench::start().await;
    bench.crash().await;
    let mut subscription = Subscription::start(&bench.redis(), &["a"]);
    bench.restart().await;
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
}

#[tokio::test]
async fn after_a_restart_of_the_server_it_is_subscribed_again() {
    let mut bench = Bench::start().await;
    let mut subscription = Subscription::start(&bench.redis(), &["a"]);
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    publish(&bench, "a", "before").await;
    assert_eq!(next(&mut subscription).await, message("a", "before"));
    bench.crash().await;
    bench.restart().await;
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    publish(&bench, "a", "after").await;
    assert_eq!(next(&mut subscription).await, message("a", "after"));
}

#[tokio::test]
async fn after_a_reset_connection_it_is_subscribed_again() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let mut subscription = Subscription::start(&redis, &["a"]);
    for n in 0..3 {
        assert_eq!(next(&mut subscription).await, Event::Subscribed);
        let payload = n.to_string();
        publish(&bench, "a", &payload).await;
        assert_eq!(next(&mut subscription).await, message("a", &payload));
        proxy.reset_connections();
    }
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_within_seconds() {
    let bench = Bench::start().await;
    let (proxy, redis) = bench.through_proxy().await;
    let mut subscription = Subscription::start(&redis, &["a"]);
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    proxy.silence();
    // It reaches the old connection and is missed.
    publish(&bench, "a", "missed").await;
    eventually("the message to be swallowed", LIMIT, || async {
        let clients: String = bench.run(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
        if clients.contains(" omem=0 ") { Ok(()) } else { Err(clients) }
    })
    .await;
    proxy.pass();
    let silent = Instant::now();
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    assert!(silent.elapsed() < Duration::from_secs(15), "{:?}", silent.elapsed());
}

#[tokio::test]
async fn a_dropped_subscription_unsubscribes() {
    let bench = Bench::start().await;
    let mut subscription = Subscription::start(&bench.redis(), &["a"]);
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    drop(subscription);
    eventually("nobody to be subscribed", LIMIT, || async {
        let subscribers: (String, u64) = bench.run(&["PUBSUB", "NUMSUB", "a"]).await;
        same(&("a".to_owned(), 0), &subscribers)
    })
    .await;
}

#[tokio::test]
async fn the_status_says_whether_anything_can_be_heard() {
    let mut bench = Bench::start().await;
    let mut subscription = Subscription::start(&bench.redis(), &["a"]);
    let status = subscription.status();
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    assert_eq!(status.check(), Ok(()));
    bench.crash().await;
    eventually("the loss to be noticed", LIMIT, || async {
        if status.check().is_err() { Ok(()) } else { Err("it is said to be well") }
    })
    .await;
    bench.restart().await;
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    assert_eq!(status.check(), Ok(()));
}

#[tokio::test]
async fn a_listener_that_falls_behind_hears_a_prefix_without_gaps_and_is_told_of_the_rest() {
    const PUBLISHED: u32 = 10_000;
    let bench = Bench::start().await;
    let mut subscription = Subscription::start(&bench.redis(), &["a"]);
    assert_eq!(next(&mut subscription).await, Event::Subscribed);
    let mut publish = redis_kit::pipe();
    for n in 0..PUBLISHED {
        publish.cmd("PUBLISH").arg("a").arg(n).ignore();
    }
    publish.exec_async(&mut bench.commands()).await.unwrap();
    let mut heard = 0;
    while let Event::Message { payload, .. } = next(&mut subscription).await {
        assert_eq!(payload, heard.to_string().into_bytes());
        heard += 1;
    }
    // What ended the loop says that something was missed; from there on it hears again.
    assert!(heard < PUBLISHED, "nothing was missed");
    eventually("the new subscription to be heard", LIMIT, || async {
        let listeners: u64 = bench.run(&["PUBLISH", "a", "again"]).await;
        if listeners == 1 { Ok(()) } else { Err("nobody hears") }
    })
    .await;
    assert_eq!(next(&mut subscription).await, message("a", "again"));
}
