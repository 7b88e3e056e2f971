//! The routes of orders.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::problem::Problem;
use futures_util::future::try_join;
use redis_kit::{
    session::{Session, SessionOf},
    stream::StreamId,
    trace::TraceContext,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    accept::{Accepted, Answer, Beside, IdempotencyKey, Lookup, other_body},
    events::{all_events, order_events},
    new_order::NewOrder,
    view::OrderView,
};
use crate::{
    accounts::{Login, Role},
    app::App,
    cursor::Cursor,
    docs::{BadRequest, Forbidden, Invalid, NotFound, Unauthorized, Unavailable},
    edge::{
        Admin, ClientAddress, LoggedIn,
        body::{JsonBody, parse},
        query::{bad_request, parameters, within},
        sse::last_event_id,
    },
    error::redis_failed,
    limits,
    plain_id::{is_plain_id, plain_uuid},
};

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How many orders a list has, unless the client says.
const PAGE: u32 = 20;
const MAX_PAGE: u32 = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_orders, place_order))
        .routes(routes!(follow_orders))
        .routes(routes!(show_order))
        .routes(routes!(follow_order))
}

/// Place an order
///
/// A guest names a customer; whoever is logged in is the customer. With an `Idempotency-Key` a request that is repeated
/// gets the first answer, byte for byte, for three days. A guest's key should be as hard to guess as a password: it is the proof of
/// being the same caller.
#[utoipa::path(post, path = "/orders", tag = "orders", request_body = NewOrder,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses(
        (status = 201, description = "Accepted for good: charged once, or declined, whatever happens", body = OrderView, headers(
            ("Location" = String, description = "Where the order is"),
            ("Idempotent-Replayed" = Option<bool>, description = "Whether this answer was given before"),
            ("RateLimit" = Option<String>, description = "What is left"),
            ("RateLimit-Policy" = Option<String>, description = "Of what"),
        )),
        Forbidden, Invalid, Unavailable,
    ))]
async fn place_order(
    State(app): State<App>,
    from: ClientAddress,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let key = IdempotencyKey::from_headers(&headers)?;
    // An earlier answer is given again whatever the limits, the prices and the rules are by now.
    let (caller, lookup) = recognise(&app, key.as_ref(), &headers, &body).await?;
    let promise = match lookup {
        Lookup::Known(answer) => return Ok(answer.into_response()),
        Lookup::Refused => return Err(other_body()),
        Lookup::New(promise) => Some(promise),
        Lookup::Keyless => None,
    };
    let order: NewOrder = parse(&body)?;
    let login = caller.as_ref().map(|session| &session.data);
    let prices = app.catalogue.prices(order.skus()).await?;
    let order = order.priced(login, &prices)?;
    let guest = login.is_none().then_some(from);
    let (taken, beside) = if let Some(promise) = promise {
        (app.limits.order(&order.customer_id, guest).await?, Beside::Record(promise))
    } else {
        let (taken, limit) = app.limits.order_beside_its_limit(&order.customer_id, guest).await?;
        (taken, limit.map_or(Beside::Nothing, Beside::Limit))
    };
    match app.acceptor.accept(order, beside, &trace_of(&headers)).await? {
        Answer::Accepted(accepted, customer) => {
            let mut response = accepted.into_response();
            let verdict = match customer {
                Some(customer) => customer.and(taken),
                None => taken,
            };
            response.headers_mut().extend(limits::fields(&verdict));
            Ok(response)
        }
        Answer::TooMany(verdict) => {
            app.limits.give_back(taken).await;
            Err(limits::refusal(&verdict))
        }
    }
}

