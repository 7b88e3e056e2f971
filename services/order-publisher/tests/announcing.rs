//! An order publisher on a Redis of its own, and who listens to it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics, and says why")]

use std::time::Duration;

use clap::Parser;
use common::{
    messages::{Announcement, OrderEvent, OrderId, PaymentId},
    money::Money,
    names::{Names, groups},
    partition::Partitions,
};
use local_redis::{Durability, Server};
use order_publisher::{Config, run};
use redis::AsyncCommands;
use redis_kit::{
    Connection, Redis,
    pubsub::{Event, Subscription},
    stream::{Fields, StreamId, encode},
    trace::TraceContext,
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Long enough for a busy machine: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

const PARTITION: u16 = 2;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    config: Config,
}

/// A publisher, its Redis, and one who hears all it says; all gone when dropped.
struct Town {
    publisher: JoinHandle<anyhow::Result<()>>,
    shutdown: DropGuard,
    listener: Subscription,
    redis: Connection,
    names: Names,
    _server: Server,
}

impl Town {
    async fn open() -> Self {
        let server = Server::ephemeral(Durability::Volatile).await.unwrap();
        let (url, names) = (server.url(), Names::default());
        let redis = Redis::open(&url).unwrap();
        let mut listener = Subscription::start(&redis, &[&names.orders_channel()]);
        let heard = timeout(PATIENCE, listener.next()).await.expect("a subscription");
        assert!(matches!(heard, Event::Subscribed), "{heard:?}");
        let CommandLine { config } =
            CommandLine::try_parse_from(["order-publisher", "--redis-url", &url]).unwrap();
        let shutdown = CancellationToken::new();
        Self {
            publisher: tokio::spawn(run(config, shutdown.clone())),
            shutdown: shutdown.drop_guard(),
            listener,
            redis: redis.commands().unwrap(),
            names,
            _server: server,
        }
    }

    async fn append(&self, fields: &Fields) -> StreamId {
        let journal = self.names.orders_stream(PARTITION);
        let id: String = self.redis.clone().xadd(journal, "*", fields).await.unwrap();
        id.parse().unwrap()
    }

    /// The next announcement.
    async fn announced(&mut self) -> Announcement {
        match timeout(PATIENCE, self.listener.next()).await.expect("an announcement") {
            Event::Message { payload, .. } => serde_json::from_slice(&payload).unwrap(),
            other @ Event::Subscribed => panic!("{other:?}"),
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
        let announced = town.announced().await;
        let told: TraceContext = announced.traceparent.parse().unwrap();
        assert_eq!(told.trace_id(), trace.trace_id());
        assert_ne!(told, trace, "a step of its own in the trace");
        let [_, (_, event_id), (_, occurred_at), ..] = fields;
        let expected = Announcement {
            event,
            partition: PARTITION.into(),
            prev,
            id,
            event_id: event_id.parse().unwrap(),
            occurred_at: occurred_at.parse().unwrap(),
            traceparent: announced.traceparent.clone(),
        };
        assert_eq!(announced, expected);
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
    assert_eq!(town.announced().await.id, first);
    let announced = town.announced().await;
    assert_eq!((announced.prev, announced.id), (skipped, last));
    let dead = format!("{}:dead:{}", town.names.orders_stream(PARTITION), groups::ORDER_PUBLISHER);
    assert_eq!(town.redis.exists::<_, u8>(dead).await.unwrap(), 0);
}

#[tokio::test]
async fn the_publisher_ends_when_it_is_told_to() {
    let town = Town::open().await;
    drop(town.shutdown);
    timeout(PATIENCE, town.publisher).await.expect("it does not end").unwrap().unwrap();
}
