//! `orderly load`: what it counts is what happened, and it finds out what did not.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use common::{
    messages::{OrderEvent, OrderId, PaymentId},
    money::Money,
    names::Names,
    partition::Partitions,
};
use nix::sys::signal::Signal;
use redis::streams::StreamRangeReply;
use redis_kit::{Redis, stream::Producer, trace::TraceContext};
use serde_json::{Value, json};
use test_support::{Cut, FaultProxy, System, eventually, send};
use tokio::process::{Child, Command};

use crate::{ORDERLY, options, system};

/// How long one run may take, with debug builds on a busy machine.
const DONE: Duration = Duration::from_mins(1);

const PARTITIONS: u16 = 4;

/// What `load --json` said, and its exit code.
#[derive(Debug)]
struct Verdict {
    code: i32,
    json: Value,
    errors: String,
}

impl Verdict {
    fn assert_counts(&self, code: i32, counts: &[(&str, u64)]) {
        for (name, count) in counts {
            assert_eq!(self.json[name], *count, "{name} in {self:#?}");
        }
        assert_eq!(self.code, code, "{self:#?}");
    }

    fn figure(&self, name: &str) -> f64 {
        self.json[name].as_f64().unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }
}

fn command(gateway: &str, redis: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(ORDERLY);
    command.arg("load").args(["--url", gateway, "--redis-url", redis]).args(arguments);
    command.env_remove("ORDERLY_KEY_PREFIX").env_remove("PROVIDER_URL");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn ended(child: Child) -> Output {
    tokio::time::timeout(DONE, child.wait_with_output()).await.expect("load ends").unwrap()
}

async fn verdict(child: Child) -> Verdict {
    let output = ended(child).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {:?}, {errors:?}", String::from_utf8_lossy(&output.stdout)));
    Verdict { code: output.status.code().unwrap(), json, errors }
}

fn start(system: &System, arguments: &[&str]) -> Child {
    let arguments = [&["--json"], arguments].concat();
    command(system.gateway(), system.redis_url(), &arguments).spawn().unwrap()
}

async fn load(system: &System, arguments: &[&str]) -> Verdict {
    verdict(start(system, arguments)).await
}

/// A proxy that stands before whoever is at a URL.
async fn proxy_before(url: &str) -> FaultProxy {
    let (_, address) = url.split_once("://").unwrap();
    FaultProxy::start(address.parse().unwrap()).await.unwrap()
}

/// Has a single connection send orders to a gateway that takes 100 ms for each.
async fn load_slowly(system: &System, arguments: &[&str]) -> Verdict {
    let proxy = proxy_before(system.gateway()).await;
    proxy.delay(Duration::from_millis(50));
    let gateway = format!("http://{}", proxy.address());
    let arguments = [&["--json", "--connections", "1"], arguments].concat();
    verdict(command(&gateway, system.redis_url(), &arguments).spawn().unwrap()).await
}

/// The orders that were placed, by the journal of each partition.
async fn placed(system: &System) -> anyhow::Result<Vec<(u16, OrderId)>> {
    let (mut redis, mut placed) = (system.redis().await?, Vec::new());
    for partition in 0..PARTITIONS {
        let mut range = redis::cmd("XRANGE");
        range.arg(Names::default().orders_stream(partition)).arg("-").arg("+");
        let entries: StreamRangeReply = range.query_async(&mut redis).await?;
        for entry in entries.ids.iter().filter(|entry| entry.get("type") == Some("order.placed".to_owned())) {
            let data: Value = serde_json::from_str(&entry.get::<String>("data").unwrap_or_default())?;
            placed.push((partition, serde_json::from_value(data["order_id"].clone())?));
        }
    }
    Ok(placed)
}

async fn until_placed(system: &System, enough: usize) -> Vec<(u16, OrderId)> {
    eventually("orders to be placed", DONE, || async {
        let placed = placed(system).await?;
        let count = placed.len();
        if count >= enough { Ok(placed) } else { Err(anyhow::anyhow!("{count} are, of {enough}")) }
    })
    .await
}

#[tokio::test]
async fn what_was_accepted_is_paid_and_the_providers_books_agree() {
    let system = system().await;
    // Neither is somebody else's order.
    let other = system.place_order().await;
    system.wait_for_status(&other, "paid", DONE).await;
    let verdict = load(&system, &["--orders", "200", "--provider-url", system.sandbox()]).await;
    verdict.assert_counts(
        0,
        &[
            ("accepted", 200),
            ("paid", 200),
            ("declined", 0),
            ("parked", 0),
            ("lost", 0),
            ("doubled", 0),
            ("charged", 200),
            ("unanswered", 0),
        ],
    );
    assert_eq!((&verdict.json["refused"], verdict.errors.as_str()), (&json!({}), ""));
    assert_eq!(system.charges().await.len(), 201);
    assert_eq!(placed(&system).await.unwrap().len(), 201);
    for (lesser, greater) in [("http_p50_ms", "http_p99_ms"), ("settle_p50_ms", "settle_p99_ms")] {
        assert!(0.0 < verdict.figure(lesser) && verdict.figure(lesser) <= verdict.figure(greater));
    }
    assert!(verdict.figure("settled_per_s") <= verdict.figure("accepted_per_s"), "{verdict:#?}");
}

#[tokio::test]
async fn an_open_loop_keeps_its_rate() {
    let system = system().await;
    let verdict = load(&system, &["--orders", "100", "--rate", "50"]).await;
    verdict.assert_counts(0, &[("accepted", 100), ("paid", 100), ("not_sent", 0)]);
    // The last is due after 1.98 s.
    let rate = verdict.figure("accepted_per_s");
    assert!((25.0..51.0).contains(&rate), "{verdict:#?}");
}

#[tokio::test]
async fn what_a_slow_gateway_keeps_waiting_counts_from_when_it_was_due() {
    let system = system().await;
    let verdict = load_slowly(&system, &["--rate", "100", "--orders", "20"]).await;
    verdict.assert_counts(0, &[("accepted", 20)]);
    // The last waits for 19 others, and is due after 190 ms.
    assert!(verdict.figure("http_p99_ms") > 1_700.0, "{verdict:#?}");
}

#[tokio::test]
async fn an_open_loop_that_cannot_follow_says_what_it_did_not_send() {
    let system = system().await;
    let verdict = load_slowly(&system, &["--rate", "100", "--duration", "0.5"]).await;
    let [accepted, not_sent] = ["accepted", "not_sent"].map(|name| verdict.json[name].as_u64().unwrap());
    assert!(accepted <= 5 && accepted + not_sent == 50, "{verdict:#?}");
    assert_eq!(verdict.code, 0);
}

#[tokio::test]
async fn orders_that_the_provider_declines_are_counted_as_declined() {
    let system = system().await;
    let arguments =
        ["--orders", "20", "--sku", "ISLAND-1", "--sku", "BOOK-1", "--provider-url", system.sandbox()];
    let verdict = load(&system, &arguments).await;
    verdict
        .assert_counts(0, &[("accepted", 20), ("declined", 10), ("paid", 10), ("charged", 10), ("lost", 0)]);
}

#[tokio::test]
async fn parked_payments_are_an_end_too() {
    let faulty = options()
        .env("SANDBOX_FAULTS", r#"{"error_rate":1.0}"#)
        .env("PAYMENT_CHARGE_ATTEMPTS", "1")
        .env("PAYMENT_ASK_ATTEMPTS", "1")
        .env("PAYMENT_RETRY_BASE_MS", "1");
    let system = System::start(&faulty).await;
    load(&system, &["--orders", "5"]).await.assert_counts(0, &[("accepted", 5), ("parked", 5), ("lost", 0)]);
}

#[tokio::test]
async fn orders_that_nobody_charges_are_lost() {
    let without_workers = ["--only", "api-gateway,payment-producer,order-publisher,sandbox"];
    let system = System::start(&options().args(without_workers)).await;
    let verdict = load(&system, &["--orders", "5", "--settle-timeout", "0.5"]).await;
    verdict.assert_counts(1, &[("accepted", 5), ("paid", 0), ("lost", 5), ("doubled", 0)]);
    let mut expected: Vec<Value> =
        placed(&system).await.unwrap().into_iter().map(|(_, order_id)| json!(order_id)).collect();
    let mut told = verdict.json["lost_orders"].as_array().unwrap().clone();
    expected.sort_by_key(Value::to_string);
    told.sort_by_key(Value::to_string);
    assert_eq!(told, expected);

    let arguments = ["--orders", "1", "--settle-timeout", "0.1"];
    let output = ended(command(system.gateway(), system.redis_url(), &arguments).spawn().unwrap()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("payment-workers") && text.contains("1 lost, 0 doubled"), "{text}");
}

#[tokio::test]
async fn what_ended_is_not_lost_though_nobody_announces_it() {
    let without_publisher = ["--only", "api-gateway,payment-producer,payment-worker,sandbox"];
    let system = System::start(&options().args(without_publisher)).await;
    let verdict = load(&system, &["--orders", "5", "--settle-timeout", "3"]).await;
    verdict.assert_counts(0, &[("accepted", 5), ("paid", 5), ("lost", 0)]);
}

#[tokio::test]
async fn without_redis_in_the_end_nobody_knows_what_was_lost() {
    let without_workers = ["--only", "api-gateway,payment-producer,order-publisher,sandbox"];
    let system = System::start(&options().args(without_workers)).await;
    let proxy = proxy_before(system.redis_url()).await;
    let arguments = ["--json", "--orders", "5", "--settle-timeout", "3"];
    let running = command(system.gateway(), &proxy.url(), &arguments).spawn().unwrap();
    until_placed(&system, 5).await;
    Cut::Refuse.strike(&proxy);
    let verdict = verdict(running).await;
    verdict.assert_counts(2, &[("accepted", 5), ("lost", 5)]);
    assert_eq!(verdict.json["verdict"], "unknown");
    assert!(verdict.json["error"].as_str().unwrap().contains("Is Redis running?"), "{verdict:#?}");
}

#[tokio::test]
async fn what_is_paid_twice_or_charged_twice_is_doubled() {
    // The test plays the payment-workers.
    let system = System::start(&options().args(["--only", "api-gateway,order-publisher,sandbox"])).await;
    let running = start(&system, &["--orders", "5", "--provider-url", system.sandbox()]);
    let mut orders = until_placed(&system, 5).await;
    // Two of five are in one of four partitions. What happens there is heard in its order, so they come last.
    let shared =
        (0..PARTITIONS).max_by_key(|p| orders.iter().filter(|(partition, _)| partition == p).count());
    orders.sort_by_key(|(partition, _)| Some(*partition) == shared);
    for (number, (partition, order_id)) in orders.iter().enumerate() {
        let (times_paid, charges) = match number {
            3 => (2, 1),
            4 => (1, 2),
            _ => (1, 1),
        };
        for charge in 0..charges {
            let url = format!("{}/charges", system.sandbox());
            let order = json!({"amount": "24.90", "currency": "EUR", "reference": order_id});
            let key = format!("{order_id}-{charge}");
            let answer =
                system.http().post(url).header("Idempotency-Key", key).json(&order).send().await.unwrap();
            assert_eq!(answer.status(), 201);
        }
        for _ in 0..times_paid {
            pay(&system, *partition, *order_id).await;
        }
    }
    let verdict = verdict(running).await;
    verdict.assert_counts(1, &[("accepted", 5), ("paid", 5), ("lost", 0), ("doubled", 2), ("charged", 6)]);
    let doubled = verdict.json["doubled_orders"].as_array().unwrap();
    assert!(doubled.contains(&json!(orders[3].1)) && doubled.contains(&json!(orders[4].1)), "{verdict:#?}");
}

/// Says in the journal that an order is paid.
async fn pay(system: &System, partition: u16, order_id: OrderId) {
    let redis = Redis::open(system.redis_url()).unwrap().commands().unwrap();
    assert_eq!(Partitions::new(PARTITIONS).of_order(order_id), partition);
    let paid = OrderEvent::Paid {
        order_id,
        customer_id: "load-0".into(),
        payment_id: PaymentId::of(order_id),
        amount: Money::parse("24.90", "EUR").unwrap(),
        charge_id: "ch_1".into(),
        attempt: 1,
        resolution: None,
        tried: None,
    };
    let journal = Producer::new(redis, Names::default().orders_stream(partition));
    journal.append(&paid, &TraceContext::root()).await.unwrap();
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_asked_for_again_and_counts_once() {
    let system = system().await;
    let proxy = proxy_before(system.gateway()).await;
    let gateway = format!("http://{}", proxy.address());
    let arguments = ["--json", "--idempotent", "--rate", "30", "--orders", "60"];
    let running = command(&gateway, system.redis_url(), &arguments).spawn().unwrap();
    until_placed(&system, 1).await;
    proxy.drop_replies();
    let before = placed(&system).await.unwrap().len();
    until_placed(&system, before + 5).await;
    proxy.pass();
    proxy.reset_connections();
    verdict(running)
        .await
        .assert_counts(0, &[("accepted", 60), ("paid", 60), ("unanswered", 0), ("lost", 0)]);
    assert_eq!(placed(&system).await.unwrap().len(), 60, "each key made one order");
}

#[tokio::test]
async fn answers_that_accept_nothing_are_told_with_their_reason_and_are_no_disagreement() {
    let system = System::start(&options().unset("ORDERS_PER_MINUTE")).await;
    let verdict = load(&system, &["--orders", "30", "--customers", "1", "--connections", "1"]).await;
    assert_eq!(verdict.code, 0, "{verdict:#?}");
    let accepted = verdict.json["accepted"].as_u64().unwrap();
    assert!((1..30).contains(&accepted), "{verdict:#?}");
    assert_eq!(verdict.json["refused"], json!({"429": 30 - accepted}));

    let arguments = ["--orders", "5", "--sku", "NO-SUCH"];
    let output = ended(command(system.gateway(), system.redis_url(), &arguments).spawn().unwrap()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("status 422: 5") && text.contains("no order was accepted"), "{text}");
}

#[tokio::test]
async fn ctrl_c_stops_placing_and_what_was_accepted_is_waited_for() {
    let system = system().await;
    let running = start(&system, &["--duration", "3600", "--connections", "4"]);
    until_placed(&system, 10).await;
    send(running.id().unwrap(), Signal::SIGINT);
    let verdict = verdict(running).await;
    let accepted = verdict.json["accepted"].as_u64().unwrap();
    assert_eq!(accepted, placed(&system).await.unwrap().len() as u64);
    verdict.assert_counts(0, &[("paid", accepted), ("lost", 0)]);
}

#[tokio::test]
async fn whoever_cannot_be_reached_is_named_at_once() {
    let system = system().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let without_gateway = command(&format!("http://{nobody}"), system.redis_url(), &["--json"]);
    let without_redis = command(system.gateway(), &format!("redis://{nobody}"), &["--json"]);
    let provider = format!("http://{nobody}");
    let without_books =
        command(system.gateway(), system.redis_url(), &["--json", "--provider-url", &provider]);
    for (mut command, flag) in
        [(without_gateway, "--url"), (without_redis, "--redis-url"), (without_books, "provider's books")]
    {
        let verdict = verdict(command.spawn().unwrap()).await;
        assert_eq!((verdict.code, &verdict.json["verdict"]), (2, &json!("unknown")), "{verdict:#?}");
        assert!(verdict.errors.contains(flag), "{flag} is not in {verdict:#?}");
        assert!(verdict.errors.contains(&nobody.to_string()), "{verdict:#?}");
    }
    assert!(placed(&system).await.unwrap().is_empty(), "nothing is placed that could not be checked");
}
