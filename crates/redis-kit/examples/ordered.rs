//! Entries in their order, though several instances share the work: each partition is one instance's at a time.
//!
//! ```sh
//! cargo run -p redis-kit --example ordered
//! ```
//!
//! It runs on the Redis that `REDIS_URL` names, or else on a private one. Four accounts, two to a partition, get numbered
//! bookings: three while one instance is there, three while there are two, and three after one has left.

use std::{collections::BTreeMap, error::Error, time::Duration};

use local_redis::{Durability, Server};
use redis_kit::{
    Connection, Redis,
    stream::{
        Commit, Delivery, Failure, GroupKeys, Handler, Message, Mode, Producer, Slot, StreamId, Worker,
        WorkerOptions, read_after,
    },
    trace::TraceContext,
};
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const GROUP: &str = "bookkeepers";
/// An account belongs to one partition, so that its bookings are in one stream.
const ACCOUNTS: [[&str; 2]; 2] = [["Ann", "Ben"], ["Cat", "Don"]];
/// No part of this takes so long.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<()> {
    if let Ok(url) = std::env::var("REDIS_URL") {
        demonstrate(&Redis::open(&url)?).await?;
    } else {
        let server = Server::ephemeral(Durability::Volatile).await?;
        demonstrate(&Redis::open(&server.url())?).await?;
    }
    Ok(())
}

/// What the entries say: of the journal, and of the book, in which it is noted who booked what.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Booking {
    #[serde(rename = "booking.wanted")]
    Wanted { account: String, number: u32 },
    #[serde(rename = "booking.done")]
    Done { account: String, number: u32, by: String },
}

impl Message for Booking {
    const TYPES: &'static [&'static str] = &["booking.wanted", "booking.done"];

    fn message_type(&self) -> &'static str {
        match self {
            Self::Wanted { .. } => "booking.wanted",
            Self::Done { .. } => "booking.done",
        }
    }
}

/// What an instance does with each booking. `books` are one a partition, with the same hash tag.
struct Bookkeeper {
    name: &'static str,
    books: Vec<String>,
}

impl Handler for Bookkeeper {
    type Message = Booking;

    async fn handle(&self, delivery: Delivery<Booking>) -> std::result::Result<Commit, Failure> {
        let Booking::Wanted { account, number } = delivery.message else {
            return Err(Failure::reject("this is no journal entry"));
        };
        if account == "Ann" && number == 5 && delivery.attempt == 1 {
            println!("  {} cannot book Ann 5 yet; what is behind it waits too", self.name);
            return Err(Failure::retry("her account is locked"));
        }
        println!("  {} books {account} {number}", self.name);
        // Applied by the script that moves the group's cursor behind the entry, if this instance still holds the partition.
        let done = Booking::Done { account, number, by: self.name.into() };
        Ok(Commit::new().append(&self.books[delivery.partition], &done, &delivery.trace)?)
    }
}

/// The bookings of each account as they stand in the book: number, and by whom.
pub(crate) type Books = BTreeMap<String, Vec<(u32, String)>>;

/// Books nine times for each account.
pub(crate) async fn demonstrate(redis: &Redis) -> Result<Books> {
    // Names that nobody else has: the Redis may be shared.
    let name = format!("bookings-{:08x}", fastrand::u32(..));
    let journals: Vec<String> = (0..2).map(|partition| format!("{name}:{{{partition}}}")).collect();
    let books: Vec<String> = (0..2).map(|partition| format!("{name}:book:{{{partition}}}")).collect();
    let mut commands = redis.commands()?;

    println!("One instance is there, and holds both partitions.");
    let (north, stop_north) = start(redis, &journals, &books, "north").await?;
    want(&commands, &journals, 1..=3).await?;
    until_booked(&mut commands, &books, 3).await?;

    println!("Another one comes: each holds one.");
    let (south, stop_south) = start(redis, &journals, &books, "south").await?;
    until_held_by(&mut commands, &journals[1], "south").await?;
    want(&commands, &journals, 4..=6).await?;
    until_booked(&mut commands, &books, 6).await?;

    println!("It leaves again, and the first goes on behind what it has booked.");
    stop_south.cancel();
    south.await?;
    want(&commands, &journals, 7..=9).await?;
    let booked = until_booked(&mut commands, &books, 9).await?;
    stop_north.cancel();
    north.await?;

    println!("Each account's bookings are in their order:");
    for (account, bookings) in &booked {
        let bookings: Vec<String> = bookings.iter().map(|(number, by)| format!("{number} {by}")).collect();
        println!("  {account}: {}", bookings.join(", "));
    }
    for (journal, book) in journals.iter().zip(&books) {
        let lease = GroupKeys::new(journal, GROUP).lease;
        redis_kit::cmd("DEL").arg(&[journal, book, &lease]).exec_async(&mut commands).await?;
    }
    Ok(booked)
}

async fn start(
    redis: &Redis,
    journals: &[String],
    books: &[String],
    name: &'static str,
) -> Result<(JoinHandle<()>, CancellationToken)> {
    let bookkeeper = Bookkeeper { name, books: books.to_vec() };
    // A partition that is another's turn is given away at the next heartbeat, of which a lease has three.
    let options =
        WorkerOptions { mode: Mode::Ordered, lease: Duration::from_secs(2), ..WorkerOptions::default() };
    let stop = CancellationToken::new();
    let worker = Worker::start(redis, journals, GROUP, name, bookkeeper, options).await?;
    Ok((tokio::spawn(worker.run(stop.clone())), stop))
}

/// Appends bookings of every account to the journal of its partition.
async fn want(
    redis: &Connection,
    journals: &[String],
    numbers: impl Iterator<Item = u32> + Clone,
) -> Result<()> {
    for (journal, accounts) in journals.iter().zip(ACCOUNTS) {
        let wanted = |number| accounts.map(|account| Booking::Wanted { account: account.into(), number });
        let bookings: Vec<Booking> = numbers.clone().flat_map(wanted).collect();
        Producer::new(redis.clone(), journal).append_all(&bookings, &TraceContext::root()).await?;
    }
    Ok(())
}

/// Waits until an instance of that name holds the partition, which its lease tells.
async fn until_held_by(redis: &mut Connection, journal: &str, name: &str) -> Result<()> {
    let lease = GroupKeys::new(journal, GROUP).lease;
    until(async || {
        let mut holder = redis_kit::cmd("HGET");
        let holder: Option<String> = holder.arg(&lease).arg("holder").query_async(&mut redis.clone()).await?;
        Ok(holder.is_some_and(|holder| holder.starts_with(name)))
    })
    .await
}

/// What is in the books, once it is so much of each account.
async fn until_booked(redis: &mut Connection, books: &[String], count: usize) -> Result<Books> {
    let mut booked = Books::new();
    until(async || {
        booked.clear();
        for book in books {
            let page = read_after::<Booking>(&mut redis.clone(), book, StreamId::ZERO, 1000).await?;
            for slot in page.slots {
                if let Slot::Entry(entry) = slot
                    && let Booking::Done { account, number, by } = entry.message
                {
                    booked.entry(account).or_default().push((number, by));
                }
            }
        }
        Ok(booked.len() == 4 && booked.values().all(|bookings| bookings.len() >= count))
    })
    .await?;
    Ok(booked)
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
