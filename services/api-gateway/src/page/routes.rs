//! The routes of pages. They are no part of the described API.

use axum::{
    Router,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use common::problem::Problem;
use redis_kit::stream::StreamId;
use serde::Deserialize;

use super::{
    answer::{Visitor, page},
    assets::show_asset,
    live::live,
    order::OrderPage,
    shop::ShopPage,
    story::{Story, order_at},
};
use crate::{
    app::App,
    edge::{
        Admin,
        query::{bad_request, parameters},
        sse::last_event_id,
    },
    error::redis_failed,
    orders::visible,
};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(show_shop))
        .route("/live", get(follow))
        .route("/assets/{name}", get(show_asset))
        .route("/orders/{id}/page", get(show_order))
        .route("/orders/at/{partition}/{entry}", get(find_order))
}

async fn show_shop(State(app): State<App>, headers: HeaderMap) -> Response {
    let visitor = Visitor::of(&app, &headers).await;
    page(StatusCode::OK, &ShopPage::new(&app, visitor).await)
}

/// Where a viewer was, who could not say so by a header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: Option<String>,
}

/// What the page shows, live.
async fn follow(
    State(app): State<App>,
    headers: HeaderMap,
    after: Result<Query<After>, QueryRejection>,
) -> Result<Response, Problem> {
    let After { after } = parameters(after)?;
    let read = |text: &str| app.events.positions(text);
    // A browser that connects by itself again says where it is by now, and repeats the address that it had at first.
    let from = match (last_event_id(&headers, read)?, after) {
        (Some(from), _) => Some(from),
        (None, Some(after)) => Some(read(&after).ok_or_else(|| bad_request("nothing was ever told there"))?),
        (None, None) => None,
    };
    Ok(live(app, from).await?.into_response())
}

/// One order's page, for whoever may see the order.
async fn show_order(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let (order, _) = visible(&app, &headers, id).await?;
    let story = Story::read(&app.installation, &order).await.map_err(|error| redis_failed(&error))?;
    let visitor = Visitor::of(&app, &headers).await;
    Ok(page(StatusCode::OK, &OrderPage::new(visitor, order, &story)))
}

/// The page of the order that an entry of the journal is about (admin): what everybody is shown of events does not name orders.
async fn find_order(
    State(app): State<App>,
    Admin(_): Admin,
    place: Result<Path<(u16, String)>, PathRejection>,
) -> Result<Redirect, Problem> {
    let gone = || Problem::new(StatusCode::NOT_FOUND, "the journal has no such entry, or has it no longer");
    let Path((partition, entry)) = place.map_err(|_| gone())?;
    let entry: StreamId = entry.parse().map_err(|_| gone())?;
    let found = order_at(&app.installation, partition, entry).await.map_err(|error| redis_failed(&error))?;
    Ok(Redirect::to(&format!("/orders/{}/page", found.ok_or_else(gone)?)))
}
