use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, FromRedisValue, PushInfo, PushKind,
    aio::{MultiplexedConnection, SendError},
};
use tokio::{
    sync::mpsc::{self, Receiver},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::{
    Backoff, Error, Redis,
    connection::{ANSWER_LIMIT, CONNECT_LIMIT},
};

/// How often a connection is asked whether it is still there.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How many messages may wait for the caller, and as many again for this module. A subscriber that falls further behind
/// is subscribed anew, and told so, rather than have messages pile up without bound.
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
    status: SubscriptionStatus,
    _stop: DropGuard,
}

/// Whether a [`Subscription`] hears its channels now. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionStatus(Arc<Turns>);

/// How often the channels were begun to be heard and ceased to be, in all: odd while they are heard.
type Turns = AtomicU64;

impl SubscriptionStatus {
    /// Fails with the reason while nothing can be heard.
    pub fn check(&self) -> Result<(), String> {
        self.turn().map(drop).ok_or_else(|| "not subscribed".into())
    }

    /// Which [`Event::Subscribed`], counted from 1, told of the subscription that stands; `None` while there is none. Known
    /// before the event is, so that whoever depends on having heard everything can tell that he has yet to hear of it.
    pub(crate) fn turn(&self) -> Option<u64> {
        let turns = self.0.load(Ordering::Acquire);
        (turns % 2 == 1).then_some(turns / 2 + 1)
    }

    /// Ends the subscription that stands, or begins one.
    #[cfg(test)]
    pub(crate) fn turn_over(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

impl Subscription {
    /// Subscribes in the background. The first event is [`Event::Subscribed`].
    pub fn start(redis: &Redis, channels: &[&str]) -> Self {
        let (sender, events) = mpsc::channel(BUFFER);
        let stop = CancellationToken::new();
        let status = SubscriptionStatus::default();
        let listener = Listener {
            redis: redis.clone(),
            channels: channels.iter().map(ToString::to_string).collect(),
            turns: Arc::clone(&status.0),
            events: sender,
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(listener.run()));
        Self { events, status, _stop: stop.drop_guard() }
    }

    /// Tells, for as long as the subscription lives, whether it hears its channels.
    pub fn status(&self) -> SubscriptionStatus {
        self.status.clone()
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
    turns: Arc<Turns>,
    events: mpsc::Sender<Event>,
}

impl Listener {
    async fn run(self) {
        let mut failures = 0;
        loop {
            let error = match self.connect().await {
                Ok((connection, pushes)) => {
                    failures = 0;
                    let error = self.listen(connection, pushes).await;
                    self.turns.fetch_add(1, Ordering::Release);
                    error
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

    async fn connect(&self) -> Result<(MultiplexedConnection, Receiver<PushInfo>), Error> {
        let (sender, pushes) = mpsc::channel(BUFFER);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(ANSWER_LIMIT))
            .set_push_sender(until_full(sender));
        let mut connection = self.redis.connect_anywhere(&config).await?;
        connection.subscribe(&self.channels).await?;
        Ok((connection, pushes))
    }

    /// Passes messages on until the connection fails.
    async fn listen(&self, mut connection: MultiplexedConnection, mut pushes: Receiver<PushInfo>) -> Error {
        self.turns.fetch_add(1, Ordering::Release);
        self.tell(Event::Subscribed).await;
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                push = pushes.recv() => match push {
                    Some(PushInfo { kind: PushKind::Message, data }) => {
                        if let Some(message) = read_message(data) {
                            self.tell(message).await;
                        }
                    }
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) => return lost("the connection was closed"),
                    Some(_) => {}
                    None => return lost("messages came faster than they were taken"),
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

fn lost(reason: &'static str) -> Error {
    redis::RedisError::from(std::io::Error::new(std::io::ErrorKind::ConnectionReset, reason)).into()
}

/// Passes pushes on until one does not fit, and none after it: the receiver then ends behind the last message that was
/// heard without a gap.
fn until_full(sender: mpsc::Sender<PushInfo>) -> impl Fn(PushInfo) -> Result<(), SendError> {
    let sender = Mutex::new(Some(sender));
    move |push| {
        let mut sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Ok(())) = sender.as_ref().map(|open| open.try_send(push)) {
            return Ok(());
        }
        *sender = None;
        Err(SendError)
    }
}
