//! A notification subscriber on a Redis of its own, and what it tells its log.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, and says why")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    messages::{OrderEvent, OrderId, PaymentId},
    money::Money,
    names::Names,
};
use redis::AsyncCommands;
use redis_kit::trace::TraceContext;
use serde_json::{Value, json};
use test_support::{ServiceUnderTest, eventually};

/// Long enough for a busy machine: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A log in memory, one JSON object a line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<Value> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn what_is_no_announcement_is_skipped_and_the_next_one_is_notified() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || written.clone()).finish();
    // The service runs on this thread too.
    let _logging = tracing::subscriber::set_default(subscriber);

    let service = ServiceUnderTest::start(notification_subscriber::run, &[]).await;
    let mut redis = service.redis.clone();
    let channel = Names::default().orders_channel();
    eventually("the service to hear the first message", PATIENCE, async || {
        let heard: u64 = redis.clone().publish(&channel, "garbage").await.unwrap();
        if heard == 1 { Ok(()) } else { Err("nobody listens") }
    })
    .await;
    let trace = TraceContext::root();
    let order_id = OrderId::from_u128(7);
    for garbage in ["{}", "[]", r#"{"type":"order.teleported"}"#] {
        let _: u64 = redis.publish(&channel, garbage).await.unwrap();
    }
    let _: u64 = redis.publish(&channel, announcement(order_id, &trace)).await.unwrap();

    let notified = eventually("a notification in the log", PATIENCE, async || {
        let lines = log.lines();
        let found = lines.iter().find(|line| line["fields"]["order_id"] == json!(order_id)).cloned();
        found.ok_or_else(|| format!("the log is {lines:#?}"))
    })
    .await;
    assert_eq!(notified["level"], "INFO");
    assert_eq!(notified["fields"]["message"], "notify: your payment was declined");
    assert_eq!(notified["fields"]["trace_id"], json!(trace.trace_id()));
    assert_eq!(notified["fields"]["stream_id"], "5-1");
    let is_skip = |line: &&Value| line["fields"]["message"] == "skipping a message that is no announcement";
    assert_eq!(log.lines().iter().filter(is_skip).count(), 4);

    service.stop().await;
}

/// As it is on the wire.
fn announcement(order_id: OrderId, trace: &TraceContext) -> String {
    let event = OrderEvent::PaymentDeclined {
        order_id,
        customer_id: "42".into(),
        payment_id: PaymentId::of(order_id),
        amount: Money::parse("49.80", "EUR").unwrap(),
        reason: "no".into(),
    };
    let mut announcement = serde_json::to_value(&event).unwrap();
    let place = json!({
        "partition": 0,
        "prev": "0-0",
        "id": "5-1",
        "event_id": OrderId::from_u128(8),
        "occurred_at": "2026-01-01T00:00:00Z",
        "traceparent": trace.to_string(),
    });
    announcement.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
    announcement.to_string()
}
