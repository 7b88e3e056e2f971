//! Customers, who order until they are promised what they wanted, and write down what they were promised.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use crate::fault::millis;

/// How many orders may be waiting for their answer at a time.
const CUSTOMERS: usize = 24;

/// The last one's amount is declined by the provider.
const PRODUCTS: [&str; 6] = ["BOOK-1", "COFFEE-1", "DESK-1", "MUG-1", "PEN-1", "ISLAND-1"];

/// What a customer was promised by a 201.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) order_id: Uuid,
    total: Value,
}

/// What customers have to say in the end.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) promises: Vec<Promise>,
    /// How often an order was sent.
    pub(crate) requests: usize,
    /// Answers that they should not have got.
    pub(crate) complaints: Vec<String>,
}

/// The customers' side of a run.
#[derive(Clone)]
pub(crate) struct Customers {
    pub(crate) gateways: Arc<[String]>,
    pub(crate) seed: u64,
    http: Client,
    account: Arc<Mutex<Account>>,
}

impl Customers {
    pub(crate) fn new(gateways: &[String], seed: u64) -> Self {
        // Many an answer will never come.
        let http = Client::builder().timeout(Duration::from_secs(2)).build().unwrap();
        Self { gateways: gateways.into(), seed, http, account: Arc::default() }
    }

    /// Places so many orders, so many a second; returns when all are promised.
    pub(crate) async fn order(&self, orders: u64, rate: u64) {
        let (numbers, waiting) = tokio::sync::mpsc::channel(CUSTOMERS);
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        let pacing = async move {
            let mut pace = interval(Duration::from_secs(1) / u32::try_from(rate).unwrap());
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for number in 0..orders {
                pace.tick().await;
                numbers.send(number).await.unwrap();
            }
        };
        let customers = join_all((0..CUSTOMERS).map(async |_| {
            loop {
                let number = waiting.lock().await.recv().await;
                let Some(number) = number else { return };
                self.insist(number).await;
            }
        }));
        tokio::join!(pacing, customers);
    }

    pub(crate) fn account(self) -> Account {
        std::mem::take(&mut self.account.lock().unwrap())
    }

    /// Sends one order, under one key, until it is promised.
    async fn insist(&self, number: u64) {
        let mut random = Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let items = json!([{"sku": PRODUCTS[random.usize(..PRODUCTS.len())], "quantity": random.u32(1..4)}]);
        let body = json!({"customer_id": random.u32(1..50).to_string(), "items": items});
        let key = format!("chaos-{:016x}-{number}", self.seed);
        let mut first: Option<Vec<u8>> = None;
        // One in eight does not trust the promise, and sends it again.
        let wanted = if random.u8(..8) == 0 { 3 } else { 1 };
        let mut promised = 0;
        while promised < wanted {
            let gateway = &self.gateways[random.usize(..self.gateways.len())];
            match self.post(gateway, &key, &body).await {
                Some(answer) => {
                    promised += 1;
                    let expected = first.get_or_insert_with(|| answer.clone());
                    if *expected != answer {
                        self.complain(format!("order {number} was answered with two bodies under one key"));
                    }
                }
                None => sleep(millis(random.u64(20..250))).await,
            }
        }
        let order: Value = serde_json::from_slice(&first.unwrap()).unwrap();
        let order_id = order["id"].as_str().unwrap().parse().unwrap();
        let promise = Promise { order_id, total: order["total"].clone() };
        self.account.lock().unwrap().promises.push(promise);
    }

    /// The body of a 201. Nothing if the order must be sent again.
    async fn post(&self, gateway: &str, key: &str, body: &Value) -> Option<Vec<u8>> {
        self.account.lock().unwrap().requests += 1;
        let request = self.http.post(format!("{gateway}/orders")).header("idempotency-key", key).json(body);
        let answer = request.send().await.ok()?;
        match answer.status() {
            StatusCode::CREATED => answer.bytes().await.ok().map(Into::into),
            StatusCode::SERVICE_UNAVAILABLE => None,
            status => {
                self.complain(format!("a gateway answered {status}: {:?}", answer.text().await));
                None
            }
        }
    }

    fn complain(&self, complaint: String) {
        self.account.lock().unwrap().complaints.push(complaint);
    }

    /// Waits until every promised order is shown with a final status.
    pub(crate) async fn see_final(&self, promises: &[Promise], limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        for promise in promises {
            loop {
                let status = self.status(promise.order_id).await;
                if matches!(&*status, "paid" | "payment_declined" | "payment_parked") {
                    break;
                }
                if Instant::now() >= deadline {
                    return Err(format!("order {} is shown as {status:?}", promise.order_id));
                }
                sleep(millis(50)).await;
            }
        }
        Ok(())
    }

    async fn status(&self, order_id: Uuid) -> String {
        let url = format!("{}/orders/{order_id}", self.gateways[0]);
        let order = async { self.http.get(url).send().await?.json::<Value>().await };
        order.await.ok().and_then(|order| order["status"].as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Writes promises as `orderly verify --promised` reads them.
pub(crate) fn write(promises: &[Promise], file: &Path) {
    let line = |promise: &Promise| {
        let Promise { order_id, total } = promise;
        format!(
            "{}\n",
            json!({"order_id": order_id, "amount": total["amount"], "currency": total["currency"]})
        )
    };
    std::fs::write(file, promises.iter().map(line).collect::<String>()).unwrap();
}
