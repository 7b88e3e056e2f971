//! From a request to an answer.

use axum::{
    Json, Router,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use common::{http::unknown_route, messages::OrderId, problem::Problem};
use redis_kit::trace::TraceContext;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
};

use crate::{
    body::{self, JsonBody},
    catalogue::Catalogue,
    error::{internal, redis_failed},
    orders::{
        accept::{Accepted, Acceptor, IdempotencyKey, Lookup},
        new_order::NewOrder,
        view::{OrderView, OrderViews},
    },
};

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Every route of the public API.
pub(crate) fn all(acceptor: Acceptor, catalogue: Catalogue, views: OrderViews) -> Router {
    let routes = Router::new()
        .route("/orders", post(place_order).with_state((acceptor, catalogue)))
        .route("/orders/{id}", get(show_order).with_state(views));
    edge(routes)
}

/// What holds for every route, and for those that do not exist.
fn edge(routes: Router) -> Router {
    routes
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(|_| internal().into_response()))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

async fn place_order(
    State((acceptor, catalogue)): State<(Acceptor, Catalogue)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Accepted, Problem> {
    // An earlier answer is given again whatever the prices and the rules are by now.
    let promise = match IdempotencyKey::from_headers(&headers)? {
        None => None,
        Some(key) => match acceptor.look_up(&key, &body).await? {
            Lookup::Known(answer) => return Ok(answer),
            Lookup::New(promise) => Some(promise),
        },
    };
    let order = body::parse::<NewOrder>(&body)?;
    let prices = catalogue.prices(order.skus()).await?;
    acceptor.accept(order.priced(&prices)?, promise.as_ref(), &trace_of(&headers)).await
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

async fn show_order(
    State(views): State<OrderViews>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<OrderView>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no such order");
    // What is no id is not looked up: it names no order.
    let id = id.ok().and_then(|Path(text)| order_id(&text)).ok_or_else(unknown)?;
    let found = views.find(id).await.map_err(|error| redis_failed(&error))?;
    found.map(Json).ok_or_else(unknown)
}

/// Reads an id as `Location` spells it. UUIDs have other spellings (`{…}`, `urn:uuid:…`), but an order has one address.
fn order_id(text: &str) -> Option<OrderId> {
    text.parse().ok().filter(|id: &OrderId| id.to_string() == text)
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

/// Continues the caller's trace, or begins one.
fn trace_of(headers: &HeaderMap) -> TraceContext {
    let given = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let parent = given.and_then(|text| text.parse::<TraceContext>().ok());
    parent.map_or_else(TraceContext::root, |parent| parent.child())
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        extract::Request,
    };
    use tower::ServiceExt;

    use super::*;

    async fn panics() -> StatusCode {
        panic!("a secret")
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_keeps_the_request_id_and_tells_nothing() {
        let routes = edge(Router::new().route("/", get(panics)));
        let request = Request::builder().header("x-request-id", "mine-1").body(Body::empty()).unwrap();
        let response = routes.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["x-request-id"], "mine-1");
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&problem["status"], &problem["title"]), (&500.into(), &"Internal Server Error".into()));
        assert!(!String::from_utf8_lossy(&body).contains("secret"), "{problem}");
    }
}
