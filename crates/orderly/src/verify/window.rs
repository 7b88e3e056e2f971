//! The orders that were accepted in a short time: the same count, without reading what came before.

use common::messages::Receipt;
use jiff::Timestamp;
use redis_kit::stream::StreamId;

use super::{
    ledger::{CLOCKS_DIFFER_MS, Terms},
    pass::Pass,
    plan::Share,
    progress::Progress,
    verdict::{Kind, Verdict},
};
use crate::{books::Books, installation::Installation};

/// From when to when, by Redis's clock and to the millisecond, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    from: Timestamp,
    until: Timestamp,
}

impl Window {
    /// Between two moments.
    pub(crate) fn between(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until }
    }

    /// When it begins.
    pub(super) fn from(&self) -> Timestamp {
        self.from
    }

    /// A position in each journal after which everything stands that was appended since it began.
    pub(super) fn before(&self) -> StreamId {
        let milliseconds = milliseconds(self.from).saturating_sub(1);
        StreamId { milliseconds, sequence: u64::MAX }
    }

    /// Whether an entry was appended in it.
    pub(super) fn holds(&self, id: StreamId) -> bool {
        (milliseconds(self.from)..=milliseconds(self.until)).contains(&id.milliseconds)
    }
}

fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or_default()
}

/// Counts what became of the orders that were accepted in a window. Without the provider's base URL its books are left out.
pub(crate) async fn count(
    source: &Installation,
    provider: Option<&str>,
    window: Window,
) -> anyhow::Result<Receipt> {
    let mut books = match provider {
        Some(provider) => Some(opened(provider, window).await?),
        None => None,
    };
    let (share, progress) = (Share::all(source.partitions), Progress::hidden());
    let terms = Terms { with_books: books.is_some(), settled: false };
    let mut verdict = Verdict::default();
    Pass::over(&share, source, None, terms, &progress).within(window).run(&mut books, &mut verdict).await?;
    Ok(receipt(&verdict, window, books.is_some()))
}

/// The books, from where charges for the window's orders may stand. The provider has a clock of its own.
async fn opened(provider: &str, window: Window) -> anyhow::Result<Books> {
    let (mut books, charges) = Books::open(provider).await?;
    let since = milliseconds(window.from).saturating_sub(CLOCKS_DIFFER_MS);
    let since = i64::try_from(since).ok().and_then(|since| Timestamp::from_millisecond(since).ok());
    books.begin_at(since.unwrap_or_default(), charges).await?;
    Ok(books)
}

fn receipt(verdict: &Verdict, Window { from, until }: Window, provider_checked: bool) -> Receipt {
    let tally = &verdict.tally;
    Receipt {
        from,
        until,
        orders: tally.accepted,
        paid: tally.paid,
        declined: tally.declined,
        parked: tally.parked,
        dead: tally.dead,
        unsettled: tally.in_flight,
        lost: verdict.count(Kind::Lost),
        charged_twice: verdict.count(Kind::Doubled),
        provider_checked,
        agreed: verdict.is_clean(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_what_was_appended_in_its_first_and_last_millisecond_and_begins_right_before() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let window = Window::between(at(1_000), at(2_000));
        let id = |milliseconds, sequence| StreamId { milliseconds, sequence };
        for (inside, id) in
            [(false, id(999, u64::MAX)), (true, id(1_000, 0)), (true, id(2_000, 9)), (false, id(2_001, 0))]
        {
            assert_eq!(window.holds(id), inside, "{id}");
        }
        assert!(window.before() < id(1_000, 0) && window.before() >= id(999, 5));
    }
}
