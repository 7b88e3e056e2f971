//! The payment provider's HTTP API, as this service uses it.
//!
//! | answer | means |
//! |---|---|
//! | 200, 201, and the charge has succeeded | charged |
//! | 402, and the charge is declined | declined |
//! | 400, 422, or a charge of another amount | the provider does not accept the request itself: a person must look |
//! | 404 when asked what became of a charge | it knows of none, which may change |
//! | anything else, or nothing | unknown |
//!
//! Unknown is the answer that costs least when it is wrong. A rotated key (401), a proxy in between (403, 407), a wrong
//! path (404, 405) or a redirect says nothing about the payment, and goes away once somebody has mended it. Nor does an
//! answer about another payment, as comes from a provider that answers twice.

use std::{
    sync::{PoisonError, RwLock},
    time::Duration,
};

use anyhow::Context;
use common::{messages::OrderId, money::Money};
use metrics::describe_counter;
use reqwest::{Client, Response, StatusCode, redirect};
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::{config::ProviderArgs, payment::Answer, record::Payment};

/// No more of an answer is read than this many bytes, give or take a chunk; a charge is a few hundred.
const LARGEST_BODY: usize = 16 * 1024;

/// No more characters of what the provider says in words end up in the journal.
const LONGEST_EXPLANATION: usize = 300;

/// A connection that has not been used for so long is given up, before a balancer in between forgets it without a word.
const KEPT: Duration = Duration::from_secs(30);

/// A client of the provider. Keeps its connections.
pub(crate) struct Provider {
    args: ProviderArgs,
    client: RwLock<Client>,
    charges: String,
}

/// Nothing is known: the money may have been moved or not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("the provider did not answer: {0:#}")]
    NoAnswer(anyhow::Error),
    #[error("the provider answered {0}")]
    Answer(StatusCode),
    #[error("the provider answered {0} with something that is no charge: {1}")]
    NoCharge(StatusCode, serde_json::Error),
    #[error("the provider answered {0} with more than {LARGEST_BODY} bytes")]
    TooLong(StatusCode),
    #[error(
        "the provider contradicts itself: it answered {status}, but says that the charge has {outcome:?}"
    )]
    Contradiction { status: StatusCode, outcome: Outcome },
    #[error("the provider answered {0} with the charge of another payment")]
    OtherPayment(StatusCode),
}

#[derive(Serialize)]
struct ChargeRequest {
    #[serde(flatten)]
    amount: Money,
    reference: OrderId,
}

#[derive(Deserialize)]
struct Charge {
    id: String,
    /// The idempotency key it was asked for with.
    key: String,
    status: Outcome,
    #[serde(flatten)]
    amount: Money,
    #[serde(default)]
    decline_code: Option<String>,
}

/// What the provider says in an answer's body became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Succeeded,
    Declined,
}

impl Provider {
    pub(crate) fn new(args: &ProviderArgs) -> anyhow::Result<Self> {
        let client = client(args).context("cannot set up the HTTP client")?;
        let base = args.provider_url.trim_end_matches('/');
        let charges = format!("{base}/charges");
        reqwest::Url::parse(&charges)
            .with_context(|| format!("{base:?} (--provider-url) is no URL; expected http://host:port"))?;
        describe_counter!(
            "provider_calls_total",
            "Calls to the provider, by whether they brought a definite answer."
        );
        Ok(Self { args: args.clone(), client: RwLock::new(client), charges })
    }

    /// Gives up all connections. Whatever is wrong with those that are kept (they lead nowhere, or somebody else's answer is still to
    /// come on them) would else be found out one by one.
    pub(crate) fn connect_anew(&self) {
        match client(&self.args) {
            Ok(client) => *self.client.write().unwrap_or_else(PoisonError::into_inner) = client,
            Err(error) => error!(%error, "cannot set up another HTTP client; going on with this one"),
        }
    }

    fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Charges, or learns what an earlier attempt at the same payment came to.
    pub(crate) async fn charge(&self, payment: &Payment) -> Result<Answer, Unknown> {
        let request = self
            .client()
            .post(&self.charges)
            .header("idempotency-key", payment.id.to_string())
            .json(&ChargeRequest { amount: payment.amount, reference: payment.order_id });
        let answer = request.send().await.map_err(no_answer)?;
        let expected = match answer.status() {
            StatusCode::OK | StatusCode::CREATED => Outcome::Succeeded,
            StatusCode::PAYMENT_REQUIRED => Outcome::Declined,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                return Ok(Answer::Refused { reason: refusal(answer).await });
            }
            status => return Err(Unknown::Answer(status)),
        };
        let status = answer.status();
        let charge = Charge::read(answer).await?;
        if charge.status != expected {
            return Err(Unknown::Contradiction { status, outcome: charge.status });
        }
        charge.answer_to(payment, status)
    }

    /// Asks what became of a payment's charge, without making one.
    pub(crate) async fn find(&self, payment: &Payment) -> Result<Answer, Unknown> {
        let request = self.client().get(format!("{}/{}", self.charges, payment.id));
        let answer = request.send().await.map_err(no_answer)?;
        match answer.status() {
            StatusCode::OK => Charge::read(answer).await?.answer_to(payment, StatusCode::OK),
            StatusCode::NOT_FOUND => Ok(Answer::NotFound),
            status => Err(Unknown::Answer(status)),
        }
    }
}

/// Clones share connections.
fn client(args: &ProviderArgs) -> reqwest::Result<Client> {
    Client::builder()
        .connect_timeout(args.connect_timeout())
        .timeout(args.timeout())
        .pool_idle_timeout(KEPT)
        // Followed, a 301, 302 or 303 would turn the charge into a GET, and its answer into one about something else.
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true)
        .build()
}

impl Charge {
    /// The charge in an answer.
    async fn read(mut answer: Response) -> Result<Self, Unknown> {
        let status = answer.status();
        let mut body = Vec::new();
        read_beginning(&mut answer, &mut body).await.map_err(no_answer)?;
        if body.len() > LARGEST_BODY {
            return Err(Unknown::TooLong(status));
        }
        serde_json::from_slice(&body).map_err(|error| Unknown::NoCharge(status, error))
    }

    /// What it says about a payment.
    fn answer_to(self, payment: &Payment, status: StatusCode) -> Result<Answer, Unknown> {
        if self.key != payment.id.to_string() {
            return Err(Unknown::OtherPayment(status));
        }
        if self.amount != payment.amount {
            let reason = format!("the provider has a charge of {} for this payment", self.amount);
            return Ok(Answer::Refused { reason });
        }
        Ok(match self.status {
            Outcome::Succeeded => Answer::Charged { charge_id: self.id },
            Outcome::Declined => {
                Answer::Declined { code: shortened(self.decline_code.as_deref().unwrap_or("declined")) }
            }
        })
    }
}

/// Why the provider refuses, as it says itself.
async fn refusal(mut answer: Response) -> String {
    let status = answer.status();
    let mut body = Vec::new();
    // The status has decided; an explanation cut off midway explains all the same.
    let _ = read_beginning(&mut answer, &mut body).await;
    match shortened(&String::from_utf8_lossy(&body)).as_str() {
        "" => format!("the provider answered {status}"),
        explanation => format!("the provider answered {status}: {explanation}"),
    }
}

/// Reads on until the end, or until there is more than anybody wants.
async fn read_beginning(answer: &mut Response, body: &mut Vec<u8>) -> Result<(), reqwest::Error> {
    while body.len() <= LARGEST_BODY
        && let Some(chunk) = answer.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

/// On one line, and not longer than the journal should hold.
fn shortened(text: &str) -> String {
    let one_line = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    one_line.take(LONGEST_EXPLANATION).collect()
}

/// The URL is left out: it is in the configuration, and would be in every log line.
fn no_answer(error: reqwest::Error) -> Unknown {
    Unknown::NoAnswer(error.without_url().into())
}

#[cfg(test)]
mod tests;
