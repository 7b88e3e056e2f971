//! `orderly groups`: how they are doing, and that one which is paused takes nothing until it is resumed.

use std::{collections::HashMap, time::Duration};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use test_support::{System, eventually, send};

use crate::{asking::orderly, options, system};

/// For anything that a debug build on a busy machine does at once.
const SOON: Duration = Duration::from_secs(30);

async fn group(system: &System, name: &str) -> Value {
    let groups = orderly(system, &["groups", "list", "--json"]).await.json();
    groups.into_iter().find(|group| group["group"] == name).unwrap_or_else(|| panic!("there is no {name}"))
}

async fn pause(system: &System, name: &str) {
    let said = orderly(system, &["groups", "pause", name, "--why", "the provider is mended"]).await;
    said.assert_tells(0, &[&format!("{name}: paused")]);
}

/// What an instance of payment-worker says in Redis of itself.
async fn described(system: &System, instance: &str, field: &str) -> anyhow::Result<Option<String>> {
    let mut get = redis::cmd("HGET");
    get.arg(format!("service:payment-worker:{instance}")).arg(field);
    Ok(get.query_async(&mut system.redis().await?).await?)
}

/// For longer than a read may take that was under way when a pause began.
const NOT_READ_FOR_MS: u64 = 1000;

/// Waits until both payment-workers say that the group is paused, and no read is under way any more that could bring
/// something.
async fn both_paused(system: &System) {
    eventually("both payment-workers to be paused", SOON, || async {
        for instance in ["payment-worker-1", "payment-worker-2"] {
            let paused = described(system, instance, "paused").await?;
            anyhow::ensure!(paused.as_deref() == Some("payment-workers"), "{instance} says {paused:?}");
        }
        for partition in 0..4 {
            let mut consumers = redis::cmd("XINFO");
            consumers.arg("CONSUMERS").arg(format!("payments-stream:{{{partition}}}")).arg("payment-workers");
            let consumers: Vec<HashMap<String, redis::Value>> =
                consumers.query_async(&mut system.redis().await?).await?;
            for consumer in consumers {
                let idle: u64 = redis::from_redis_value_ref(&consumer["idle"])?;
                anyhow::ensure!(idle > NOT_READ_FOR_MS, "{consumer:?} has just read");
            }
        }
        anyhow::Ok(())
    })
    .await;
}

async fn lag_is(system: &System, lag: u64) {
    eventually("the requests to wait", SOON, || async {
        let group = group(system, "payment-workers").await;
        if group["lag"] == lag && group["pending"] == 0 { Ok(()) } else { Err(format!("{group:#}")) }
    })
    .await;
}

#[tokio::test]
async fn a_paused_group_takes_nothing_whoever_restarts_until_it_is_resumed() {
    let system = system().await;
    let before = system.place_order().await;
    system.wait_for_status(&before, "paid", SOON).await;
    assert_eq!(group(&system, "payment-workers").await["paused"], Value::Null);
    pause(&system, "payment-workers").await;
    both_paused(&system).await;

    let mut orders = vec![system.place_order().await, system.place_order().await];
    lag_is(&system, 2).await;
    let paused = group(&system, "payment-workers").await["paused"].clone();
    assert_eq!((&paused["by"], &paused["why"]), (&json!("ann"), &json!("the provider is mended")));
    assert!(paused["at"].is_string(), "{paused}");
    orderly(&system, &["groups", "list"]).await.assert_tells(0, &["by ann since", "the provider is mended"]);

    // Both are started again, by a supervisor that knows nothing of it.
    for instance in ["payment-worker-1", "payment-worker-2"] {
        let dead = system.service(instance).await.unwrap();
        send(dead, Signal::SIGKILL);
        eventually("it to be started again and ready", SOON, || async {
            let now = system.service(instance).await?;
            let ready = described(&system, instance, "ready").await?;
            anyhow::ensure!(now != dead && ready.as_deref() == Some("1"), "{now} is ready: {ready:?}");
            anyhow::Ok(())
        })
        .await;
    }
    both_paused(&system).await;
    orders.push(system.place_order().await);
    lag_is(&system, 3).await;
    for order in &orders {
        assert_eq!(system.order(order).await.unwrap()["status"], "accepted");
    }
    assert_eq!(system.charges().await.len(), 1, "only what came before");

    let resumed = orderly(&system, &["groups", "resume", "payment-workers"]).await;
    resumed.assert_tells(0, &["payment-workers: resumed"]);
    for order in &orders {
        system.wait_for_status(order, "paid", SOON).await;
    }
    assert_eq!(group(&system, "payment-workers").await["paused"], Value::Null);
    let again = orderly(&system, &["groups", "resume", "payment-workers"]).await;
    again.assert_tells(0, &["it was not paused"]);
}

