//! `orderly payments`: what a person does about payments without a definite answer.

use std::{collections::HashMap, process::Output, time::Duration};

use serde_json::{Value, json};
use test_support::{Options, System};
use tokio::process::Command;

use crate::ORDERLY;

const PATIENCE: Duration = Duration::from_secs(30);

/// A system whose provider has failed on one order until it was given up, and is well again. And that order.
async fn with_a_parked_payment() -> (System, String) {
    let few =
        [("PAYMENT_CHARGE_ATTEMPTS", "1"), ("PAYMENT_ASK_ATTEMPTS", "1"), ("PAYMENT_RETRY_BASE_MS", "10")];
    let options = few
        .iter()
        .fold(Options::new(ORDERLY), |options, (name, value)| options.env(name, value))
        .env("SANDBOX_FAULTS", r#"{"error_rate":1}"#);
    let system = System::start(&options).await;
    let order = system.place_order().await;
    system.wait_for_status(&order, "payment_parked", PATIENCE).await;
    let healing = system.http().put(format!("{}/faults", system.sandbox())).json(&json!({}));
    healing.send().await.unwrap().error_for_status().unwrap();
    (system, order)
}

async fn payments(system: &System, arguments: &[&str]) -> Output {
    let mut command = Command::new(ORDERLY);
    command.arg("payments").args(arguments).args(["--redis-url", system.redis_url()]);
    command.output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_parked_payment_is_listed_and_settled_and_is_gone_from_the_list() {
    let (system, order) = with_a_parked_payment().await;
    let listed = payments(&system, &["parked", "--json"]).await;
    let parked: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&parked["order_id"], &parked["attempts"]), (&json!(order), &json!(2)));
    let for_people = text(&payments(&system, &["parked"]).await.stdout);
    let payment = parked["payment_id"].as_str().unwrap();
    for told in [payment, &order, "49.80 EUR", "the provider answered 500", "1 parked."] {
        assert!(for_people.contains(told), "{told:?} is not in {for_people}");
    }

    let settling = ["resolve", payment, "--declined", "--by", "ann", "--why", "the customer rang"];
    let settled = payments(&system, &settling).await;
    assert_eq!(text(&settled.stdout), format!("The payment of order {order} is declined.\n"), "{settled:?}");
    system.wait_for_status(&order, "payment_declined", PATIENCE).await;
    let nothing = payments(&system, &["parked"]).await;
    assert_eq!(text(&nothing.stdout), "No payment is parked.\n");

    let again = payments(&system, &settling).await;
    assert!(!again.status.success() && text(&again.stderr).contains("no parked payment"), "{again:?}");
}

#[tokio::test]
async fn it_is_settled_by_its_order_too_and_the_journal_keeps_who_and_why() {
    let (system, order) = with_a_parked_payment().await;
    let settling = ["resolve", &order, "--paid", "ch_77", "--by", "ann", "--why", "seen at the provider"];
    let settled = payments(&system, &settling).await;
    assert_eq!(text(&settled.stdout), format!("Order {order} is paid by the charge ch_77.\n"), "{settled:?}");
    let order = system.wait_for_status(&order, "paid", PATIENCE).await;
    assert_eq!(order["charge_id"], "ch_77");
    let events = journal(&system).await;
    let paid = events.iter().find(|event| event.contains("order.paid")).unwrap();
    let paid: Value = serde_json::from_str(paid).unwrap();
    let expected =
        json!({"verdict": "paid", "charge_id": "ch_77", "by": "ann", "why": "seen at the provider"});
    assert_eq!(paid["resolution"], expected);
}

/// What stands on the journal, as JSON.
async fn journal(system: &System) -> Vec<String> {
    let (mut redis, mut events) = (system.redis().await.unwrap(), Vec::new());
    for partition in 0..4 {
        let mut range = redis::cmd("XRANGE");
        range.arg(format!("orders-stream:{{{partition}}}")).arg("-").arg("+");
        let entries: Vec<(String, HashMap<String, String>)> = range.query_async(&mut redis).await.unwrap();
        events.extend(entries.into_iter().map(|(_, fields)| fields["data"].clone()));
    }
    events
}

#[tokio::test]
async fn a_redis_without_an_installation_is_told_from_one_that_does_not_answer() {
    let server = local_redis::Server::ephemeral(local_redis::Durability::Volatile).await.unwrap();
    let url = server.url();
    let empty =
        Command::new(ORDERLY).args(["payments", "parked", "--redis-url", &url]).output().await.unwrap();
    assert!(text(&empty.stderr).contains("holds no installation"), "{empty:?}");
    drop(server);
    let gone =
        Command::new(ORDERLY).args(["payments", "parked", "--redis-url", &url]).output().await.unwrap();
    assert!(text(&gone.stderr).contains("--redis-url") && !gone.status.success(), "{gone:?}");
}
