//! One order's way through the system.

use std::time::Duration;

use redis::streams::StreamRangeReply;
use serde_json::{Value, json};
use test_support::{System, eventually};

use crate::{options, system};

const SETTLED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_posted_order_is_charged_once_and_shown_as_paid() {
    let system = system().await;
    let id = system.place_order().await;
    let order = system.wait_for_status(&id, "paid", SETTLED).await;
    assert_eq!(order["total"], json!({"amount": "49.80", "currency": "EUR"}));
    let charges = system.charges().await;
    assert_eq!(charges.len(), 1, "{charges:?}");
    assert_eq!(charges[0]["key"], order["payment_id"]);
    assert_eq!(charges[0]["id"], order["charge_id"]);
    assert_eq!(charges[0]["amount"], "49.80");
    assert_eq!(charges[0]["reference"], id);
}

#[tokio::test]
async fn every_service_tells_of_the_order_by_its_id() {
    let system = system().await;
    let id = system.place_order().await;
    system.wait_for_status(&id, "paid", SETTLED).await;
    let told = [
        ("api-gateway", "accepted the order"),
        ("order-publisher", "order.placed"),
        ("payment-producer", "requesting the payment"),
        ("payment-worker-", "charging"),
        ("payment-worker-", " paid "),
        ("order-publisher", "order.paid"),
        ("notification-subscriber", "your order is paid"),
    ];
    eventually("every service to have told of the order", SETTLED, || async {
        let log = system.log();
        let mut about = log.iter().filter(|line| line.contains(&format!("order_id={id}")));
        let lines: Vec<&String> = about.by_ref().collect();
        match told.iter().find(|(service, text)| {
            !lines.iter().any(|line| line.starts_with(service) && line.contains(text))
        }) {
            None => Ok(()),
            Some(missing) => Err(format!("{missing:?} is not in\n{}", log.join("\n"))),
        }
    })
    .await;
}

#[tokio::test]
async fn a_declined_payment_is_final_and_charges_nothing() {
    let system = system().await;
    let order = json!({"customer_id": "42", "items": [{"sku": "ISLAND-1", "quantity": 1}]});
    let answer = system.post(&order, None).await.unwrap();
    let id = answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    let order = system.wait_for_status(&id, "payment_declined", SETTLED).await;
    assert_eq!(order["reason"], "amount_too_large");
    let charges = system.charges().await;
    assert_eq!(charges.len(), 1);
    assert_eq!(charges[0]["status"], "declined");
}

#[tokio::test]
async fn the_channel_announces_placed_before_paid_with_gapless_positions() {
    let system = system().await;
    // One partition would do; all orders below may fall into any.
    let mut announcements = Announcements::of(&system).await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(system.place_order().await);
    }
    let heard = announcements.next(16).await;
    for id in &ids {
        let types: Vec<&Value> = heard
            .iter()
            .filter(|message| message["order_id"] == *id)
            .map(|message| &message["type"])
            .collect();
        assert_eq!(types, ["order.placed", "order.paid"], "{id}");
    }
    for partition in 0..4 {
        let mut last = "0-0".to_owned();
        for message in heard.iter().filter(|message| message["partition"] == partition) {
            assert_eq!(message["prev"], last, "a gap before {message}");
            last = message["id"].as_str().unwrap().to_owned();
        }
    }
}

#[tokio::test]
async fn the_streams_read_well() {
    let system = system().await;
    let id = system.place_order().await;
    system.wait_for_status(&id, "paid", SETTLED).await;
    let mut redis = system.redis().await.unwrap();
    let mut entries = Vec::new();
    for stream in ["orders-stream", "payments-stream"] {
        for partition in 0..4 {
            let mut range = redis::cmd("XRANGE");
            range.arg(format!("{stream}:{{{partition}}}")).arg("-").arg("+");
            let reply: StreamRangeReply = range.query_async(&mut redis).await.unwrap();
            entries.extend(reply.ids.into_iter().map(|entry| (stream, entry)));
        }
    }
    let types: Vec<(&str, String)> =
        entries.iter().map(|(stream, entry)| (*stream, entry.get("type").unwrap())).collect();
    let expected = [
        ("orders-stream", "order.placed"),
        ("orders-stream", "order.paid"),
        ("payments-stream", "payment.requested"),
    ];
    assert_eq!(types, expected.map(|(stream, kind)| (stream, kind.to_owned())));
    let traces: Vec<String> = entries
        .iter()
        .map(|(_, entry)| entry.get::<String>("traceparent").unwrap().split('-').nth(1).unwrap().to_owned())
        .collect();
    assert!(traces.iter().all(|trace| *trace == traces[0]), "one trace follows the order: {traces:?}");
    for (_, entry) in &entries {
        let data: Value = serde_json::from_str(&entry.get::<String>("data").unwrap()).unwrap();
        assert_eq!(data["order_id"], id);
        assert!(entry.contains_key("id") && entry.contains_key("occurred_at"));
    }
}

