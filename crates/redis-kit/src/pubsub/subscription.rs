use std::time::Duration;

use redis::{AsyncConnectionConfig, FromRedisValue, PushInfo, PushKind, aio::MultiplexedConnection};
use tokio::{
    sync::mpsc::{self, Receiver, UnboundedReceiver},
    time::interval,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::{Backoff, Error, Redis};

/// How often a silent connection is asked whether it is still there, and how long it may take to answer.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How many messages may wait for the caller; more wait in the connection.
const BUFFER: usize = 1024;

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// From here on messages are heard. Comes first, and again after each reconnect: what was published in between
    /// was missed.
    Subscribed,
    /// One published message.
    Message {
        /// The channel it was published on.
        channel: String,
        /// What was published.
        payload: Vec<u8>,
    },
}

/// A subscription to some channels, which reconnects by itself until it is dropped.
///
/// Over RESP3 messages are pushed on a connection that still answers commands, so a half-open connection is noticed by
/// a `PING` that gets no answer.
pub struct Subscription {
    events: Receiver<Event>,
    _stop: DropGuard,
}

impl Subscription {
    /// Subscribes in the background. The first event is [`Event::Subscribed`].
    pub fn start(redis: &Redis, channels: &[&str]) -> Self {
        let (sender, events) = mpsc::channel(BUFFER);
        let stop = CancellationToken::new();
        let listener = Listener {
            redis: redis.clone(),
            channels: channels.iter().map(ToString::to_string).collect(),
            events: sender,
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(listener.run()));
        Self { events, _stop: stop.drop_guard() }
    }

    /// The next event. Safe to cancel. Never ends while the subscription lives.
    pub async fn next(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            // Only a runtime that is shutting down drops the listener first.
            None => std::future::pending().await,
        }
    }
}

struct Listener {
    redis: Redis,
    channels: Vec<String>,
    events: mpsc::Sender<Event>,
}

impl Listener {
    async fn run(self) {
        let mut failures = 0;
        loop {
            let error = match self.connect().await {
                Ok((connection, pushes)) => {
                    failures = 0;
                    self.listen(connection, pushes).await
                }
                Err(error) => error,
            };
            failures += 1;
            if failures == 1 {
                warn!(%error, channels = ?self.channels, "lost the subscription; subscribing again");
            }
            Backoff::wait_to_reconnect(failures).await;
        }
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, UnboundedReceiver<PushInfo>), Error> {
        let (sender, pushes) = mpsc::unbounded_channel();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(HEARTBEAT))
            .set_response_timeout(Some(HEARTBEAT))
            .set_push_sender(sender);
        let client = self.redis.client();
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        connection.subscribe(&self.channels).await?;
        Ok((connection, pushes))
    }

    /// Passes messages on until the connection fails.
    async fn listen(
        &self,
        mut connection: MultiplexedConnection,
        mut pushes: UnboundedReceiver<PushInfo>,
    ) -> Error {
        self.tell(Event::Subscribed).await;
        let mut heartbeat = interval(HEARTBEAT);
        loop {
            tokio::select! {
                push = pushes.recv() => match push {
                    Some(PushInfo { kind: PushKind::Message, data }) => {
                        if let Some(message) = read_message(data) {
                            self.tell(message).await;
                        }
                    }
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) | None => return disconnected(),
                    Some(_) => {}
                },
                _ = heartbeat.tick() => {
                    if let Err(error) = redis::cmd("PING").exec_async(&mut connection).await {
                        return error.into();
                    }
                }
            }
        }
    }

    async fn tell(&self, event: Event) {
        // Nobody listens any more: the subscription was dropped, and this task is about to be.
        let _ = self.events.send(event).await;
    }
}

/// A pushed message is its channel and its payload.
fn read_message(data: Vec<redis::Value>) -> Option<Event> {
    let (channel, payload) = FromRedisValue::from_redis_value(redis::Value::Array(data)).ok()?;
    Some(Event::Message { channel, payload })
}

fn disconnected() -> Error {
    redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset)).into()
}
