//! The payment provider.
//!
//! | route | answer |
//! |---|---|
//! | `POST /charges` | 201 with the charge, 402 with it when declined; the stored answer for a key already known |
//! | `GET /charges/{key}` | the charge or 404 |
//! | `DELETE /keys`, `DELETE /keys/{key}` | 204: all keys or one are forgotten, as providers forget them after a day or so. The charges stay, and are found; but another charge with the key is a second charge |
//! | `GET /charges?cursor=&limit=` | the books: totals, and the charges in the order of their creation |

mod books;
mod charge;
mod file;
mod request;

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{ConnectInfo, Path, Query, State},
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use common::problem::Problem;
use metrics::counter;
use tracing::{debug, error, info};

pub(crate) use books::Books;
use books::{Page, RecordError, Recorded};
use charge::{Charge, DeclineCode, Status};
use request::{ChargeRequest, IdempotencyKey, Order, PageRequest};

use crate::{
    extract::Checked,
    faults::{self, Faults, Mishap},
    network::Line,
};

/// Opens the books in `file`, or empty ones in memory.
pub(crate) async fn open_books(file: Option<PathBuf>) -> anyhow::Result<Books> {
    let Some(file) = file else {
        info!("the books live in memory; --books FILE keeps them");
        return Ok(Books::default());
    };
    let name = file.display().to_string();
    // A million charges take seconds to read, and the probes must answer meanwhile.
    let books = tokio::task::spawn_blocking(move || Books::open(&file))
        .await
        .context("reading the books panicked")?
        .with_context(|| format!("cannot open the books {name}"))?;
    info!(file = name, charges = books.page(0, 0).count, "the books are open");
    Ok(books)
}

pub(crate) fn routes(books: Arc<Books>, faults: Arc<Faults>) -> Router {
    Router::new()
        .route("/charges", post(charge).get(list))
        .route("/charges/{key}", get(find))
        .route("/keys", delete(forget_all))
        .route("/keys/{key}", delete(forget))
        .with_state(Provider { books, faults })
}

#[derive(Clone)]
struct Provider {
    books: Arc<Books>,
    faults: Arc<Faults>,
}

async fn charge(
    State(provider): State<Provider>,
    ConnectInfo(line): ConnectInfo<Line>,
    IdempotencyKey(key): IdempotencyKey,
    Checked(Json(request)): Checked<Json<ChargeRequest>>,
) -> Result<Response, Problem> {
    let order = request.check().map_err(Problem::invalid)?;
    let fate = provider.faults.strike_charge(&key).await;
    if let Some(mishap) = fate.before_charge {
        return provider.suffer(mishap, &key, &line).await;
    }
    let recorded = provider.record(&key, order, fate.declined)?;
    match fate.after_charge {
        Some(mishap) => provider.suffer(mishap, &key, &line).await,
        None if fate.answered_twice => {
            faults::tell("twice", &key);
            Ok(line.repeat(recorded))
        }
        None => Ok(recorded.into_response()),
    }
}

impl Provider {
    fn record(&self, key: &str, order: Order, declined: bool) -> Result<Recorded, Problem> {
        let decline = declined.then_some(DeclineCode::CardDeclined);
        let recorded = self.books.record(key, order, decline).map_err(refusal)?;
        let Charge { amount, currency, status, .. } = &recorded.charge;
        let (currency, status, reference) = (currency.code(), status.name(), &*recorded.charge.reference);
        if recorded.replayed {
            debug!(key, reference, %amount, currency, status, "charge replayed");
        } else {
            counter!("sandbox_charges_total", "status" => status).increment(1);
            info!(key, reference, %amount, currency, status, "charge");
        }
        Ok(recorded)
    }

    async fn suffer(&self, mishap: Mishap, key: &str, line: &Line) -> Result<Response, Problem> {
        match mishap {
            Mishap::Error => Err(faults::error(key)),
            Mishap::Reset => {
                faults::tell("reset", key);
                Ok(line.cut())
            }
            Mishap::Timeout => {
                faults::tell("timeout", key);
                self.faults.withhold().await;
                Ok(line.cut())
            }
        }
    }
}

fn refusal(error: RecordError) -> Problem {
    match error {
        RecordError::OtherCharge => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        RecordError::File(error) => {
            error!(%error, "cannot write to the books: nothing is charged");
            Problem::unavailable("the books cannot be written; nothing was charged")
        }
    }
}

impl IntoResponse for Recorded {
    fn into_response(self) -> Response {
        let status = match self.charge.status {
            Status::Succeeded => StatusCode::CREATED,
            Status::Declined => StatusCode::PAYMENT_REQUIRED,
        };
        let mut response = (status, Json(self.charge)).into_response();
        if self.replayed {
            let replayed = HeaderName::from_static("idempotent-replayed");
            response.headers_mut().insert(replayed, HeaderValue::from_static("true"));
        }
        response
    }
}

async fn find(
    State(provider): State<Provider>,
    Checked(Path(key)): Checked<Path<String>>,
) -> Result<Json<Charge>, Problem> {
    provider.faults.strike_charge_lookup(&key).await?;
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no charge has this key");
    provider.books.find(&key).map(Json).ok_or_else(unknown)
}

async fn forget_all(State(provider): State<Provider>) -> StatusCode {
    provider.books.forget_keys();
    info!("every key is forgotten");
    StatusCode::NO_CONTENT
}

async fn forget(
    State(provider): State<Provider>,
    Checked(Path(key)): Checked<Path<String>>,
) -> Result<StatusCode, Problem> {
    if !provider.books.forget_key(&key) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no charge has this key"));
    }
    info!(key, "the key is forgotten");
    Ok(StatusCode::NO_CONTENT)
}

async fn list(
    State(provider): State<Provider>,
    Checked(Query(page)): Checked<Query<PageRequest>>,
) -> Result<Json<Page>, Problem> {
    let (cursor, limit) = page.check().map_err(Problem::invalid)?;
    Ok(Json(provider.books.page(cursor, limit)))
}
