//! Payments that wait for a person.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{StatusCode, header},
    response::IntoResponse,
};
use common::{
    messages::{OrderId, ParkedPayment, Resolution, Verdict},
    operations::parked::{self, ParkedError},
    problem::Problem,
};
use serde::{Deserialize, Serialize};
use tracing::error;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::text;
use crate::{
    app::App,
    cursor::Cursor,
    docs::{self, BadRequest, Forbidden, Invalid, NotFound, Unauthorized, Unavailable},
    edge::{
        Admin,
        body::{JsonBody, all_is_read, parse},
        query::{parameters, within},
    },
    error::{internal, redis_failed},
    plain_id::plain_uuid,
};

/// How many payments a list has, unless the client says.
const PAGE: u32 = 50;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_parked)).routes(routes!(resolve))
}

/// What part of the list is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Where the list goes on: `next_cursor` of the page before
    cursor: Option<String>,
    /// How many payments a page has
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A part of a list.
#[derive(Serialize, ToSchema)]
struct ParkedList {
    /// Whoever waits longest comes first.
    #[schema(value_type = Vec<docs::ParkedPayment>)]
    payments: Vec<ParkedPayment>,
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Payments of which the provider gave no definite answer, or which it refused (admin)
#[utoipa::path(get, path = "/operator/parked-payments", tag = "operator", security(("session" = [])), params(Wanted), responses(
    (status = 200, description = "A page of those that wait for a decision", body = ParkedList),
    BadRequest, Unauthorized, Forbidden, Unavailable,
))]
async fn list_parked(
    State(app): State<App>,
    _admin: Admin,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<ParkedList>, Problem> {
    let Wanted { cursor, limit } = parameters(wanted)?;
    let limit = within(limit, PAGE, 1..=200, "limit")?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let behind = Cursor::read(cursor)?.map(|Cursor { at, order_id }| (at, order_id));
    let one_more = parked::oldest(&app.installation, behind, limit + 1).await;
    let mut payments = one_more.map_err(|error| failed(&error))?;
    let goes_on = payments.len() > limit;
    payments.truncate(limit);
    let cursor = |last: &ParkedPayment| Cursor { at: last.parked_at, order_id: last.order_id };
    let next = payments.last().filter(|_| goes_on).map(cursor);
    Ok(Json(ParkedList { payments, next_cursor: next.map(|cursor| cursor.to_string()) }))
}

/// The body of `POST /operator/parked-payments/{payment_id}/resolution`.
#[derive(Serialize, Deserialize, ToSchema)]
struct Decision {
    #[serde(flatten)]
    verdict: Verdict,
    /// Why, for the journal
    #[schema(min_length = 1, max_length = 500)]
    why: String,
}

impl Decision {
    /// 422 for what means nothing.
    fn read(body: &[u8]) -> Result<Self, Problem> {
        let decision: Self = parse(body)?;
        all_is_read(body, &decision)?;
        if let Verdict::Paid { charge_id } = &decision.verdict {
            text::check("/charge_id", charge_id)?;
        }
        text::check("/why", &decision.why)?;
        Ok(decision)
    }
}

/// The order that the payment is for.
#[derive(Serialize, ToSchema)]
struct Decided {
    #[schema(value_type = uuid::Uuid)]
    order_id: OrderId,
}

/// Settle a parked payment, once you know what became of it at the provider (admin)
///
/// A payment-worker carries it out; of `declined` the provider is asked once more, and believed. The journal keeps who decided
/// and why, and how the order stands is told at `Location`. To decide again because there was no answer does no harm: a
/// payment is settled once, and then there is no such payment (404).
#[utoipa::path(post, path = "/operator/parked-payments/{payment_id}/resolution", tag = "operator", security(("session" = [])),
    request_body = Decision, params(("payment_id" = uuid::Uuid, Path, description = "The payment's id")),
    responses(
        (status = 202, description = "It is written down, and will be carried out", body = Decided, headers(
            ("Location" = String, description = "The order that the payment is for"),
        )),
        Unauthorized, Forbidden, NotFound, Invalid, Unavailable,
    ))]
async fn resolve(
    State(app): State<App>,
    Admin(admin): Admin,
    id: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no parked payment has this id; it may be settled");
    let id = id.ok().and_then(|Path(text)| plain_uuid(&text)).ok_or_else(unknown)?;
    let Decision { verdict, why } = Decision::read(&body)?;
    let found = parked::find(&app.installation, id).await.map_err(|error| failed(&error))?;
    // Orders are found as well, but have another address.
    let parked =
        found.filter(|parked| parked.payment_id.to_string() == id.to_string()).ok_or_else(unknown)?;
    let resolution = Resolution { verdict, by: admin.session.data.email.to_string(), why };
    let decided = parked::decide(&app.installation, &parked, resolution).await;
    decided.map_err(|error| redis_failed(&error))?;
    let order_id = parked.order_id;
    let location = [(header::LOCATION, format!("/orders/{order_id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(Decided { order_id })))
}

fn failed(error: &ParkedError) -> Problem {
    match error {
        ParkedError::Redis(error) => redis_failed(error),
        ParkedError::Foreign { source, .. } => {
            error!(%error, %source, "cannot tell which payments are parked");
            internal()
        }
    }
}
