use std::collections::HashMap;

use reqwest::Client;
use serde_json::Value;
use uuid::Uuid;

use crate::{client::Promise, journal::Journal};

/// What is wrong in the end, order by order.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lost: Vec<Uuid>,
    pub(crate) doubled: Vec<Uuid>,
    /// The journal and the provider's books do not agree.
    pub(crate) contradictions: Vec<Uuid>,
}

impl Verdict {
    /// Compares what clients were promised, what the journal tells, and what the provider has in its books.
    pub(crate) async fn reach(promises: &[Promise], journal: &Journal, sandbox: &str) -> Self {
        let books = charges(sandbox).await;
        let mut verdict = Self::default();
        for Promise { order_id, .. } in promises {
            if !journal.is_settled(*order_id) {
                verdict.lost.push(*order_id);
            }
        }
        for order_id in journal.orders() {
            let charges = books.get(order_id).copied().unwrap_or_default();
            if charges > 1 {
                verdict.doubled.push(*order_id);
            }
            let is_paid = journal.paid.contains(order_id);
            // Of a parked one nobody knows.
            if is_paid != (charges > 0) && !journal.parked.contains(order_id) {
                verdict.contradictions.push(*order_id);
            }
        }
        verdict.doubled.extend(journal.settled_twice());
        verdict.contradictions.extend(books.keys().filter(|order| !journal.knows(**order)));
        verdict
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.contradictions.is_empty()
    }
}

/// How many charges succeeded, by order.
async fn charges(sandbox: &str) -> HashMap<Uuid, u32> {
    let http = Client::new();
    let (mut charges, mut cursor) = (HashMap::new(), Value::from(0));
    while !cursor.is_null() {
        let url = format!("{sandbox}/charges?limit=10000&cursor={cursor}");
        let page: Value = http.get(url).send().await.unwrap().json().await.unwrap();
        for charge in page["charges"].as_array().unwrap() {
            if charge["status"] == "succeeded" {
                let order_id = charge["reference"].as_str().unwrap().parse().unwrap();
                *charges.entry(order_id).or_default() += 1;
            }
        }
        cursor = page["next"].clone();
    }
    charges
}
