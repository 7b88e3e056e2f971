//! One order's page.

use std::time::Duration;

use askama::Template;

use super::{
    answer::Visitor,
    live::age,
    story::{Hop, Story, What},
};
use crate::orders::view::OrderView;

/// How wide the waterfall is, in units of its own.
const WIDTH: f64 = 1000.0;

/// The least that can be seen of it.
const THIN: f64 = 4.0;

/// The page of one order.
#[derive(Template)]
#[template(path = "order.html")]
pub(super) struct OrderPage {
    visitor: Visitor,
    order: OrderView,
    status: &'static str,
    trace_id: Option<String>,
    bars: Vec<Bar>,
    total: String,
    entries: Vec<Entry>,
    is_cut: bool,
}

/// A part of the order's way, as it is drawn.
struct Bar {
    kind: &'static str,
    label: String,
    by: Option<String>,
    took: String,
    call: Option<String>,
    outcome: Option<String>,
    left: f64,
    width: f64,
    /// How much of it the provider took.
    call_width: f64,
}

/// An entry of a stream, whole.
struct Entry {
    stream: String,
    id: String,
    kind: String,
    fields: Vec<(String, String)>,
}

impl OrderPage {
    pub(super) fn new(visitor: Visitor, order: OrderView, story: &Story) -> Self {
        let total = story.hops.last().map_or(Duration::ZERO, |hop| hop.from + hop.took);
        Self {
            visitor,
            status: in_words(&order.status),
            order,
            trace_id: story.trace_id.clone(),
            bars: story.hops.iter().map(|hop| bar(hop, total)).collect(),
            total: precise(total),
            entries: story.entries.iter().map(|found| Entry::of(&found.stream, &found.entry)).collect(),
            is_cut: story.is_cut,
        }
    }
}

impl Entry {
    fn of(stream: &str, entry: &redis_kit::stream::RawEntry) -> Self {
        let fields: Vec<(String, String)> =
            entry.fields().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let kind = fields.iter().find(|(name, _)| name == "type").map(|(_, value)| value.clone());
        Self { stream: stream.into(), id: entry.id.to_string(), kind: kind.unwrap_or_default(), fields }
    }
}

fn bar(hop: &Hop, total: Duration) -> Bar {
    let units = |time: Duration| {
        if total.is_zero() { 0.0 } else { time.as_secs_f64() / total.as_secs_f64() * WIDTH }
    };
    let width = units(hop.took).max(THIN);
    Bar {
        kind: match hop.what {
            What::Wait => "waited",
            What::Work => "worked",
        },
        label: hop.label.clone(),
        by: hop.by.clone(),
        took: precise(hop.took),
        call: hop.call.map(precise),
        outcome: hop.outcome.clone(),
        // The last of them is seen too.
        left: units(hop.from).min(WIDTH - THIN),
        width,
        call_width: hop.call.map_or(0.0, |call| units(call).min(width)),
    }
}

/// Milliseconds matter here.
fn precise(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{:.1} ms", time.as_secs_f64() * 1000.0) } else { age(time) }
}

fn in_words(status: &str) -> &'static str {
    match status {
        "accepted" => "placed",
        "paid" => "paid",
        "payment_declined" => "declined",
        "payment_parked" => "parked",
        _ => "unknown",
    }
}
