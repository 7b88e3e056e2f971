//! A notification subscriber on a Redis of its own, and what it tells its log.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, and says why")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    messages::{Announcement, OrderEvent, OrderId, PaymentId},
    money::Money,
    names::Names,
};
use redis::AsyncCommands;
use redis_kit::{
    Connection,
    pubsub::{Announcement as _, Position, live, tip},
    stream::{Entry, StreamId, encode},
    trace::TraceContext,
};
use serde_json::{Value, json};
use test_support::{ServiceUnderTest, eventually};
use tracing::subscriber::DefaultGuard;

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
    /// Gets everything that is logged from now on by this thread, on which the service runs too.
    fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let written = log.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || written.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// What was logged of an order.
    fn of_order(&self, order_id: OrderId) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["fields"]["order_id"] == json!(order_id)).collect()
    }

    /// Waits for the first notification about an order.
    async fn notified(&self, order_id: OrderId) -> Value {
        eventually("a notification in the log", PATIENCE, async || {
            let found = self.of_order(order_id).into_iter().next();
            found.ok_or_else(|| format!("the log is {:#?}", self.lines()))
        })
        .await
    }

    fn lines(&self) -> Vec<Value> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Appends an event to the journal of partition 0, as its `n`-th.
async fn append(mut redis: Connection, n: u64, event: &OrderEvent, trace: &TraceContext) {
    let (journal, fields) = (Names::default().orders_stream(0), encode(event, trace).unwrap());
    let _: String = redis.xadd(journal, id(n).to_string(), &fields).await.unwrap();
}

/// Announces the tip, as the publisher does every second: whoever missed the `n`-th event notices.
async fn announce_tip(mut redis: Connection, n: u64) {
    let _: u64 = redis.publish(Names::default().orders_channel(), tip(0, id(n))).await.unwrap();
}

fn id(n: u64) -> StreamId {
    StreamId { milliseconds: n, sequence: 0 }
}

/// Waits until the service hears the channel: `garbage` is the first that it hears.
async fn listening(service: &ServiceUnderTest) {
    eventually("the service to hear the first message", PATIENCE, async || {
        let channel = Names::default().orders_channel();
        let heard: u64 = service.redis.clone().publish(channel, "garbage").await.unwrap();
        if heard == 1 { Ok(()) } else { Err("nobody listens") }
    })
    .await;
}

fn declined(order_id: OrderId) -> OrderEvent {
    OrderEvent::PaymentDeclined {
        order_id,
        customer_id: "42".into(),
        payment_id: PaymentId::of(order_id),
        amount: Money::parse("49.80", "EUR").unwrap(),
        reason: "no".into(),
        attempt: None,
        resolution: None,
        tried: None,
    }
}

#[tokio::test]
async fn what_is_no_announcement_is_skipped_and_the_next_one_is_notified() {
    let (log, _logging) = Log::begin();
    let service = ServiceUnderTest::start(notification_subscriber::run, &[]).await;
    listening(&service).await;
    let (mut redis, channel) = (service.redis.clone(), Names::default().orders_channel());
    for garbage in ["{}", "[]", r#"{"type":"order.teleported"}"#] {
        let _: u64 = redis.publish(&channel, garbage).await.unwrap();
    }
    let (trace, order_id) = (TraceContext::root(), OrderId::from_u128(7));
    append(redis.clone(), 5, &declined(order_id), &trace).await;
    let entry = Entry {
        message: declined(order_id),
        id: id(5),
        message_id: OrderId::from_u128(8),
        occurred_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        trace,
    };
    let position = Position { partition: 0, prev: StreamId::ZERO, id: entry.id };
    let announcement = Announcement::of(entry).unwrap();
    let _: u64 = redis.publish(&channel, live(&announcement, position).unwrap()).await.unwrap();

    let notified = log.notified(order_id).await;
    assert_eq!(notified["level"], "INFO");
    assert_eq!(notified["fields"]["message"], "notify: your payment was declined");
    assert_eq!(notified["fields"]["trace_id"], json!(trace.trace_id()));
    assert_eq!(notified["fields"]["stream_id"], "5-0");
    let is_skip = |line: &&Value| line["fields"]["message"] == "skipping a message that is no announcement";
    assert_eq!(log.lines().iter().filter(is_skip).count(), 4);
    service.stop().await;
}

#[tokio::test]
async fn what_happened_while_it_was_away_is_notified_when_it_is_back_and_nothing_twice() {
    let (log, _logging) = Log::begin();
    let [before, meanwhile, last] = [1, 2, 3].map(OrderId::from_u128);
    let trace = TraceContext::root();

    let service = ServiceUnderTest::start(notification_subscriber::run, &[]).await;
    let redis = service.redis.clone();
    append(redis.clone(), 1, &declined(before), &trace).await;
    announce_tip(redis.clone(), 1).await;
    log.notified(before).await;
    let server = service.stop().await;

    append(redis.clone(), 2, &declined(meanwhile), &trace).await;
    let service = ServiceUnderTest::start_on(server, notification_subscriber::run, &[]);
    log.notified(meanwhile).await;
    append(redis.clone(), 3, &declined(last), &trace).await;
    announce_tip(redis, 3).await;
    log.notified(last).await;
    for order_id in [before, meanwhile, last] {
        assert_eq!(log.of_order(order_id).len(), 1, "{:#?}", log.of_order(order_id));
    }
    service.stop().await;
}
