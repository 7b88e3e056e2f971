//! The payment provider's HTTP API, as this service uses it.

use anyhow::Context;
use common::{
    messages::{OrderId, PaymentId},
    money::Money,
};
use reqwest::{Client, StatusCode};
use serde::{Deserialize, Serialize};

use crate::config::ProviderArgs;

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
    #[serde(default)]
    decline_code: Option<String>,
}

impl Provider {
    pub(crate) fn new(args: &ProviderArgs) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(args.connect_timeout())
            .timeout(args.timeout())
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
        let status = answer.status();
        match status {
            StatusCode::OK | StatusCode::CREATED => {
                let charge: Charge = answer.json().await.map_err(no_answer)?;
                Ok(Decision::Charged { charge_id: charge.id })
            }
            StatusCode::PAYMENT_REQUIRED => {
                let charge: Charge = answer.json().await.map_err(no_answer)?;
                let code = charge.decline_code.unwrap_or_else(|| "declined".into());
                Ok(Decision::Declined { code })
            }
            // In progress, or too fast, or gone astray: another time there will be an answer.
            StatusCode::NOT_FOUND
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::CONFLICT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS => Err(Unknown::Answer(status)),
            _ if status.is_client_error() => {
                let explanation = answer.text().await.unwrap_or_default();
                Ok(Decision::Refused { reason: format!("the provider answered {status}: {explanation}") })
            }
            _ => Err(Unknown::Answer(status)),
        }
    }
}

/// The URL is left out: it is in the configuration, and would be in every log line.
fn no_answer(error: reqwest::Error) -> Unknown {
    Unknown::NoAnswer(error.without_url().into())
}
