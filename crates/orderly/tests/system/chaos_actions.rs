//! `orderly chaos`: things are broken on purpose under a real `up` with orders coming in, and the receipt says what became of them.

use std::time::Duration;

use jiff::Timestamp;
use local_redis::{Durability, Server};
use nix::sys::signal::Signal;
use redis_kit::{Redis, stream::inspect::consumers};
use serde_json::{Value, json};
use test_support::{System, eventually, is_running};
use tokio::process::Command;

use crate::{
    asking::{Said, orderly},
    clients::Clients,
    options,
};

/// For anything that a debug build on a busy machine does at once.
const SOON: Duration = Duration::from_secs(30);

const CONTROL: &str = "control-stream:{control}";

/// Asks for chaos while clients order, under keys of their own, and waits for the receipt.
async fn chaos_under_load(system: &System, words: &[&'static str]) -> Value {
    let clients = Clients::new(words[0]);
    let words = [&["chaos"], words, &["--why", "to see it hold", "--json"]].concat();
    let said = clients.order_during(system, orderly(system, &words)).await;
    assert_eq!(said.code, 0, "{said:#?}");
    said.json().remove(0)
}

/// That orders were accepted meanwhile, and all of them came to an end, once.
fn assert_kept(told: &Value) {
    let receipt = &told["receipt"];
    assert!(receipt["orders"].as_u64().is_some_and(|orders| orders > 0), "{told:#}");
    for nothing in ["lost", "charged_twice", "unsettled", "dead"] {
        assert_eq!(receipt[nothing], 0, "{nothing} in {told:#}");
    }
    assert_eq!((&receipt["agreed"], &receipt["provider_checked"]), (&json!(true), &json!(true)), "{told:#}");
}

/// The worker and the process that an outcome such as "killed payment-worker-2 (process 4711) with 3 payments in hand" names,
/// and how many payments it had.
fn worker_of(outcome: &str) -> (String, u32, u32) {
    let (what, with) = outcome.split_once(" with ").unwrap_or_else(|| panic!("{outcome}"));
    let words: Vec<&str> = what.split_whitespace().collect();
    let pid = words[3].trim_end_matches(')').parse().unwrap_or_else(|_| panic!("{outcome}"));
    let in_hand = with.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
    (words[1].to_owned(), pid, in_hand)
}

async fn faults(system: &System, path: &str) -> Value {
    let answer = system.http().get(format!("{}{path}", system.sandbox())).send().await.unwrap();
    answer.json().await.unwrap()
}

async fn failed_attempts(system: &System) -> usize {
    let (mut redis, mut count) = (system.redis().await.unwrap(), 0);
    for partition in 0..4 {
        let mut range = redis::cmd("XRANGE");
        range.arg(format!("orders-stream:{{{partition}}}")).arg("-").arg("+");
        let entries: redis::streams::StreamRangeReply = range.query_async(&mut redis).await.unwrap();
        let failed = Some("order.payment_attempt_failed".to_owned());
        count += entries.ids.iter().filter(|entry| entry.get("type") == failed).count();
    }
    count
}

/// Whether the process is stopped, as by SIGSTOP.
async fn is_stopped(pid: u32) -> bool {
    let state = Command::new("ps").args(["-o", "state=", "-p", &pid.to_string()]).output().await.unwrap();
    String::from_utf8_lossy(&state.stdout).trim_start().starts_with('T')
}

#[tokio::test]
async fn whatever_is_broken_on_purpose_no_order_is_lost_or_charged_twice_and_if_one_is_the_receipt_says_so() {
    let slow = r#"{"seed":7,"latency":{"kind":"fixed","ms":5}}"#;
    let mut system = System::start(&options().env("SANDBOX_FAULTS", slow)).await;

    let killed = chaos_under_load(&system, &["kill"]).await;
    let (worker, pid, in_hand) = worker_of(killed["outcome"].as_str().unwrap());
    assert!(in_hand > 0 && !is_running(pid), "{killed:#}");
    assert_kept(&killed);
    let now = system.service(&worker).await.unwrap();
    assert!(now != pid && is_running(now), "{worker} was {pid} and is {now}");

    // Two at once, and something else was wrong before.
    let (before, failed) = (faults(&system, "/faults").await, failed_attempts(&system).await);
    let (failing, slowed) = tokio::join!(
        chaos_under_load(&system, &["fail", "--percent", "40", "--seconds", "2"]),
        chaos_under_load(&system, &["slow", "--seconds", "3"])
    );
    assert_kept(&failing);
    assert_kept(&slowed);
    assert!(failed_attempts(&system).await > failed, "no attempt has failed: {failing:#}");
    assert_eq!(
        (faults(&system, "/faults").await, faults(&system, "/faults/spells").await),
        (before, json!([]))
    );

    let doubled = async {
        let order = system.place_order().await;
        let charge = json!({"amount": "49.80", "currency": "EUR", "reference": order});
        let by_hand = system.http().post(format!("{}/charges", system.sandbox())).json(&charge);
        let answer = by_hand.header("Idempotency-Key", "by-hand").send().await.unwrap();
        assert_eq!(answer.status(), 201);
    };
    let words = ["chaos", "slow", "--percent", "1", "--seconds", "3"];
    let (said, ()) = tokio::join!(orderly(&system, &words), doubled);
    said.assert_tells(1, &["charged twice                          1", "0 lost, 1 charged twice"]);

    all_is_on_record(&system).await;
    stops_though_a_worker_is_frozen(&mut system).await;
}

async fn all_is_on_record(system: &System) {
    let told = orderly(system, &["audit", "--json"]).await.json();
    let asked: Vec<_> = told.iter().rev().map(|request| request["action"].as_str().unwrap()).collect();
    assert_eq!(asked.len(), 4, "{told:#?}");
    assert_eq!((asked[0], asked[3]), ("kill_worker", "slow_provider"));
    for request in &told {
        assert_eq!(
            (&request["by"], &request["carried_out"]["instance"]),
            (&json!("ann"), &json!("supervisor"))
        );
        assert!(request["at"].is_string() && request["receipt"]["orders"].is_u64(), "{request:#}");
    }
    let words = [
        "kill a payment-worker in the middle of a payment",
        "have the provider fail for 40 % of its calls, for 2 s",
        "to see it hold",
        "0 lost, 1 charged twice; verify does not agree",
    ];
    orderly(system, &["audit"]).await.assert_tells(0, &words);
}

async fn stops_though_a_worker_is_frozen(system: &mut System) {
    let pid = freeze_for_long(system).await;
    let status = system.stop(Signal::SIGTERM).await;
    let log = system.log().join("\n");
    assert!(status.success() && !is_running(pid) && !log.contains("did not stop in time"), "{status}\n{log}");
}

/// Freezes payment-worker-1 for two minutes, and returns its process.
async fn freeze_for_long(system: &System) -> u32 {
    let words = ["chaos", "freeze", "--worker", "payment-worker-1", "--seconds", "120", "--no-receipt"];
    let said = Clients::new("frozen").order_during(system, orderly(system, &words)).await;
    assert_eq!(said.code, 0, "{said:#?}");
    let (_, pid, _) = worker_of(&said.out);
    assert!(is_stopped(pid).await, "{said:#?}");
    pid
}

#[tokio::test]
async fn the_work_of_a_frozen_worker_is_taken_over_and_it_charges_nothing_twice_when_it_goes_on() {
    let mut system = System::start(&options()).await;
    let words = ["chaos", "freeze", "--seconds", "8", "--json"];
    let clients = Clients::new("freeze");
    let said: Said = clients
        .order_during(&system, async {
            let (said, ()) = tokio::join!(orderly(&system, &words), taken_over_while_frozen(&system));
            said
        })
        .await;
    assert_eq!(said.code, 0, "{said:#?}");
    let told = said.json().remove(0);
    assert_kept(&told);
    let (worker, pid, in_hand) = worker_of(told["outcome"].as_str().unwrap());
    assert!(in_hand > 0, "{told:#}");
    assert!(!is_stopped(pid).await && system.service(&worker).await.unwrap() == pid, "it goes on as it was");

    // What `up` itself cannot undo any more, the system does.
    let pid = freeze_for_long(&system).await;
    system.stop(Signal::SIGKILL).await;
    eventually("the frozen worker to be gone", SOON, || async {
        if is_running(pid) { Err(format!("{pid} still runs")) } else { Ok(()) }
    })
    .await;
}

/// Waits until nothing is pending on the frozen worker any more, and it is frozen still.
async fn taken_over_while_frozen(system: &System) {
    let (worker, pid) = eventually("a worker to be frozen", SOON, || async {
        for worker in ["payment-worker-1", "payment-worker-2"] {
            let pid = system.service(worker).await?;
            if is_stopped(pid).await {
                return Ok((worker, pid));
            }
        }
        anyhow::bail!("none is")
    })
    .await;
    let redis = Redis::open(system.redis_url()).unwrap().commands().unwrap();
    eventually("its work to be taken over", SOON, || async {
        let mut left = 0;
        for partition in 0..4 {
            let stream = format!("payments-stream:{{{partition}}}");
            let all = consumers(&mut redis.clone(), &stream, "payment-workers").await?;
            left += all.iter().filter(|one| one.instance == worker).map(|one| one.pending).sum::<u64>();
        }
        anyhow::ensure!(left == 0, "{left} payments are in the hands of {worker}");
        Ok(())
    })
    .await;
    assert!(is_stopped(pid).await, "it went on before anybody had taken over its work");
}

/// A wish from before there was anybody who could have fulfilled it.
async fn ask_an_hour_ago(redis: &mut redis::aio::MultiplexedConnection) {
    let then = Timestamp::now() - Duration::from_hours(1);
    let data = json!({"type": "control.requested", "action": "kill_worker", "by": "bob"}).to_string();
    let mut add = redis::cmd("XADD");
    add.arg(CONTROL).arg(format!("{}-0", then.as_millisecond())).arg("type").arg("control.requested");
    add.arg("id").arg("67e55044-10b1-426f-9247-bb680e5fe0c8").arg("occurred_at").arg(then.to_string());
    add.arg("data").arg(data).exec_async(redis).await.unwrap();
}

#[tokio::test]
async fn what_cannot_or_must_not_be_broken_is_refused_with_the_reason() {
    let redis = Server::ephemeral(Durability::Always).await.unwrap();
    let url = redis.url();
    let client = redis::Client::open(url.as_str()).unwrap();
    ask_an_hour_ago(&mut client.get_multiplexed_async_connection().await.unwrap()).await;
    let only =
        options().args(["--redis-url", &url, "--only", "api-gateway,payment-worker", "--workers", "1"]);
    let mut system = System::start(&only).await;
    let worker = system.service("payment-worker-1").await.unwrap();
    let old = eventually("yesterday's wish to be refused", SOON, || async {
        let told = orderly(&system, &["audit", "--json"]).await.json();
        let refused = told.first().filter(|request| request["carried_out"]["succeeded"] == false).cloned();
        refused.ok_or_else(|| format!("{told:#?}"))
    })
    .await;
    let outcome = old["carried_out"]["outcome"].as_str().unwrap();
    assert!(outcome.contains("s ago, and nobody was there to do it within 10 s"), "{outcome}");
    assert_eq!((&old["by"], system.service("payment-worker-1").await.unwrap()), (&json!("bob"), worker));

    let refuse = async |words: &[&str], reasons: &[&str]| {
        let said = orderly(&system, &[&["chaos"], words].concat()).await;
        said.assert_tells(1, reasons);
    };
    refuse(&["fail"], &["this `up` runs no sandbox"]).await;
    refuse(
        &["kill", "--worker", "payment-worker-7"],
        &["\"payment-worker-7\" is no payment-worker", "payment-worker-1"],
    )
    .await;
    let too_long = orderly(&system, &["chaos", "freeze", "--seconds", "121"]).await;
    too_long.assert_tells(2, &["121 is not in 1..=120"]);
    let idle = orderly(&system, &["chaos", "kill", "--no-receipt"]).await;
    idle.assert_tells(0, &["killed payment-worker-1", "with nothing in hand: no payment came in 5 s"]);

    let mut get = redis::cmd("HMGET");
    get.arg("service:supervisor:supervisor").arg(&["pid", "ready", "address"]);
    let told: (u32, u8, Option<String>) = get.query_async(&mut system.redis().await.unwrap()).await.unwrap();
    assert_eq!(told, (system.pid(), 1, None));
    assert!(system.stop(Signal::SIGTERM).await.success());
    let said = orderly(&system, &["chaos", "kill", "--wait", "0"]).await;
    said.assert_tells(1, &["nobody has done it", "where `orderly up` runs the system"]);
    let left: bool = redis::cmd("EXISTS")
        .arg("service:supervisor:supervisor")
        .query_async(&mut client.get_multiplexed_async_connection().await.unwrap())
        .await
        .unwrap();
    assert!(!left, "it has said good-bye");
}
