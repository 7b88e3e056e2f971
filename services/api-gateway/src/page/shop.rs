//! The page at `/`.

use std::sync::Arc;

use askama::Template;
use redis_kit::{Error, leaderboard::Window};
use serde::Serialize;
use tracing::debug;

use super::{answer::Visitor, live::Now};
use crate::{
    app::App,
    boards::{Row, Selection},
    catalogue::Product,
};

/// How many members of a board are shown.
const ROWS: u32 = 5;

/// Figures of what happens, by their names on the page.
const RATES: [(&str, &str); 5] = [
    ("placed", "placed"),
    ("paid", "paid"),
    ("declined", "declined"),
    ("parked", "parked"),
    ("failed", "attempts failed"),
];

/// Figures of how the system is.
const HEALTH: [(&str, &str); 6] = [
    ("requests", "Requests answered"),
    ("cache-hits", "Cache hits"),
    ("cache-reads", "Reads through the cache"),
    ("denied", "Checks over a limit"),
    ("dead-letters", "Dead letters"),
    ("parked-payments", "Payments that wait for a person"),
];

/// The page of the shop.
#[derive(Template)]
#[template(path = "shop.html")]
pub(super) struct ShopPage {
    visitor: Visitor,
    now: Now,
    products: Arc<Vec<Product>>,
    boards: Vec<Board>,
    rates: [(&'static str, &'static str); RATES.len()],
    health: [(&'static str, &'static str); HEALTH.len()],
}

/// The first of a ranking, in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Board {
    name: &'static str,
    #[serde(skip)]
    title: &'static str,
    /// What its members are.
    #[serde(skip)]
    who: &'static str,
    /// What they are ranked by.
    #[serde(skip)]
    what: &'static str,
    rows: Vec<Row>,
}

impl ShopPage {
    /// The page as things stand. What cannot be read now is left empty, so that there is a page that says so.
    pub(super) async fn new(app: &App, visitor: Visitor) -> Self {
        let (now, products, boards) = tokio::join!(app.live.now(app), app.catalogue.all(), boards(app));
        let products = products.ok().and_then(|products| products.value).unwrap_or_default();
        let boards = boards.unwrap_or_else(|error| {
            debug!(%error, "cannot read the boards for the page");
            Vec::new()
        });
        Self { visitor, now, products, boards, rates: RATES, health: HEALTH }
    }
}

/// The boards of the page, as they stand.
pub(super) async fn boards(app: &App) -> Result<Vec<Board>, Error> {
    let window = Window::Day;
    let mut boards = Vec::new();
    for (name, title, who, what, selection) in [
        ("top-customers", "Customers of the day", "customer", "paid", Selection::top_customers(window)),
        ("top-products", "Products of the day", "product", "sold", Selection::TopProducts { window }),
        ("trending-products", "In demand now", "product", "weight", Selection::TrendingProducts),
    ] {
        let rows = app.boards.top(selection, ROWS).await?.rows();
        boards.push(Board { name, title, who, what, rows });
    }
    Ok(boards)
}
