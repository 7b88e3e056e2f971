//! A payment producer on a Redis of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, and says why")]

use std::time::Duration;

use common::{
    messages::{LineItem, OrderEvent, OrderId, PaymentId, PaymentTask},
    money::Money,
    names::{Names, groups},
    partition::Partitions,
};
use jiff::Timestamp;
use redis::{
    AsyncCommands,
    streams::{StreamInfoGroupsReply, StreamRangeReply},
};
use redis_kit::{
    stream::{encode, now},
    trace::TraceContext,
};
use test_support::{ServiceUnderTest, eventually};

/// Long enough for a busy machine: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A producer, and what it works on.
struct Desk {
    producer: ServiceUnderTest,
    names: Names,
    partitions: Partitions,
}

impl Desk {
    async fn open() -> Self {
        let producer = ServiceUnderTest::start(payment_producer::run, &["--instance", "producer-1"]).await;
        Self { producer, names: Names::default(), partitions: Partitions::new(4) }
    }

    async fn append(&self, event: &OrderEvent, trace: &TraceContext) {
        let journal = self.names.orders_stream(self.partitions.of_order(event.order_id()));
        let _: String =
            self.producer.redis.clone().xadd(journal, "*", &encode(event, trace).unwrap()).await.unwrap();
    }

    /// Waits until every event of a journal is acknowledged.
    async fn until_idle(&self, partition: u16) {
        let journal = self.names.orders_stream(partition);
        eventually("every event to be acknowledged", PATIENCE, async || {
            let groups: redis::RedisResult<StreamInfoGroupsReply> =
                self.producer.redis.clone().xinfo_groups(&journal).await;
            let groups = groups.map_err(|error| error.to_string())?.groups;
            let group = groups.iter().find(|group| group.name == groups::PAYMENT_PRODUCER);
            match group.map(|group| (group.pending, group.lag)) {
                Some((0, Some(0))) => Ok(()),
                other => Err(format!("pending and lag are {other:?}")),
            }
        })
        .await;
    }

    /// The payments of a partition that are requested, each with its trace and when that was.
    async fn requested(&self, partition: u16) -> Vec<(PaymentTask, TraceContext, Timestamp)> {
        let stream = self.names.payments_stream(partition);
        let entries: StreamRangeReply = self.producer.redis.clone().xrange_all(stream).await.unwrap();
        let task = |entry: &redis::streams::StreamId| {
            let field = |name| entry.get::<String>(name).unwrap();
            assert_eq!(field("type"), "payment.requested");
            let task = serde_json::from_str(&field("data")).unwrap();
            (task, field("traceparent").parse().unwrap(), field("occurred_at").parse().unwrap())
        };
        entries.ids.iter().map(task).collect()
    }
}

fn price() -> Money {
    Money::parse("49.80", "EUR").unwrap()
}

fn placed(order_id: OrderId) -> OrderEvent {
    let items = vec![LineItem { sku: "BOOK-1".into(), quantity: 1, unit_price: price() }];
    OrderEvent::Placed { order_id, customer_id: "42".into(), items, total: price() }
}

#[tokio::test]
async fn a_placed_order_asks_for_its_one_payment_in_its_own_partition_and_trace() {
    let desk = Desk::open().await;
    for partition in desk.partitions.all() {
        let (order_id, trace) = (desk.partitions.draw_order_id(partition), TraceContext::root());
        let before = now();
        desk.append(&placed(order_id), &trace).await;
        desk.until_idle(partition).await;
        let requested = desk.requested(partition).await;
        let [(task, task_trace, done_at)] = requested.as_slice() else { panic!("{requested:?}") };
        let PaymentTask::Requested { taken: Some(taken), .. } = task else { panic!("{task:?}") };
        assert_eq!(taken.by, "producer-1");
        let in_order = [before, taken.given_at, *done_at, now()];
        assert!(in_order.is_sorted(), "{in_order:?}");
        let (customer_id, taken) = ("42".into(), Some(taken.clone()));
        let payment_id = PaymentId::of(order_id);
        assert_eq!(
            *task,
            PaymentTask::Requested { payment_id, order_id, customer_id, amount: price(), taken }
        );
        assert_eq!(task_trace.trace_id(), trace.trace_id());
        assert_ne!(*task_trace, trace, "a step of its own in the trace");
    }
}

#[tokio::test]
async fn what_became_of_a_payment_asks_for_no_other() {
    let desk = Desk::open().await;
    let order_id = desk.partitions.draw_order_id(2);
    let (payment_id, amount, reason) = (PaymentId::of(order_id), price(), "no");
    let customer_id = || "42".to_owned();
    let charge_id = "ch_1".into();
    for event in [
        OrderEvent::Paid {
            order_id,
            customer_id: customer_id(),
            payment_id,
            amount,
            charge_id,
            attempt: 1,
            resolution: None,
            tried: None,
        },
        OrderEvent::PaymentDeclined {
            order_id,
            customer_id: customer_id(),
            payment_id,
            amount,
            reason: reason.into(),
            attempt: None,
            resolution: None,
            tried: None,
        },
        OrderEvent::PaymentParked {
            order_id,
            customer_id: customer_id(),
            payment_id,
            amount,
            reason: reason.into(),
            attempts: 12,
            tried: None,
        },
        OrderEvent::PaymentAttemptFailed {
            order_id,
            payment_id,
            attempt: 1,
            reason: reason.into(),
            tried: None,
        },
    ] {
        desk.append(&event, &TraceContext::root()).await;
    }
    desk.until_idle(2).await;
    assert_eq!(desk.requested(2).await, []);
}

#[tokio::test]
async fn the_producer_ends_when_it_is_told_to() {
    let desk = Desk::open().await;
    desk.producer.stop().await;
}
