//! An order over HTTP, and what the gateway says to it.

use std::time::Duration;

use anyhow::Context;
use common::{messages::OrderId, steadily::steadily};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{http, report::in_words};

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A gateway that has been reached.
pub(super) struct Gateway {
    client: Client,
    orders: Url,
}

/// What is asked for.
pub(super) struct NewOrder {
    body: Value,
    /// The idempotency key, if a lost answer is to be asked for again.
    key: Option<String>,
}

/// Why an order was not accepted, as far as anybody knows.
#[derive(Debug)]
pub(super) enum Setback {
    /// An answer that is no 201.
    Refused { status: u16, why: String },
    /// There was no answer, or none that can be read: the order may have been accepted all the same.
    Unanswered(String),
}

/// What there is to know of an order that was accepted.
#[derive(Deserialize)]
struct Accepted {
    id: OrderId,
}

/// An error answer (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: String,
}

impl Gateway {
    /// Fails if nobody answers at this base URL.
    pub(super) async fn reach(base: &str) -> anyhow::Result<Self> {
        let base = base.trim_end_matches('/');
        let parse = |path| {
            Url::parse(&format!("{base}/{path}"))
                .with_context(|| format!("{base:?} (--url) is no URL; expected http://host:port"))
        };
        let (orders, alive) = (parse("orders")?, parse("livez")?);
        let client = http::client(&orders, ANSWER_LIMIT)?;
        // Whatever the answer is: somebody else may stand in front of the gateway.
        client.get(alive).send().await.map_err(reqwest::Error::without_url).with_context(|| {
            format!(
                "no gateway answers at {base}; start the system (orderly up), or say where it is with --url"
            )
        })?;
        Ok(Self { client, orders })
    }

    /// Places an order, and gives its id. With an idempotency key it is asked again, a few times, where that may help.
    pub(super) async fn place(&self, order: &NewOrder) -> Result<OrderId, Setback> {
        steadily(|setback: &Setback| order.key.is_some() && setback.may_pass(), || self.ask(order)).await
    }

    async fn ask(&self, order: &NewOrder) -> Result<OrderId, Setback> {
        let mut request = self.client.post(self.orders.clone()).json(&order.body);
        if let Some(key) = &order.key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.map_err(unanswered)?;
        if answer.status() != StatusCode::CREATED {
            return Err(refused(answer).await);
        }
        let body = answer.bytes().await.map_err(unanswered)?;
        let accepted: Result<Accepted, _> = serde_json::from_slice(&body);
        accepted
            .map(|order| order.id)
            .map_err(|error| Setback::Unanswered(format!("a 201 that is no order: {error}")))
    }
}

impl NewOrder {
    pub(super) fn new(customer: &str, sku: &str, idempotent: bool) -> Self {
        Self {
            body: json!({ "customer_id": customer, "items": [{ "sku": sku, "quantity": 1 }] }),
            key: idempotent.then(|| Uuid::new_v4().to_string()),
        }
    }
}

impl Setback {
    /// Whether the next answer may be another.
    fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500,
            Self::Unanswered(_) => true,
        }
    }
}

fn unanswered(error: reqwest::Error) -> Setback {
    Setback::Unanswered(in_words(&error.without_url().into()))
}

async fn refused(answer: Response) -> Setback {
    let status = answer.status();
    let why = match answer.json().await {
        Ok(Problem { title, detail }) if detail.is_empty() => title,
        Ok(Problem { title, detail }) => format!("{title}: {detail}"),
        // Somebody else may stand in front of the gateway.
        Err(_) => status.canonical_reason().unwrap_or("no reason was given").to_owned(),
    };
    Setback::Refused { status: status.as_u16(), why }
}