#[tokio::test]
async fn a_paused_projection_shows_later_what_happened_meanwhile() {
    let system = system().await;
    pause(&system, "order-view").await;
    eventually("the gateway to be paused", SOON, || async {
        let paused: Option<String> = redis::cmd("HGET")
            .arg(&["service:api-gateway:api-gateway", "paused"])
            .query_async(&mut system.redis().await?)
            .await?;
        anyhow::ensure!(paused.as_deref() == Some("order-view"), "it says {paused:?}");
        anyhow::Ok(())
    })
    .await;
    let order = system.place_order().await;
    // That it was placed and that it was paid.
    eventually("both events to have passed all groups but the view", SOON, || async {
        let (view, archive) = (group(&system, "order-view").await, group(&system, "order-archive").await);
        if view["lag"] == 2 && archive["lag"] == 0 { Ok(()) } else { Err(format!("{view:#} {archive:#}")) }
    })
    .await;
    let status = system.order(&order).await.unwrap()["status"].clone();
    assert_eq!(status, "accepted", "the view is paused");
    orderly(&system, &["groups", "resume", "order-view"]).await.assert_tells(0, &["order-view: resumed"]);
    system.wait_for_status(&order, "paid", SOON).await;
}

#[tokio::test]
async fn what_cannot_be_paused_is_refused_and_where_the_service_is_down_it_says_what_to_do() {
    let system =
        System::start(&options().args(["--only", "api-gateway,notification-subscriber,sandbox"])).await;
    let nobody = orderly(&system, &["groups", "pause", "notification-subscriber", "--why", "?"]).await;
    nobody.assert_tells(1, &["nobody reads by notification-subscriber"]);

    // The later one counts, whoever is asked first once the service is there.
    for words in [["pause", "payment-workers"], ["resume", "payment-workers"]] {
        let why = ["--why", "?", "--wait", "0"];
        let late = orderly(&system, &[&["groups"], words.as_slice(), why.as_slice()].concat()).await;
        late.assert_tells(
            1,
            &["no payment-worker has carried it out", "start payment-worker", "orderly audit"],
        );
    }
}

/// Two that were asked for while nobody was there are carried out at the same moment.
#[tokio::test]
async fn of_two_requests_that_waited_for_the_service_the_later_counts() {
    let without = options().args(["--only", "api-gateway,sandbox"]);
    let mut system = System::start(&without).await;
    for words in [["pause", "payment-workers"], ["resume", "payment-workers"], ["pause", "payment-workers"]] {
        let words = [&["groups"], words.as_slice(), &["--why", "?", "--wait", "0"]].concat();
        orderly(&system, &words).await.assert_tells(1, &["no payment-worker"]);
    }
    system.stop(Signal::SIGTERM).await;
    let system = System::start(&without.args(["--only", "payment-worker"])).await;
    let told = eventually("all to be carried out", SOON, || async {
        let told = orderly(&system, &["audit", "--json"]).await.json();
        let open = told.iter().filter(|request| request["carried_out"].is_null()).count();
        if told.len() == 3 && open == 0 { Ok(told) } else { Err(format!("{told:#?}")) }
    })
    .await;
    let outcomes: Vec<&Value> = told.iter().map(|request| &request["carried_out"]["outcome"]).collect();
    let overtaken = json!("a later request says what is to become of the group");
    assert_eq!(outcomes, [&json!("paused"), &overtaken, &overtaken]);
    both_paused(&system).await;
}

#[tokio::test]
async fn every_group_is_listed_and_so_is_a_strangers() {
    let system = system().await;
    let mut redis = system.redis().await.unwrap();
    let stranger =
        redis::cmd("XGROUP").arg(&["CREATE", "orders-stream:{0}", "strang\u{1b}er", "0"]).to_owned();
    stranger.exec_async(&mut redis).await.unwrap();
    eventually("all groups to be there", SOON, || async {
        let groups = orderly(&system, &["groups", "list", "--json"]).await.json();
        let unknown: Vec<&Value> =
            groups.iter().filter(|group| group["lag"].is_null()).map(|group| &group["group"]).collect();
        if groups.len() == 8 && unknown == [&json!("strang\u{1b}er")] {
            Ok(())
        } else {
            Err(format!("{groups:#?}"))
        }
    })
    .await;
    let for_people = orderly(&system, &["groups", "list"]).await;
    for_people.assert_tells(0, &["payment-workers", "payments-stream", "CONSUMERS", "strang"]);
    assert!(!for_people.out.contains('\u{1b}'), "it writes on the terminal: {for_people:#?}");
}
