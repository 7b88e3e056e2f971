//! Nodes of a cluster die and come back.

use local_redis::{Cluster, Durability};
use redis_kit::{
    Redis,
    pubsub::{Event, Subscription},
};
use test_support::eventually;
use tokio::time::timeout;

use crate::support::{KEYS, LIMIT, ask, connect, until_refused};

#[tokio::test]
async fn keys_of_a_dead_node_wait_for_it_and_then_all_do_and_it_comes_back() {
    let mut cluster = Cluster::ephemeral(Durability::Always).await.unwrap();
    let redis = connect(&cluster.url());
    let [(kept, _), _, (lost, _)] = KEYS;
    ask::<()>(&redis, &["SET", lost, "value"]).await.unwrap();
    cluster.nodes_mut()[2].kill().await.unwrap();
    for _ in 0..3 {
        let away = ask::<String>(&redis, &["GET", lost]).await.unwrap_err();
        assert!(away.is_transient(), "{away}");
    }
    // Without a third of its slots a cluster serves none.
    until_refused(&redis, &["SET", kept, "value"], "CLUSTERDOWN").await;

    cluster.nodes_mut()[2].restart().await.unwrap();
    eventually("the key to be served", LIMIT, || async {
        match ask::<String>(&redis, &["GET", lost]).await {
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                Err(error)
            }
            value => value,
        }
    })
    .await;
    cluster.until_it_serves().await.unwrap();
    ask::<()>(&redis, &["SET", kept, "value"]).await.unwrap();
}

#[tokio::test]
async fn after_a_power_cut_the_same_connection_goes_on() {
    let mut cluster = Cluster::ephemeral(Durability::Always).await.unwrap();
    let redis = connect(&cluster.url());
    for (key, _) in KEYS {
        ask::<()>(&redis, &["SET", key, key]).await.unwrap();
    }
    cluster.crash_all().await.unwrap();
    cluster.restart_all().await.unwrap();
    for (key, _) in KEYS {
        let get = ["GET", key];
        let value = eventually("an answer", LIMIT, || ask::<String>(&redis, &get)).await;
        assert_eq!(value, key);
    }
}

#[tokio::test]
async fn a_subscription_moves_to_another_node_when_its_own_dies() {
    let mut cluster = Cluster::ephemeral(Durability::Volatile).await.unwrap();
    let redis = Redis::open(&cluster.url()).unwrap();
    let mut subscription = Subscription::start(&redis, &["news"]);
    let mut next = async || timeout(LIMIT, subscription.next()).await.expect("an event");
    assert_eq!(next().await, Event::Subscribed);
    // It is at the first address that let it.
    cluster.nodes_mut()[0].kill().await.unwrap();
    assert_eq!(next().await, Event::Subscribed);
    let redis = redis.commands().unwrap();
    eventually("a message to be published", LIMIT, || ask::<u64>(&redis, &["PUBLISH", "news", "said"])).await;
    assert_eq!(next().await, Event::Message { channel: "news".into(), payload: b"said".to_vec() });
}
