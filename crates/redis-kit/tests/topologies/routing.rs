//! Every command reaches the node that it is for.

use local_redis::Cluster;
use redis::Script;
use redis_kit::{
    Redis, check_version,
    pubsub::{Event, Subscription},
};
use test_support::eventually;
use tokio::time::timeout;

use crate::support::{KEYS, LIMIT, ask, cluster, connect, connect_to};

/// How often a node refused something with this code.
async fn refusals(cluster: &Cluster, node: usize, code: &str) -> u64 {
    let node = connect_to(&cluster.nodes()[node]);
    let stats: String = ask(&node, &["INFO", "errorstats"]).await.unwrap();
    let count = stats.lines().find_map(|line| line.strip_prefix(&format!("errorstat_{code}:count=")));
    count.map_or(0, |count| count.trim().parse().unwrap())
}

#[tokio::test]
async fn any_one_node_leads_to_all_keys_without_a_detour() {
    let cluster = cluster().await;
    for url in cluster.urls() {
        let redis = connect(&url);
        for (key, _) in KEYS {
            ask::<()>(&redis, &["SET", key, &url]).await.unwrap();
            assert_eq!(ask::<String>(&redis, &["GET", key]).await.unwrap(), url);
        }
    }
    for node in 0..3 {
        assert_eq!(refusals(&cluster, node, "MOVED").await, 0);
    }
}

#[tokio::test]
async fn a_script_is_known_wherever_it_is_needed() {
    let cluster = cluster().await;
    let mut redis = connect(&cluster.urls()[0]);
    let script = Script::new("return redis.call('INCR', KEYS[1])");
    for round in 1..4 {
        for (key, _) in KEYS {
            let count: u64 = script.key(key).invoke_async(&mut redis).await.unwrap();
            assert_eq!(count, round, "{key}");
        }
        let forgetful = connect_to(&cluster.nodes()[1]);
        ask::<()>(&forgetful, &["SCRIPT", "FLUSH"]).await.unwrap();
    }
}

#[tokio::test]
async fn a_script_is_loaded_on_the_others_while_a_node_is_down() {
    let mut cluster = cluster().await;
    let mut redis = connect(&cluster.url());
    cluster.nodes_mut()[0].kill().await.unwrap();
    let script = Script::new("return redis.call('INCR', KEYS[1])");
    let count: u64 = script.key(KEYS[1].0).invoke_async(&mut redis).await.unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn one_node_alone_says_moved_for_what_is_elsewhere() {
    let cluster = cluster().await;
    let first = connect_to(&cluster.nodes()[0]);
    ask::<()>(&first, &["SET", KEYS[0].0, "value"]).await.unwrap();
    let refused = ask::<()>(&first, &["SET", KEYS[1].0, "value"]).await.unwrap_err();
    assert_eq!(crate::support::transient_code(&refused), "MOVED");
}

#[tokio::test]
async fn a_transaction_is_carried_out_on_the_node_of_its_keys() {
    let cluster = cluster().await;
    let mut redis = connect(&cluster.urls()[0]);
    for (key, _) in KEYS {
        let mut steps = redis_kit::pipe();
        steps.atomic().cmd("SET").arg(key).arg(1).ignore().cmd("INCR").arg(key);
        let (count,): (u64,) = steps.query_async(&mut redis).await.unwrap();
        assert_eq!(count, 2);
    }
}

#[tokio::test]
async fn what_has_no_key_is_answered_while_any_node_is_up() {
    let mut cluster = cluster().await;
    let redis = connect(&cluster.url());
    check_version(redis.clone()).await.unwrap();
    for dead in [0, 1] {
        cluster.nodes_mut()[dead].kill().await.unwrap();
        eventually("another node to answer", LIMIT, || ask::<String>(&redis, &["PING"])).await;
    }
    check_version(redis).await.unwrap();
}

#[tokio::test]
async fn a_message_is_heard_wherever_it_is_published() {
    let mut cluster = cluster().await;
    // The first address is down.
    cluster.nodes_mut()[0].kill().await.unwrap();
    let mut subscription = Subscription::start(&Redis::open(&cluster.url()).unwrap(), &["news"]);
    let mut next = async || timeout(LIMIT, subscription.next()).await.expect("an event");
    assert_eq!(next().await, Event::Subscribed);
    for node in &cluster.nodes()[1..] {
        let node = connect_to(node);
        ask::<u64>(&node, &["PUBLISH", "news", "said"]).await.unwrap();
        let from_script = "return redis.call('PUBLISH', 'news', 'said')";
        ask::<u64>(&node, &["EVAL", from_script, "0"]).await.unwrap();
        for _ in 0..2 {
            let message = Event::Message { channel: "news".into(), payload: b"said".to_vec() };
            assert_eq!(next().await, message);
        }
    }
}
