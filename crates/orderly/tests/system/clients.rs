//! Clients that order again and again, and write down what they are told.

use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::join_all;
use serde_json::Value;
use test_support::System;
use tokio::time::sleep;

/// How many order at the same time.
const CLIENTS: usize = 8;

/// A client's pause between two orders: what comes in, debug builds of everything on two cores can still
/// follow.
const BETWEEN_ORDERS: Duration = Duration::from_millis(50);

/// A client's pause before it repeats a request that failed.
const BEFORE_REPEATING: Duration = Duration::from_millis(100);

/// For so long a request is repeated: longer than a test waits for anything, so that it says itself what did
/// not come.
const PERSISTENCE: Duration = Duration::from_mins(3);

/// An order that was answered with 201.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    /// The idempotency key it was sent with.
    pub(crate) key: String,
    pub(crate) order_id: String,
    /// The answer, byte for byte.
    pub(crate) body: Vec<u8>,
    /// When the answer had come.
    pub(crate) told_at: SystemTime,
}

/// Anything but a 201.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setback {
    Answer { status: u16, retry_after: Option<u32> },
    NoAnswer(String),
}

impl Setback {
    /// The only one that a full or absent Redis may cause.
    pub(crate) fn is_try_later(&self) -> bool {
        matches!(self, Self::Answer { status: 503, retry_after: Some(_) })
    }
}

/// Clients of one system, and what they wrote down.
pub(crate) struct Clients {
    name: &'static str,
    keys: AtomicUsize,
    closed: AtomicBool,
    promises: Mutex<Vec<Promise>>,
    setbacks: Mutex<Vec<Setback>>,
}

impl Clients {
    /// Clients whose keys begin with `name`.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            keys: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            promises: Mutex::default(),
            setbacks: Mutex::default(),
        }
    }

    /// Orders for as long as `work` takes. Then each client repeats what it has not had a 201 for yet, and
    /// leaves.
    pub(crate) async fn order_during<T>(&self, system: &System, work: impl Future<Output = T>) -> T {
        self.closed.store(false, Ordering::Relaxed);
        let done = async {
            let done = work.await;
            self.closed.store(true, Ordering::Relaxed);
            done
        };
        tokio::join!(done, join_all((0..CLIENTS).map(|_| self.order_until_closed(system)))).0
    }

    /// What was promised so far, in the order in which it was told.
    pub(crate) fn promises(&self) -> Vec<Promise> {
        let mut promises = lock(&self.promises).clone();
        promises.sort_by_key(|promise| promise.told_at);
        promises
    }

    /// What else clients were told so far.
    pub(crate) fn setbacks(&self) -> Vec<Setback> {
        lock(&self.setbacks).clone()
    }

    async fn order_until_closed(&self, system: &System) {
        while !self.closed.load(Ordering::Relaxed) {
            let number = self.keys.fetch_add(1, Ordering::Relaxed);
            self.order(system, format!("{}-{number}", self.name)).await;
            sleep(BETWEEN_ORDERS).await;
        }
    }

    async fn order(&self, system: &System, key: String) {
        let started = Instant::now();
        loop {
            let setback = match ask(system, &key).await {
                Ok(promise) => return lock(&self.promises).push(promise),
                Err(setback) => setback,
            };
            assert!(started.elapsed() < PERSISTENCE, "{key} was never accepted; at last: {setback:?}");
            lock(&self.setbacks).push(setback);
            sleep(BEFORE_REPEATING).await;
        }
    }
}

/// Sends an order with this key, once.
pub(crate) async fn ask(system: &System, key: &str) -> Result<Promise, Setback> {
    let answer = system.post_order("42", Some(key)).await.map_err(no_answer)?;
    let status = answer.status().as_u16();
    if status != 201 {
        let retry_after = answer.headers().get("retry-after");
        let retry_after = retry_after.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        return Err(Setback::Answer { status, retry_after });
    }
    let body = answer.bytes().await.map_err(no_answer)?.to_vec();
    let told_at = SystemTime::now();
    let order: Value = serde_json::from_slice(&body).expect("an order is JSON");
    let order_id = order["id"].as_str().expect("an order has an id").to_owned();
    Ok(Promise { key: key.to_owned(), order_id, body, told_at })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_answer(error: reqwest::Error) -> Setback {
    Setback::NoAnswer(error.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
