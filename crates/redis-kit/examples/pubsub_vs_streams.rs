//! What a subscriber hears that was away for a while: with plain pub/sub, as a consumer group of a stream, and with
//! pub/sub that can be replayed from a stream.
//!
//! ```sh
//! cargo run -p redis-kit --example pubsub_vs_streams
//! ```
//!
//! It runs on the Redis that `REDIS_URL` names, or else on a private one. Nine parcels are sent; each subscriber hears the
//! first three, is away for the next three, and comes back for the last three.

use std::{collections::BTreeSet, error::Error, time::Duration};

use local_redis::{Durability, Server};
use redis_kit::{
    Connection, Redis,
    pubsub::{Announcement, Event, Position, ReplayEvent, ReplaySubscription, Since, Subscription, live},
    stream::{Commit, Delivery, Entry, Failure, Handler, Message, StreamId, Worker, WorkerOptions, encode},
    trace::TraceContext,
};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// No part of this takes so long: where nothing is heard, something is wrong.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<()> {
    if let Ok(url) = std::env::var("REDIS_URL") {
        print(&demonstrate(&Redis::open(&url)?).await?);
    } else {
        let server = Server::ephemeral(Durability::Volatile).await?;
        print(&demonstrate(&Redis::open(&server.url())?).await?);
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------------------------
// What is sent
// ---------------------------------------------------------------------------------------------------------------------

/// The entries of the stream, which is the journal of what happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
enum ParcelEvent {
    #[serde(rename = "parcel.sent")]
    Sent { number: u32 },
}

impl Message for ParcelEvent {
    const TYPES: &'static [&'static str] = &["parcel.sent"];

    fn message_type(&self) -> &'static str {
        "parcel.sent"
    }
}

/// What is told to listeners: the number alone.
#[derive(Debug, Serialize, Deserialize)]
struct ParcelNews {
    number: u32,
}

impl Announcement for ParcelNews {
    type Message = ParcelEvent;

    // The publisher makes the live message by this, and a subscriber what it reads from the journal.
    fn of(entry: Entry<ParcelEvent>) -> Option<Self> {
        let ParcelEvent::Sent { number } = entry.message;
        Some(Self { number })
    }
}

/// Sends parcels: appends each to the stream, and announces it on the channel.
///
/// A crash between the two would lose the announcement; replay heals that too, when the next one comes. A service would
/// rather be one consumer of the stream that publishes in the same script that moves it on.
struct Sender {
    redis: Connection,
    stream: String,
    channel: String,
    prev: StreamId,
}

