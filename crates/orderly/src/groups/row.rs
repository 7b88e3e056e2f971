//! One consumer group as a line of a table.

use common::{control::Paused, operations::groups::Group};

use crate::printable::printable;

pub(super) fn head() -> String {
    line(["GROUP", "STREAM", "LAG", "PENDING", "OLDEST", "DEAD", "CONSUMERS", "PAUSED"].map(String::from))
}

/// Who has paused a group, as people read it.
pub(crate) fn paused(Paused { by, at, why }: &Paused) -> String {
    let why = why.as_deref().map(|why| format!(": {}", printable(why))).unwrap_or_default();
    format!("by {} since {at:.0}{why}", printable(by))
}

/// What people read of it.
pub(super) fn text(group: &Group) -> String {
    let figure = |figure: Option<u64>| figure.map_or_else(|| "?".into(), |figure| figure.to_string());
    let paused = group.paused.as_ref().map(paused);
    line([
        printable(&group.group),
        group.stream.clone(),
        figure(group.lag),
        group.pending.to_string(),
        group.oldest_pending.map_or_else(|| "-".into(), |age| format!("{} s", age.as_secs())),
        group.dead_letters.to_string(),
        group.consumers.to_string(),
        paused.unwrap_or_else(|| "-".into()),
    ])
}

fn line([group, stream, lag, pending, oldest, dead, consumers, paused]: [String; 8]) -> String {
    format!("{group:<24} {stream:<16} {lag:>8} {pending:>8} {oldest:>8} {dead:>6} {consumers:>9}  {paused}")
}
