//! A job queue: mails that are to be sent, some of which make trouble, and workers of a consumer group that send them.
//!
//! ```sh
//! cargo run -p redis-kit --example worker
//! ```
//!
//! It runs on the Redis that `REDIS_URL` names, or else on a private one. Four mails are wanted. The one to Ada is sent at
//! once, that to Bob at the third attempt, that to Dan once somebody has mended what was wrong, and that to Eve by another
//! worker than the one that took it first, because that one dies.

use std::{
    error::Error,
    future::pending,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use local_redis::{Durability, Server};
use redis_kit::{
    Backoff, Connection, Redis,
    stream::{
        Commit, Delivery, Failure, GroupKeys, Handler, Message, Producer, Slot, StreamId, Worker,
        WorkerOptions,
        dead_letters::{DeadLetters, Filter},
        inspect::inspect,
        read_after,
    },
    trace::TraceContext,
};
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const GROUP: &str = "postmen";

/// No part of this takes so long.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<()> {
    let seen = if let Ok(url) = std::env::var("REDIS_URL") {
        demonstrate(&Redis::open(&url)?).await?
    } else {
        let server = Server::ephemeral(Durability::Volatile).await?;
        demonstrate(&Redis::open(&server.url())?).await?
    };
    println!("Each mail was sent once, and {} of them had been given up meanwhile:", seen.given_up.len());
    for (to, by) in seen.sent {
        println!("  to {to}, by {by}");
    }
    Ok(())
}

/// What the entries say: of the queue, and of the stream in which it is noted what was sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Mail {
    #[serde(rename = "mail.wanted")]
    Wanted { to: String },
    #[serde(rename = "mail.sent")]
    Sent { to: String, by: String },
}

impl Message for Mail {
    const TYPES: &'static [&'static str] = &["mail.wanted", "mail.sent"];

    fn message_type(&self) -> &'static str {
        match self {
            Self::Wanted { .. } => "mail.wanted",
            Self::Sent { .. } => "mail.sent",
        }
    }
}

/// What a worker does with each mail.
struct Postman {
    name: &'static str,
    sent: String,
    dan_has_an_address: Arc<AtomicBool>,
}

impl Handler for Postman {
    type Message = Mail;

    async fn handle(&self, delivery: Delivery<Mail>) -> std::result::Result<Commit, Failure> {
        let Mail::Wanted { to } = delivery.message else { return Err(Failure::reject("nothing to send")) };
        println!("  {} has the mail to {to}, attempt {}", self.name, delivery.attempt);
        match to.as_str() {
            "Bob" if delivery.attempt < 3 => return Err(Failure::retry("his mailbox is busy")),
            "Dan" if !self.dan_has_an_address.load(Ordering::Relaxed) => {
                return Err(Failure::reject("no such address"));
            }
            "Eve" if self.name == "first" => pending().await, // it hangs, until the worker dies
            _ => {}
        }
        // Here a mail server would be talked to, and might be twice: what is outside Redis must be idempotent. What is
        // inside happens once, together with the acknowledgement.
        let sent = Mail::Sent { to, by: self.name.into() };
        Ok(Commit::new().append(&self.sent, &sent, &delivery.trace)?)
    }
}

/// Mails that were sent: to whom, and by whom.
type Sent = Vec<(String, String)>;

/// What there is to see at the end.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) sent: Sent,
    /// Why there were dead letters.
    pub(crate) given_up: Vec<String>,
}

/// Sends four mails.
pub(crate) async fn demonstrate(redis: &Redis) -> Result<Seen> {
    // A name that nobody else has: the Redis may be shared. All keys carry one hash tag, so that a script may touch them
    // together on a cluster too.
    let name = format!("mails-{:08x}", fastrand::u32(..));
    let (queue, sent) = (format!("{name}:{{0}}"), format!("{name}:sent:{{0}}"));
    let mut commands = redis.commands()?;
    let dan_has_an_address = Arc::new(AtomicBool::new(false));
    let start = async |name: &'static str| {
        let postman = Postman { name, sent: sent.clone(), dan_has_an_address: dan_has_an_address.clone() };
        start(redis, &queue, postman).await
    };

    println!("Four mails are wanted, and a worker starts.");
    let mails = ["Ada", "Bob", "Dan", "Eve"].map(|to| Mail::Wanted { to: to.into() });
    Producer::new(commands.clone(), &queue).append_all(&mails, &TraceContext::root()).await?;
    let (first, _) = start("first").await?;
    until_sent(&mut commands, &sent, 2).await?;
    // Eve's mail is in the worker's hands, and all others are settled.
    until(async || {
        Ok(inspect(&mut commands.clone(), &queue).await?.groups.iter().all(|group| group.pending == 1))
    })
    .await?;

    println!("It dies, with the mail to Eve in its hands. Another worker is there.");
    let (second, stop) = start("second").await?;
    first.abort();
    let died = Instant::now();
    until_sent(&mut commands, &sent, 3).await?;
    println!(
        "  it took {:.1} s until that was taken over: the lease, and a little",
        died.elapsed().as_secs_f32()
    );

    println!("What was given up is in the group's dead letters:");
    let dead_letters = DeadLetters::new(commands.clone(), &queue, GROUP);
    let letters = dead_letters.list(None, 100, &Filter::default()).await?.letters;
    for letter in &letters {
        println!("  {}: {} ({})", letter.id, letter.text("data").unwrap_or_default(), letter.reason);
    }
    println!("Dan gets an address, and his mail is replayed.");
    dan_has_an_address.store(true, Ordering::Relaxed);
    dead_letters.replay_all(&Filter::default(), NonZeroU32::MIN.saturating_add(99)).await?;
    let mails = until_sent(&mut commands, &sent, 4).await?;

    println!(
        "The worker is asked to stop: it finishes what it has, hands back the rest, and leaves the group."
    );
    stop.cancel();
    second.await?;
    let keys = GroupKeys::new(&queue, GROUP);
    redis_kit::cmd("DEL").arg(&[&queue, &sent, &keys.lease, &keys.dead]).exec_async(&mut commands).await?;
    Ok(Seen { sent: mails, given_up: letters.into_iter().map(|letter| letter.reason).collect() })
}

/// Starts a worker. Aborted, it is as dead as a process that was killed; the token asks it to stop.
async fn start(redis: &Redis, queue: &str, postman: Postman) -> Result<(JoinHandle<()>, CancellationToken)> {
    let options = WorkerOptions {
        // Short, so that this takes no longer than it must.
        lease: Duration::from_secs(1),
        backoff: Backoff { base: Duration::from_millis(200), ..Backoff::default() },
        ..WorkerOptions::default()
    };
    let stop = CancellationToken::new();
    let worker = Worker::start(redis, &[queue.into()], GROUP, postman.name, postman, options).await?;
    Ok((tokio::spawn(worker.run(stop.clone())), stop))
}

/// The mails that were sent, once they are so many.
async fn until_sent(redis: &mut Connection, sent: &str, count: usize) -> Result<Sent> {
    let mut mails = Vec::new();
    until(async || {
        let page = read_after::<Mail>(&mut redis.clone(), sent, StreamId::ZERO, 100).await?;
        mails = page.slots.into_iter().filter_map(mail_sent).collect();
        Ok(mails.len() >= count)
    })
    .await?;
    Ok(mails)
}

fn mail_sent(slot: Slot<Mail>) -> Option<(String, String)> {
    let Slot::Entry(entry) = slot else { return None };
    if let Mail::Sent { to, by } = entry.message { Some((to, by)) } else { None }
}

async fn until(mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    timeout(LIMIT, async {
        while !holds().await? {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await?
}
