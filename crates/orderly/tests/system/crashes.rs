//! Whatever is killed at whatever moment: every accepted order ends paid, and is charged once.

use std::{collections::HashSet, time::Duration};

use nix::sys::signal::Signal;
use serde_json::Value;
use test_support::{System, eventually, send};

use crate::{options, system};

const RECOVERED: Duration = Duration::from_mins(1);

/// Posts orders until `enough` were accepted, whatever happens to the gateway meanwhile; each is repeated with its key
/// until there is an answer.
pub(super) async fn post_through(system: &System, name: &str, enough: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..enough {
        let key = format!("{name}-{n}");
        let id = eventually("an order to be accepted", RECOVERED, || async {
            let answer = system.post_order("42", Some(&key)).await.map_err(|error| error.to_string())?;
            if answer.status() != 201 {
                return Err(format!("the gateway answered {}", answer.status()));
            }
            let order: Value = answer.json().await.map_err(|error| error.to_string())?;
            Ok(order["id"].as_str().expect("an order has an id").to_owned())
        })
        .await;
        ids.push(id);
    }
    ids
}

async fn all_paid_and_charged_once(system: &System, ids: &[String]) {
    for id in ids {
        system.wait_for_status(id, "paid", RECOVERED).await;
    }
    let orders: HashSet<&String> = ids.iter().collect();
    assert_eq!(orders.len(), ids.len(), "each key made an order of its own");
    let charges = system.charges().await;
    let references: HashSet<&str> =
        charges.iter().filter_map(|charge| charge["reference"].as_str()).collect();
    assert_eq!(charges.len(), ids.len(), "one charge an order");
    assert_eq!(references.len(), ids.len(), "and no order without");
}

/// Kills one service with -9 again and again while orders come in.
async fn survives_the_death_of(instance: &str) {
    let system = system().await;
    let (ids, ()) = tokio::join!(post_through(&system, instance, 60), async {
        for _ in 0..3 {
            let pid = eventually("the service to run", RECOVERED, || system.service(instance)).await;
            send(pid, Signal::SIGKILL);
            eventually("it to be started again", RECOVERED, || async {
                let now = system.service(instance).await?;
                if now == pid { Err(anyhow::anyhow!("{pid} has not been replaced")) } else { Ok(()) }
            })
            .await;
        }
    });
    all_paid_and_charged_once(&system, &ids).await;
}

#[tokio::test]
async fn no_order_is_lost_when_the_gateway_is_killed() {
    survives_the_death_of("api-gateway").await;
}

#[tokio::test]
async fn no_order_is_lost_when_the_payment_producer_is_killed() {
    survives_the_death_of("payment-producer").await;
}

#[tokio::test]
async fn no_order_is_lost_or_charged_twice_when_a_payment_worker_is_killed() {
    survives_the_death_of("payment-worker-1").await;
}

#[tokio::test]
async fn no_order_is_lost_when_the_publisher_is_killed() {
    survives_the_death_of("order-publisher").await;
}

#[tokio::test]
async fn no_order_is_lost_when_the_subscriber_is_killed() {
    survives_the_death_of("notification-subscriber").await;
}

#[tokio::test]
async fn no_order_is_charged_twice_when_the_provider_is_killed() {
    let system = system().await;
    let (ids, ()) = tokio::join!(post_through(&system, "sandbox", 60), async {
        for _ in 0..2 {
            let log = system.log();
            let told = log.iter().filter(|line| line.contains("listening address=")).count();
            let pid = system.sandbox_pid().await.unwrap();
            send(pid, Signal::SIGKILL);
            eventually("the sandbox to be started again", RECOVERED, || async {
                let log = system.log();
                let now = log.iter().filter(|line| line.contains("listening address=")).count();
                if now > told { Ok(()) } else { Err("it has not told that it listens") }
            })
            .await;
        }
    });
    all_paid_and_charged_once(&system, &ids).await;
}

#[tokio::test]
async fn no_order_is_lost_when_redis_is_killed() {
    let system = system().await;
    let (ids, ()) = tokio::join!(post_through(&system, "redis", 60), async {
        for _ in 0..2 {
            let pid = eventually("Redis to run", RECOVERED, || system.redis_pid()).await;
            send(pid, Signal::SIGKILL);
            eventually("Redis to be started again", RECOVERED, || async {
                let now = system.redis_pid().await?;
                if now == pid { Err(anyhow::anyhow!("{pid} has not been replaced")) } else { Ok(()) }
            })
            .await;
        }
    });
    all_paid_and_charged_once(&system, &ids).await;
}

#[tokio::test]
async fn a_worker_frozen_beyond_its_lease_does_not_charge_twice_when_it_wakes() {
    let system = System::start(&options().args(["--workers", "2"])).await;
    let pid = system.service("payment-worker-1").await.unwrap();
    send(pid, Signal::SIGSTOP);
    let ids = post_through(&system, "frozen", 20).await;
    for id in &ids {
        system.wait_for_status(id, "paid", RECOVERED).await;
    }
    send(pid, Signal::SIGCONT);
    let more = post_through(&system, "thawed", 20).await;
    all_paid_and_charged_once(&system, &[ids, more].concat()).await;
}
