//! An order publisher on a Redis of its own, and who listens to it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics, and says why")]

use std::time::Duration;

use common::{
    messages::{Announcement, OrderEvent, OrderId, PaymentId},
    money::Money,
    names::{Names, groups},
    partition::Partitions,
};
use redis::AsyncCommands;
use redis_kit::{
    Redis,
    pubsub::{Event, Position, Subscription},
    stream::{Fields, StreamId, encode},
    trace::TraceContext,
};
use test_support::ServiceUnderTest;
use tokio::time::timeout;

/// Long enough for a busy machine: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

const PARTITION: u16 = 2;

/// A publisher, and one who hears all it says.
struct Town {
    publisher: ServiceUnderTest,
    listener: Subscription,
    names: Names,
}

impl Town {
    async fn open() -> Self {
        let (publisher, names) = (ServiceUnderTest::start(order_publisher::run, &[]).await, Names::default());
        let redis = Redis::open(&publisher.server.url()).unwrap();
        let mut listener = Subscription::start(&redis, &[&names.orders_channel()]);
        let heard = timeout(PATIENCE, listener.next()).await.expect("a subscription");
        assert!(matches!(heard, Event::Subscribed), "{heard:?}");
        Self { publisher, listener, names }
    }

    async fn append(&self, fields: &Fields) -> StreamId {
        let journal = self.names.orders_stream(PARTITION);
        let id: String = self.publisher.redis.clone().xadd(journal, "*", fields).await.unwrap();
        id.parse().unwrap()
    }

    /// The next message: where it stands, and its payload.
    async fn heard(&mut self) -> (Position, Vec<u8>) {
        match timeout(PATIENCE, self.listener.next()).await.expect("a message") {
            Event::Message { payload, .. } => (serde_json::from_slice(&payload).unwrap(), payload),
            other @ Event::Subscribed => panic!("{other:?}"),
        }
    }

    /// The next announcement; tips are passed over.
    async fn announced(&mut self) -> (Announcement, Position) {
        loop {
            let (position, payload) = self.heard().await;
            if position.prev < position.id {
                return (serde_json::from_slice(&payload).unwrap(), position);
            }
        }
    }
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

fn event() -> OrderEvent {
    declined(Partitions::new(4).draw_order_id(PARTITION))
}

#[tokio::test]
async fn an_event_is_announced_with_its_place_its_id_and_its_trace() {
    let mut town = Town::open().await;
    let mut prev = StreamId::ZERO;
    for event in [event(), event(), event()] {
        let trace = TraceContext::root();
        let fields = encode(&event, &trace).unwrap();
        let id = town.append(&fields).await;
        let (announced, position) = town.announced().await;
        let told: TraceContext = announced.traceparent.parse().unwrap();
        assert_eq!(told.trace_id(), trace.trace_id());
        assert_ne!(told, trace, "a step of its own in the trace");
        let [_, (_, event_id), (_, occurred_at), ..] = fields;
        let expected = Announcement {
            event,
            event_id: event_id.parse().unwrap(),
            occurred_at: occurred_at.parse().unwrap(),
            traceparent: announced.traceparent.clone(),
        };
        assert_eq!(announced, expected);
        assert_eq!(position, Position { partition: PARTITION.into(), prev, id });
        prev = id;
    }
}

#[tokio::test]
async fn an_event_of_a_type_it_does_not_know_is_skipped_and_shows_as_a_gap() {
    let mut town = Town::open().await;
    let known = encode(&event(), &TraceContext::root()).unwrap();
    let unknown = known.clone().map(|(name, value)| match name {
        "type" => (name, "order.teleported".into()),
        _ => (name, value),
    });
    let (first, skipped, last) =
        (town.append(&known).await, town.append(&unknown).await, town.append(&known).await);
    assert_eq!(town.announced().await.1.id, first);
    let (_, position) = town.announced().await;
    assert_eq!((position.prev, position.id), (skipped, last));
    let dead = format!("{}:dead:{}", town.names.orders_stream(PARTITION), groups::ORDER_PUBLISHER);
    assert_eq!(town.publisher.redis.exists::<_, u8>(dead).await.unwrap(), 0);
}

#[tokio::test]
async fn a_tip_tells_how_far_the_partition_was_announced() {
    let mut town = Town::open().await;
    let id = town.append(&encode(&event(), &TraceContext::root()).unwrap()).await;
    town.announced().await;
    let ours = Position { partition: PARTITION.into(), prev: id, id };
    while town.heard().await.0 != ours {}
}

#[tokio::test]
async fn the_publisher_ends_when_it_is_told_to() {
    let town = Town::open().await;
    town.publisher.stop().await;
}
