//! The payment provider's HTTP API, as this service uses it.
//!
//! | answer | means |
//! |---|---|
//! | 200, 201, and the charge has succeeded | charged |
//! | 402, and the charge is declined | declined |
//! | 400, 422 | the provider does not accept the request itself: a person must look |
//! | anything else, or nothing | unknown: asked again with the same key |
//!
//! Unknown is the answer that costs least when it is wrong. A rotated key (401), a proxy in between (403, 407), a wrong
//! path (404, 405) or a redirect says nothing about the payment, and goes away once somebody has mended it.

use anyhow::Context;
use common::{
    messages::{OrderId, PaymentId},
    money::Money,
};
use reqwest::{Client, Response, StatusCode, redirect};
use serde::{Deserialize, Serialize};

use crate::config::ProviderArgs;

/// No more of an answer is read than this many bytes, give or take a chunk; a charge is a few hundred.
const LARGEST_BODY: usize = 16 * 1024;

/// No more characters of what the provider says in words end up in the journal.
const LONGEST_EXPLANATION: usize = 300;

/// A client of the provider. Keeps its connections.
pub(crate) struct Provider {
    client: Client,
    charges: String,
}

/// What the provider has decided; it will never decide otherwise for the same payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The money was moved.
    Charged { charge_id: String },
    /// The money will not be moved.
    Declined { code: String },
    /// The provider does not accept the request itself, so that repeating it is no use.
    Refused { reason: String },
}

/// No decision is known: the money may have been moved or not. Asking again with the same key tells.
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
    status: Outcome,
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
        let client = Client::builder()
            .connect_timeout(args.connect_timeout())
            .timeout(args.timeout())
            // Followed, a 301, 302 or 303 would turn the charge into a GET, and its answer into one about something else.
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true)
            .build()
            .context("cannot set up the HTTP client")?;
        let base = args.provider_url.trim_end_matches('/');
        let charges = format!("{base}/charges");
        reqwest::Url::parse(&charges)
            .with_context(|| format!("{base:?} (--provider-url) is no URL; expected http://host:port"))?;
        Ok(Self { client, charges })
    }

    /// Charges for an order, or learns what an earlier attempt with the same payment came to.
    pub(crate) async fn charge(
        &self,
        payment_id: PaymentId,
        order_id: OrderId,
        amount: Money,
    ) -> Result<Decision, Unknown> {
        let request = self
            .client
            .post(&self.charges)
            .header("idempotency-key", payment_id.to_string())
            .json(&ChargeRequest { amount, reference: order_id });
        let answer = request.send().await.map_err(no_answer)?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => {
                let charge = Charge::read(answer, Outcome::Succeeded).await?;
                Ok(Decision::Charged { charge_id: charge.id })
            }
            StatusCode::PAYMENT_REQUIRED => {
                let charge = Charge::read(answer, Outcome::Declined).await?;
                let code = charge.decline_code.as_deref().unwrap_or("declined");
                Ok(Decision::Declined { code: shortened(code) })
            }
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                Ok(Decision::Refused { reason: refusal(answer).await })
            }
            status => Err(Unknown::Answer(status)),
        }
    }
}

impl Charge {
    /// The charge in an answer whose status says that it came to `expected`.
    async fn read(mut answer: Response, expected: Outcome) -> Result<Self, Unknown> {
        let status = answer.status();
        let mut body = Vec::new();
        read_beginning(&mut answer, &mut body).await.map_err(no_answer)?;
        if body.len() > LARGEST_BODY {
            return Err(Unknown::TooLong(status));
        }
        let charge: Self = serde_json::from_slice(&body).map_err(|error| Unknown::NoCharge(status, error))?;
        if charge.status != expected {
            return Err(Unknown::Contradiction { status, outcome: charge.status });
        }
        Ok(charge)
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