impl Sender {
    async fn send(&mut self, numbers: impl IntoIterator<Item = u32>) -> Result<()> {
        for number in numbers {
            let fields = encode(&ParcelEvent::Sent { number }, &TraceContext::root())?;
            let mut append = redis_kit::cmd("XADD");
            append.arg(&self.stream).arg("*").arg(fields.as_slice());
            let id: StreamId = append.query_async::<String>(&mut self.redis).await?.parse()?;
            // Each message says which entry it announces, and which one stands before that.
            let payload = live(&ParcelNews { number }, Position { partition: 0, prev: self.prev, id })?;
            redis_kit::cmd("PUBLISH").arg(&self.channel).arg(payload).exec_async(&mut self.redis).await?;
            self.prev = id;
        }
        Ok(())
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Who listens
// ---------------------------------------------------------------------------------------------------------------------

type Numbers = BTreeSet<u32>;

/// Notes the numbers up to the one that was sent last.
async fn listen(subscription: &mut Subscription, last: u32, heard: &mut Numbers) -> Result<()> {
    while !heard.contains(&last) {
        if let Event::Message { payload, .. } = timeout(LIMIT, subscription.next()).await? {
            heard.insert(serde_json::from_slice::<ParcelNews>(&payload)?.number);
        }
    }
    Ok(())
}

/// The same with replay. The position that is kept in Redis moves on with what is done.
async fn listen_with_replay(
    subscription: &mut ReplaySubscription<ParcelNews>,
    last: u32,
    heard: &mut Numbers,
) -> Result<()> {
    while !heard.contains(&last) {
        let event = timeout(LIMIT, subscription.next()).await?;
        match &event {
            ReplayEvent::Entry { announcement, .. } => {
                heard.insert(announcement.number);
            }
            ReplayEvent::Reset { from, .. } => println!("what came after {from} may be gone, and it says so"),
        }
        subscription.done(&event);
    }
    Ok(())
}

/// The handler of a consumer group: it is given the entries of the stream, and acknowledges each by a commit.
struct Note(mpsc::UnboundedSender<u32>);

impl Handler for Note {
    type Message = ParcelEvent;

    async fn handle(&self, delivery: Delivery<ParcelEvent>) -> std::result::Result<Commit, Failure> {
        let ParcelEvent::Sent { number } = delivery.message;
        // Nobody notes any more: the demonstration is over.
        let _ = self.0.send(number);
        Ok(Commit::new())
    }
}

/// One member of the group, at work until it is stopped.
struct Consumer {
    stop: CancellationToken,
    working: JoinHandle<()>,
    numbers: mpsc::UnboundedReceiver<u32>,
}

impl Consumer {
    async fn start(redis: &Redis, stream: &str, name: &str) -> Result<Self> {
        let (sender, numbers) = mpsc::unbounded_channel();
        let streams = [stream.to_owned()];
        // One at a time, so that they come in order.
        let options = WorkerOptions { concurrency: 1, ..WorkerOptions::default() };
        let worker = Worker::start(redis, &streams, "notes", name, Note(sender), options).await?;
        let stop = CancellationToken::new();
        let working = tokio::spawn(worker.run(stop.clone()));
        Ok(Self { stop, working, numbers })
    }

    async fn listen(&mut self, last: u32, heard: &mut Numbers) -> Result<()> {
        while !heard.contains(&last) {
            heard.insert(timeout(LIMIT, self.numbers.recv()).await?.ok_or("the worker has ended")?);
        }
        Ok(())
    }

    async fn leave(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.working.await?)
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// What happens
// ---------------------------------------------------------------------------------------------------------------------

/// What each of the three has heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) plain: Numbers,
    pub(crate) group: Numbers,
    pub(crate) replay: Numbers,
}

/// Sends nine parcels while three subscribers come and go.
pub(crate) async fn demonstrate(redis: &Redis) -> Result<Heard> {
    // Names that nobody else has: the Redis may be shared.
    let name = format!("parcels-{:08x}", fastrand::u32(..));
    let (channel, stream) = (name.clone(), format!("{name}:{{0}}"));
    let streams = [stream.clone()];
    let mut commands = redis.commands()?;
    let mut sender = Sender {
        redis: commands.clone(),
        stream: stream.clone(),
        channel: channel.clone(),
        prev: StreamId::ZERO,
    };
    let mut heard = Heard::default();

    // All three are there.
    let mut plain = Subscription::start(redis, &[&channel]);
    plain.next().await; // it is subscribed
    let mut consumer = Consumer::start(redis, &stream, "first").await?;
    let since = Since::Kept("news".into());
    let mut replay = ReplaySubscription::start(redis, &channel, &streams, since.clone()).await?;
    sender.send(1..=3).await?;
    listen(&mut plain, 3, &mut heard.plain).await?;
    consumer.listen(3, &mut heard.group).await?;
    listen_with_replay(&mut replay, 3, &mut heard.replay).await?;

    // All three are away: a deployment, a crash, a lost connection.
    drop(plain);
    consumer.leave().await?;
    replay.stop().await;
    sender.send(4..=6).await?;

    // All three are back.
    let mut plain = Subscription::start(redis, &[&channel]);
    plain.next().await;
    let mut consumer = Consumer::start(redis, &stream, "second").await?;
    let mut replay = ReplaySubscription::start(redis, &channel, &streams, since).await?;
    sender.send(7..=9).await?;
    listen(&mut plain, 9, &mut heard.plain).await?;
    consumer.listen(9, &mut heard.group).await?;
    listen_with_replay(&mut replay, 9, &mut heard.replay).await?;

    consumer.leave().await?;
    replay.stop().await;
    redis_kit::cmd("DEL").arg(&stream).exec_async(&mut commands).await?;
    Ok(heard)
}

fn print(heard: &Heard) {
    println!("                   there     away     back");
    for (who, numbers, means) in [
        ("plain pub/sub", &heard.plain, "at most once: whoever is away misses it"),
        ("consumer group", &heard.group, "every entry is handled, by one member of the group"),
        ("pub/sub + replay", &heard.replay, "live for every subscriber, and what it missed from the stream"),
    ] {
        let columns = [1..=3, 4..=6, 7..=9].map(|numbers_sent| {
            let shown = numbers_sent.map(|n| if numbers.contains(&n) { n.to_string() } else { "·".into() });
            shown.collect::<Vec<_>>().join(" ")
        });
        println!("{who:<18} {}    {}    {}    {means}", columns[0], columns[1], columns[2]);
    }
}
