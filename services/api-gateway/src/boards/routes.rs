//! The routes of leaderboards.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::problem::Problem;
use iso_currency::Currency;
use redis_kit::leaderboard::Window;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    live::{self, watch},
    view::{Board, BoardView, DEFAULT_CURRENCY, MemberView, Selection},
};
use crate::{
    app::App,
    docs::{BadRequest, NotFound, Unavailable},
    edge::query::{bad_request, parameters, within},
    error::redis_failed,
    plain_id::is_plain_id,
};

/// How many members are shown, unless the client says.
const LIMIT: u32 = 10;
const NEIGHBOURS: u32 = 2;

/// What is ranked unless the client says: this day.
const WINDOW: Window = Window::Day;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show_board)).routes(routes!(show_member))
}

/// Which part of a board is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// The running `hour`, `day` or `week`, in UTC, or `all` time; what is trending has no window
    #[param(default = "day", pattern = "^(hour|day|week|all)$")]
    window: Option<String>,
    /// In which currency customers paid (ISO 4217); products have none
    #[param(default = "EUR", pattern = "^[A-Z]{3}$")]
    currency: Option<String>,
    /// How many members
    #[param(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
}

/// The first of a board
///
/// Who asks for `text/event-stream` is told this, and again whenever it changes, at most once a second (`leaderboard`).
#[utoipa::path(get, path = "/leaderboards/{board}", tag = "leaderboards",
    params(("board" = Board, Path, description = "Which board"), Wanted),
    responses(
        (status = 200, description = "The first members, as things stand", content(
            (BoardView = "application/json"), (String = "text/event-stream"),
        )),
        BadRequest, NotFound, Unavailable,
    ))]
async fn show_board(
    State(app): State<App>,
    headers: HeaderMap,
    board: Result<Path<String>, PathRejection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let board = read_board(board.ok().map(|Path(board)| board))?;
    let Wanted { window, currency, limit } = parameters(wanted)?;
    let selection = select(board, window.as_deref(), currency.as_deref())?;
    let limit = within(limit, LIMIT, 1..=live::MOST, "limit")?;
    let mut response = if wants_events(&headers) {
        watch(&app, selection, limit).into_response()
    } else {
        let view = app.boards.top(selection, limit).await.map_err(|error| redis_failed(&error))?;
        Json(view).into_response()
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Which neighbours of a member are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Around {
    /// The running `hour`, `day` or `week`, in UTC, or `all` time; what is trending has no window
    #[param(default = "day", pattern = "^(hour|day|week|all)$")]
    window: Option<String>,
    /// In which currency customers paid (ISO 4217); products have none
    #[param(default = "EUR", pattern = "^[A-Z]{3}$")]
    currency: Option<String>,
    /// How many neighbours on either side
    #[param(minimum = 0, maximum = 50, default = 2)]
    neighbours: Option<u32>,
}

/// How a member stands, and who is around
#[utoipa::path(get, path = "/leaderboards/{board}/{member}", tag = "leaderboards",
    params(("board" = Board, Path, description = "Which board"),
        ("member" = String, Path, description = "A customer's id, or a product's stock keeping unit", example = "BOOK-1"), Around),
    responses(
        (status = 200, description = "The member and its neighbours, as things stand", body = MemberView),
        BadRequest, NotFound, Unavailable,
    ))]
async fn show_member(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    around: Result<Query<Around>, QueryRejection>,
) -> Result<Json<MemberView>, Problem> {
    let (board, member) = path.ok().map(|Path(path)| path).unzip();
    let board = read_board(board)?;
    let unranked = || Problem::new(StatusCode::NOT_FOUND, "nobody of this name is in this ranking");
    let member = member.filter(|member| is_plain_id(member)).ok_or_else(unranked)?;
    let Around { window, currency, neighbours } = parameters(around)?;
    let selection = select(board, window.as_deref(), currency.as_deref())?;
    let neighbours = within(neighbours, NEIGHBOURS, 0..=50, "neighbours")?;
    let found = app.boards.around(selection, &member, neighbours).await;
    found.map_err(|error| redis_failed(&error))?.map(Json).ok_or_else(unranked)
}

fn read_board(name: Option<String>) -> Result<Board, Problem> {
    let unknown = "no such board; there are top-customers, top-products and trending-products";
    name.and_then(|name| Board::read(&name)).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, unknown))
}

/// The ranking that is meant. What says nothing about a board must not be said.
fn select(board: Board, window: Option<&str>, currency: Option<&str>) -> Result<Selection, Problem> {
    if board == Board::TrendingProducts && window.is_some() {
        return Err(bad_request("what is trending has no window"));
    }
    if board != Board::TopCustomers && currency.is_some() {
        return Err(bad_request("products are counted, and have no currency"));
    }
    let window = window.map_or(Ok(WINDOW), str::parse).map_err(|error| bad_request(error.to_string()))?;
    let currency = currency.map_or(Some(DEFAULT_CURRENCY), Currency::from_code);
    let currency = currency.ok_or_else(|| bad_request("currency is no code of ISO 4217, such as EUR"))?;
    Ok(match board {
        Board::TopCustomers => Selection::TopCustomers { window, currency },
        Board::TopProducts => Selection::TopProducts { window },
        Board::TrendingProducts => Selection::TrendingProducts,
    })
}

/// Whether the client says that it takes events.
fn wants_events(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|accepts| accepts.split(',')).any(|kind| {
        let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind);
        kind.trim().eq_ignore_ascii_case("text/event-stream")
    })
}
