//! What instances count, as they tell it in Redis and in their metrics.

use std::{collections::BTreeMap, time::Duration};

use nix::sys::signal::Signal;
use test_support::{System, eventually, send};

use crate::{options, system};

/// For anything that a debug build on a busy machine does at once.
const SOON: Duration = Duration::from_secs(30);

/// By the name of what is counted.
type Counts = BTreeMap<String, u64>;

/// What an instance tells of itself; `who` is its service and its name.
async fn described(system: &System, who: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut get = redis::cmd("HGETALL");
    get.arg(format!("service:{who}"));
    Ok(get.query_async(&mut system.redis().await?).await?)
}

async fn counts(system: &System, who: &str) -> anyhow::Result<Counts> {
    let fields = described(system, who).await?;
    let counted = fields.iter().filter_map(|(name, count)| Some((name.strip_prefix("count:")?, count)));
    counted.map(|(name, count)| Ok((name.to_owned(), count.parse()?))).collect()
}

/// What a page of metrics tells of something that is counted: the sum of all that has its name and its labels.
fn sum(page: &str, counted: &str) -> u64 {
    let (name, labels) = counted.trim_end_matches('}').split_once('{').unwrap_or((counted, ""));
    let labels: Vec<&str> = labels.split(',').collect();
    let lines = page.lines().filter(|line| {
        let its_name = line.split(['{', ' ']).next();
        its_name == Some(name) && labels.iter().all(|label| line.contains(label))
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Waits until an instance has counted that much at least, of each.
async fn until_counted(system: &System, who: &str, least: &[(&str, u64)]) {
    eventually("the counts in Redis", SOON, || async {
        let counts = counts(system, who).await?;
        let missing = least.iter().find(|(name, least)| counts.get(*name).is_none_or(|count| count < least));
        anyhow::ensure!(missing.is_none(), "{who} lacks {missing:?}: {counts:#?}");
        anyhow::Ok(())
    })
    .await;
}

/// Sees that an instance's metrics say the same: no less than was told before, and no more than is told a while after.
async fn assert_metrics_agree(system: &System, who: &str) {
    let before = counts(system, who).await.unwrap();
    assert!(!before.is_empty(), "{who} counts nothing");
    let address = described(system, who).await.unwrap()["address"].clone();
    let page = system.http().get(format!("http://{address}/metrics")).send().await.unwrap();
    let page = page.text().await.unwrap();
    for (name, count) in &before {
        assert!(sum(&page, name) >= *count, "{who} told {count} of {name}, and then\n{page}");
    }
    eventually("Redis to tell what the metrics told", SOON, || async {
        let after = counts(system, who).await?;
        let behind = before.keys().find(|name| after[*name] < sum(&page, name));
        anyhow::ensure!(behind.is_none(), "{who} is behind with {behind:?}: {after:#?}");
        anyhow::Ok(())
    })
    .await;
}

fn committed(group: &str) -> String {
    format!(r#"stream_deliveries_total{{group="{group}",outcome="committed"}}"#)
}

fn checks(outcome: &str) -> String {
    format!(r#"rate_limit_checks_total{{outcome="{outcome}"}}"#)
}

async fn pay_for(system: &System, orders: u32) {
    for _ in 0..orders {
        let order = system.place_order().await;
        system.wait_for_status(&order, "paid", SOON).await;
    }
}

#[tokio::test]
async fn the_gateway_counts_requests_checks_cache_reads_and_deliveries() {
    let system = System::start(&options().env("ORDERS_PER_MINUTE", "5")).await;
    let gateway = "api-gateway:api-gateway";
    let (shown, allowed) = (committed("order-view"), checks("allowed"));
    pay_for(&system, 1).await;
    until_counted(&system, gateway, &[(&shown, 2), (&allowed, 1)]).await;
    let before = counts(&system, gateway).await.unwrap();

    pay_for(&system, 2).await;
    for _ in 0..3 {
        let user = system.http().get(format!("{}/users/1", system.gateway()));
        user.send().await.unwrap().error_for_status().unwrap();
    }
    let mut denied = 0;
    for _ in 0..12 {
        denied += u64::from(system.post_order("7", None).await.unwrap().status() == 429);
    }
    assert!(denied > 0, "nothing was denied");
    let least = [
        (&*shown, before[&shown] + 4),
        (&allowed, before[&allowed] + 2),
        (&checks("denied"), denied),
        (r#"cache_reads_total{source="loaded"}"#, 1),
        (r#"cache_reads_total{source="near"}"#, 1),
        (r#"http_requests_total{status="2xx"}"#, 8),
        (r#"http_requests_total{status="4xx"}"#, denied),
    ];
    until_counted(&system, gateway, &least).await;
    assert_metrics_agree(&system, gateway).await;
}

#[tokio::test]
async fn the_services_behind_it_count_deliveries_calls_and_notifications() {
    let system = system().await;
    pay_for(&system, 3).await;
    let (producer, publisher) = ("payment-producer:payment-producer", "order-publisher:order-publisher");
    let subscriber = "notification-subscriber:notification-subscriber";
    until_counted(&system, producer, &[(&committed("payment-producer"), 6)]).await;
    until_counted(&system, publisher, &[(&committed("order-publisher"), 6)]).await;
    until_counted(&system, subscriber, &[("notifications_total", 6)]).await;
    for who in [producer, publisher, subscriber] {
        assert_metrics_agree(&system, who).await;
    }
    eventually("both workers to have counted the three payments", SOON, || async {
        let mut calls = 0;
        for who in ["payment-worker:payment-worker-1", "payment-worker:payment-worker-2"] {
            let counts = counts(&system, who).await?;
            calls += counts.get(r#"provider_calls_total{outcome="answered"}"#).unwrap_or(&0);
        }
        anyhow::ensure!(calls == 3, "the provider was called {calls} times");
        anyhow::Ok(())
    })
    .await;
}

/// What it counted before is not taken for its own.
#[tokio::test]
async fn an_instance_that_is_started_again_counts_from_nothing() {
    let (system, name) = (system().await, "payment-producer");
    let (who, committed) = (format!("{name}:{name}"), committed(name));
    pay_for(&system, 2).await;
    until_counted(&system, &who, &[(&committed, 2)]).await;
    let dead = system.service(name).await.unwrap();
    send(dead, Signal::SIGKILL);
    eventually("it to be started again and have counted nothing", SOON, || async {
        let now = system.service(name).await?;
        let counted = counts(&system, &who).await?.get(&committed).copied();
        anyhow::ensure!(now != dead && counted.is_none(), "{now} after {dead} tells {counted:?}");
        anyhow::Ok(())
    })
    .await;
}