/// Whose request it is, and what it was answered before. Both are asked for at the same time: the cookie says who the caller
/// claims to be, and Redis whether that holds. If it does not, a guest asks, and nothing that was found by the claim may
/// decide the answer.
async fn recognise(
    app: &App,
    key: Option<&IdempotencyKey>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(Option<Session<Login>>, Lookup), Problem> {
    let answered = |caller| app.acceptor.look_up(key, caller, body);
    let Some(token) = app.cookie.token_of(headers) else { return Ok((None, answered(None).await?)) };
    let session = async { app.sessions.load(&token).await.map_err(|error| redis_failed(&error)) };
    let (session, lookup) = try_join(session, answered(Some(token.tag()))).await?;
    if session.is_some() { Ok((session, lookup)) } else { Ok((None, answered(None).await?)) }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (StatusCode::CREATED, json, self.body).into_response();
        // A path that this program wrote: visible ASCII.
        if let Ok(location) = HeaderValue::try_from(self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// One order
///
/// An account's order is seen by the account and by admins, a guest's by whoever has its id.
#[utoipa::path(get, path = "/orders/{id}", tag = "orders", params(("id" = uuid::Uuid, Path, description = "The order's id")), responses(
    (status = 200, description = "The order as it is now", body = OrderView), NotFound, Unavailable,
))]
async fn show_order(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<OrderView>, Problem> {
    let (order, _) = visible(&app, &headers, id).await?;
    Ok(Json(order))
}

/// The order, if the caller may see it, and the session by which, if one was needed; else 404, as if there were none.
pub(crate) async fn visible(
    app: &App,
    headers: &HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<(OrderView, Option<redis_kit::session::Token>), Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no such order");
    // What is no id is not looked up: it names no order.
    let id = id.ok().and_then(|Path(text)| plain_uuid(&text)).ok_or_else(unknown)?;
    let order = app.orders.find(id).await?.ok_or_else(unknown)?;
    if !order.is_of_account() {
        return Ok((order, None));
    }
    let token = app.cookie.token_of(headers).ok_or_else(unknown)?;
    let session = app.sessions.load(&token).await.map_err(|error| redis_failed(&error))?;
    let login = session.map(|session| session.data);
    if order.is_seen_by(login.as_ref()) { Ok((order, Some(token))) } else { Err(unknown()) }
}

/// What part of a list is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Where the list goes on: `next_cursor` of the page before
    cursor: Option<String>,
    /// How many orders a page has
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// Whose orders; an admin may name anybody
    customer_id: Option<String>,
}

/// A part of a list.
#[derive(Serialize, ToSchema)]
struct OrderList {
    /// The newest first.
    orders: Vec<OrderView>,
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One's own orders
///
/// An order may take a moment to appear here.
#[utoipa::path(get, path = "/orders", tag = "orders", security(("session" = [])), params(Wanted), responses(
    (status = 200, description = "A page of them", body = OrderList), BadRequest, Unauthorized, Forbidden, Unavailable,
))]
async fn list_orders(
    State(app): State<App>,
    LoggedIn(SessionOf { session, .. }): LoggedIn,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<OrderList>, Problem> {
    let wanted = parameters(wanted)?;
    let limit = within(wanted.limit, PAGE, 1..=MAX_PAGE, "limit")?;
    let cursor = Cursor::read(wanted.cursor)?;
    let login = session.data;
    let customer_id = wanted.customer_id.unwrap_or_else(|| login.customer_id.clone());
    if customer_id != login.customer_id && login.role != Role::Admin {
        return Err(Problem::new(StatusCode::FORBIDDEN, "only an admin may see the orders of others"));
    }
    // Of what no customer is called, some databases do not even let themselves be asked.
    if !is_plain_id(&customer_id) {
        return Err(bad_request("customer_id is nobody's"));
    }
    let (orders, next) = app.orders.page(&customer_id, cursor, limit).await?;
    Ok(Json(OrderList { orders, next_cursor: next.map(|cursor| cursor.to_string()) }))
}

/// What happens to one order, live
///
/// How the order stands (`order`), and then its events, until nothing can happen to it any more. Who comes again with
/// `Last-Event-ID` is told what happened since.
#[utoipa::path(get, path = "/orders/{id}/events", tag = "orders",
    params(("id" = uuid::Uuid, Path, description = "The order's id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that was heard", pattern = "^[0-9]{1,20}-[0-9]{1,20}$")),
    responses(
        (status = 200, description = "Server-sent events", content_type = "text/event-stream", body = String),
        (status = 204, description = "Nothing can happen to this order any more"),
        BadRequest, NotFound, Unavailable,
    ))]
async fn follow_order(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let (order, token) = visible(&app, &headers, id).await?;
    let from = last_event_id(&headers, |text| text.parse::<StreamId>().ok())?;
    if order.is_final() && from.is_some_and(|from| from >= order.version) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(order_events(app, &order, token, from).await.into_response())
}

/// What happens to all orders, live (admin)
#[utoipa::path(get, path = "/orders/events", tag = "orders", security(("session" = [])),
    params(("Last-Event-ID" = Option<String>, Header, description = "The last event that was heard", pattern = "^[0-9]{1,20}-[0-9]{1,20}(,[0-9]{1,20}-[0-9]{1,20})*$")),
    responses(
        (status = 200, description = "Server-sent events", content_type = "text/event-stream", body = String),
        BadRequest, Unauthorized, Forbidden, Unavailable,
    ))]
async fn follow_orders(
    State(app): State<App>,
    Admin(admin): Admin,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let from = last_event_id(&headers, |text| app.events.positions(text))?;
    Ok(all_events(app, admin, from).await?.into_response())
}

/// Continues the caller's trace, or begins one.
fn trace_of(headers: &HeaderMap) -> TraceContext {
    let given = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let parent = given.and_then(|text| text.parse::<TraceContext>().ok());
    parent.map_or_else(TraceContext::root, |parent| parent.child())
}
