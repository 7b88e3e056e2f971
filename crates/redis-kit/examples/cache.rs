//! Cache-aside: one loads for all, what is stale is served while it is loaded anew, and what was invalidated stays away.
//!
//! ```sh
//! cargo run -p redis-kit --example cache
//! ```
//!
//! It runs on the Redis that `REDIS_URL` names, or else on a private one. Two instances of a shop ask a slow directory for
//! prices.

use std::{
    convert::Infallible,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use local_redis::{Durability, Server};
use redis_kit::{
    Redis,
    cache::{Cache, CacheOptions, Cached, Policy},
};
use tokio::time::{sleep, timeout};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

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

/// The slow place that knows the price. Clones share it.
#[derive(Clone, Default)]
struct Directory {
    price: Arc<AtomicU32>,
    asked: Arc<AtomicU32>,
}

impl Directory {
    async fn price(self) -> std::result::Result<Option<u32>, Infallible> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let price = self.price.load(Ordering::Relaxed);
        sleep(Duration::from_millis(100)).await;
        // There is no such thing as a price of nothing.
        Ok(Some(price).filter(|price| *price > 0))
    }
}

/// What was served, and how often the directory was asked for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) prices: Vec<Option<u32>>,
    pub(crate) asked: u32,
}

/// Asks for one price in several situations; of each what was seen.
pub(crate) async fn demonstrate(redis: &Redis) -> Result<Vec<Seen>> {
    // A name that nobody else has: the Redis may be shared.
    let key = format!("price:{:08x}", fastrand::u32(..));
    let directory = Directory::default();
    let shop = Shop { key, policy: Policy { ttl: Duration::from_secs(2), jitter: 0.0, ..Policy::default() } };
    let (north, south) = (instance(redis).await?, instance(redis).await?);
    let mut seen = Vec::new();

    println!("Twenty customers at two instances ask for something that has no price yet.");
    let crowd = (0..20).map(|n| shop.ask(if n % 2 == 0 { &north } else { &south }, &directory));
    seen.push(directory.seen(join_all(crowd).await)?);

    println!("It gets one, and that there was none is forgotten.");
    directory.price.store(10, Ordering::Relaxed);
    north.invalidate(&shop.key).await?;
    seen.push(directory.seen(vec![shop.ask(&north, &directory).await, shop.ask(&north, &directory).await])?);

    println!("Two seconds later that price is stale. It is served while the new one is loaded behind it.");
    directory.price.store(11, Ordering::Relaxed);
    sleep(shop.policy.ttl).await;
    let stale = shop.ask(&north, &directory).await;
    shop.until(&north, &directory, 11).await?;
    seen.push(directory.seen(vec![stale])?);

    println!("An instance is loading it when it changes. What that one has read already comes too late.");
    north.invalidate(&shop.key).await?;
    let late = async { shop.ask(&south, &directory).await };
    let change = async {
        sleep(Duration::from_millis(50)).await;
        directory.price.store(12, Ordering::Relaxed);
        north.invalidate(&shop.key).await
    };
    let (late, changed) = futures_util::join!(late, change);
    changed?;
    seen.push(directory.seen(vec![late, shop.ask(&north, &directory).await])?);
    north.invalidate(&shop.key).await?;
    Ok(seen)
}

/// Starts an instance, and waits until it hears of invalidations.
async fn instance(redis: &Redis) -> Result<Cache> {
    let cache = Cache::start(redis, CacheOptions::default())?;
    timeout(LIMIT, async {
        while !cache.hears_invalidations() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await?;
    Ok(cache)
}

struct Shop {
    key: String,
    policy: Policy,
}

impl Shop {
    async fn ask(&self, cache: &Cache, directory: &Directory) -> Result<Cached<u32>> {
        let directory = directory.clone();
        Ok(cache.get_or_load(&self.key, &self.policy, || directory.price()).await?)
    }

    async fn until(&self, cache: &Cache, directory: &Directory, price: u32) -> Result<()> {
        timeout(LIMIT, async {
            while self.ask(cache, directory).await?.value.as_deref() != Some(&price) {
                sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        })
        .await?
    }
}

impl Directory {
    /// Tells what was served since the last time.
    fn seen(&self, served: Vec<Result<Cached<u32>>>) -> Result<Seen> {
        let mut prices = Vec::new();
        for cached in served {
            let cached = cached?;
            println!("  {:?}: {}", cached.value, cached.cache_status("prices"));
            prices.push(cached.value.as_deref().copied());
        }
        let asked = self.asked.swap(0, Ordering::Relaxed);
        println!("  The directory was asked {asked} times.");
        Ok(Seen { prices, asked })
    }
}