#[tokio::test]
async fn a_provider_that_fails_now_and_then_is_asked_again_with_the_same_key() {
    let faults = r#"{"seed":7,"error_rate":0.1,"error_after_charge_rate":0.1,"reset_rate":0.1,"reset_after_charge_rate":0.1}"#;
    let system = System::start(&options().env("SANDBOX_FAULTS", faults)).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(system.place_order().await);
    }
    for id in &ids {
        system.wait_for_status(id, "paid", Duration::from_mins(1)).await;
    }
    assert_eq!(system.charges().await.len(), ids.len(), "each order is charged once");
}

#[tokio::test]
async fn equal_requests_with_one_key_make_one_order() {
    let system = system().await;
    let requests = (0..20).map(|_| system.post_order("42", Some("a-key-that-is-hard-to-guess")));
    let mut bodies = Vec::new();
    for answer in futures_util::future::join_all(requests).await {
        bodies.push(answer.unwrap().bytes().await.unwrap());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    let id = serde_json::from_slice::<Value>(&bodies[0]).unwrap()["id"].as_str().unwrap().to_owned();
    system.wait_for_status(&id, "paid", SETTLED).await;
    assert_eq!(system.charges().await.len(), 1);
}

#[tokio::test]
async fn services_describe_themselves_in_redis() {
    let system = system().await;
    let mut services: Vec<String> = system.services().await.unwrap().into_keys().collect();
    services.sort();
    let expected = [
        "api-gateway",
        "notification-subscriber",
        "order-publisher",
        "payment-producer",
        "payment-worker-1",
        "payment-worker-2",
    ];
    assert_eq!(services, expected);
}

#[tokio::test]
async fn two_installations_share_a_redis_by_prefix() {
    let first = system().await;
    let url = first.redis_url().to_owned();
    let second = options().env("ORDERLY_KEY_PREFIX", "second:").args(["--redis-url", &url]);
    let second = System::start(&second).await;
    let id = second.place_order().await;
    second.wait_for_status(&id, "paid", SETTLED).await;
    assert_eq!(second.charges().await.len(), 1);
    assert!(first.charges().await.is_empty());
    let unknown = first.order(&id).await.unwrap_err().to_string();
    assert!(unknown.contains("404"), "{unknown}");
}

/// What is published on the channel.
struct Announcements {
    messages: tokio::sync::mpsc::UnboundedReceiver<redis::PushInfo>,
    // Unsubscribes when dropped.
    _connection: redis::aio::MultiplexedConnection,
}

impl Announcements {
    async fn of(system: &System) -> Self {
        let (sender, messages) = tokio::sync::mpsc::unbounded_channel();
        let client = redis::Client::open(format!("{}?protocol=resp3", system.redis_url())).unwrap();
        let config = redis::AsyncConnectionConfig::new().set_push_sender(sender);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        connection.subscribe("orders").await.unwrap();
        Self { messages, _connection: connection }
    }

    async fn next(&mut self, count: usize) -> Vec<Value> {
        let mut heard = Vec::new();
        while heard.len() < count {
            let message = tokio::time::timeout(SETTLED, self.messages.recv());
            let message = message.await.unwrap_or_else(|_| panic!("heard only {heard:#?}")).unwrap();
            if message.kind == redis::PushKind::Message {
                let (_, payload): (String, String) =
                    redis::from_redis_value(redis::Value::Array(message.data)).unwrap();
                let message: Value = serde_json::from_str(&payload).unwrap();
                // Tips come every second, and announce nothing.
                if message["type"] != "tip" {
                    heard.push(message);
                }
            }
        }
        heard
    }
}
