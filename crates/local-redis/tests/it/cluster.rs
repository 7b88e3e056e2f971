//! Three masters become a cluster, lose nodes, and come back.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use local_redis::{Cluster, Durability, Server};

use crate::support::{answers, ask, eventually};

/// Keys in the slots of the first, the second and the last node: slots 3300, 7365 and 11298.
const KEYS: [&str; 3] = ["b", "c", "d"];

#[tokio::test]
async fn every_node_serves_its_third_and_names_the_owner_of_the_rest() -> Result<()> {
    let cluster = Cluster::ephemeral(Durability::Volatile).await?;
    for (n, node) in cluster.nodes().iter().enumerate() {
        for (owner, key) in KEYS.iter().enumerate() {
            let answer = ask::<String>(&node.url(), ["SET", key, "value"]).await;
            if owner == n {
                assert_eq!(answer?, "OK");
            } else {
                let error = answer.unwrap_err().downcast::<redis::RedisError>()?;
                let (address, _slot) = error.redirect_node().unwrap();
                assert_eq!(format!("redis://{address}"), cluster.urls()[owner]);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_serves_within_seconds() -> Result<()> {
    let started = Instant::now();
    let _cluster = Cluster::ephemeral(Durability::Volatile).await?;
    // Two of them are the nodes' own wait; the rest is for a busy machine.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test]
async fn what_a_durable_cluster_acknowledged_is_there_after_a_power_cut() -> Result<()> {
    let mut cluster = Cluster::ephemeral(Durability::Always).await?;
    let urls = cluster.urls();
    for (url, key) in urls.iter().zip(KEYS) {
        ask::<()>(url, ["SET", key, "value"]).await?;
    }
    cluster.crash_all().await?;
    for url in &urls {
        assert!(!answers(url).await);
    }
    cluster.restart_all().await?;
    assert_eq!(cluster.urls(), urls);
    for (url, key) in urls.iter().zip(KEYS) {
        assert_eq!(ask::<String>(url, ["GET", key]).await?, "value");
    }
    Ok(())
}

#[tokio::test]
async fn the_others_notice_the_death_of_a_node_and_its_return() -> Result<()> {
    let mut cluster = Cluster::ephemeral(Durability::Always).await?;
    let first = cluster.urls()[0].clone();
    cluster.nodes_mut()[2].kill().await?;
    eventually("the cluster to be down", async || {
        let refused = ask::<()>(&first, ["SET", KEYS[0], "value"]).await.err();
        let refused = refused.and_then(|error| error.downcast::<redis::RedisError>().ok());
        refused.is_some_and(|error| error.code() == Some("CLUSTERDOWN"))
    })
    .await?;
    cluster.nodes_mut()[2].restart().await?;
    cluster.until_it_serves().await?;
    ask::<()>(&first, ["SET", KEYS[0], "value"]).await
}

#[tokio::test]
async fn a_dropped_cluster_is_gone_and_so_are_its_directories() -> Result<()> {
    let cluster = Cluster::ephemeral(Durability::Always).await?;
    let urls = cluster.urls();
    let directories: Vec<_> = cluster.nodes().iter().map(|node| node.directory().to_owned()).collect();
    drop(cluster);
    for (url, directory) in urls.iter().zip(directories) {
        assert!(!answers(url).await);
        assert!(!directory.exists());
    }
    Ok(())
}

#[tokio::test]
async fn clusters_run_side_by_side_and_do_not_meet() -> Result<()> {
    let start = || Cluster::ephemeral(Durability::Volatile);
    let (a, b, c) = tokio::try_join!(start(), start(), start())?;
    let ports: HashSet<u16> = [&a, &b, &c].iter().flat_map(|c| c.nodes()).map(Server::port).collect();
    assert_eq!(ports.len(), 9);
    Ok(())
}
