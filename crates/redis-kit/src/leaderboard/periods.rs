use std::{
    iter::successors,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use super::{
    Period, Window,
    keys::{self, BoardKeys},
};

/// The rankings that a moment counts in: one for each window of a board, each within the next.
pub(super) struct Periods {
    /// Of the shortest window, which says which set this is.
    shortest: Period,
    /// Of the longest, from whose beginning times are counted.
    pub(super) longest: Period,
    /// Where the metadata of all of them is: what is known of a member stays for as long as the longest ranking.
    pub(super) metadata: String,
    /// In Unix milliseconds; 0: never.
    pub(super) metadata_expires: i64,
    pub(super) rankings: Vec<Ranking>,
}

/// One of them.
pub(super) struct Ranking {
    pub(super) key: String,
    /// If ties are dense: the scores that there are.
    pub(super) scores: Option<String>,
    /// In Unix milliseconds; 0: never.
    pub(super) expires: i64,
}

impl Periods {
    pub(super) fn is(&self, other: &Self) -> bool {
        self.shortest == other.shortest
    }
}

/// Which rankings a board has.
pub(super) struct Calendar {
    keys: BoardKeys,
    /// The shortest first, and each once.
    windows: Vec<Window>,
    shortest: Window,
    pub(super) longest: Window,
    keep_past: u32,
    is_dense: bool,
    /// Most updates are of the same hour as the one before.
    latest: Mutex<Option<Arc<Periods>>>,
}

impl Calendar {
    /// `None` without a window.
    pub(super) fn new(keys: BoardKeys, windows: &[Window], keep_past: u32, is_dense: bool) -> Option<Self> {
        let mut windows = windows.to_vec();
        windows.sort_unstable();
        windows.dedup();
        let (shortest, longest) = (*windows.first()?, *windows.last()?);
        Some(Self { keys, windows, shortest, longest, keep_past, is_dense, latest: Mutex::default() })
    }

    pub(super) fn has(&self, window: Window) -> bool {
        self.windows.contains(&window)
    }

    /// The rankings that this moment counts in.
    pub(super) fn at(&self, moment: Timestamp) -> Arc<Periods> {
        let shortest = self.shortest.at(moment);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(periods) = latest.as_ref().filter(|periods| periods.shortest == shortest) {
            return Arc::clone(periods);
        }
        let periods = Arc::new(self.periods(moment, shortest));
        *latest = Some(Arc::clone(&periods));
        periods
    }

    fn periods(&self, moment: Timestamp, shortest: Period) -> Periods {
        let longest = self.longest.at(moment);
        let rankings = self.windows.iter().map(|window| self.ranking(window.at(moment)));
        Periods {
            shortest,
            longest,
            metadata: self.metadata(longest),
            metadata_expires: self.expires(longest),
            rankings: rankings.collect(),
        }
    }

    /// The ranking of one period.
    pub(super) fn ranking(&self, period: Period) -> Ranking {
        let key = self.keys.ranking(period);
        let scores = self.is_dense.then(|| keys::scores(&key));
        Ranking { scores, expires: self.expires(period), key }
    }

    /// Where what is known of a period's members is.
    pub(super) fn metadata(&self, period: Period) -> String {
        let longest = period.begins().map_or(period, |begins| self.longest.at(begins));
        keys::metadata(&self.keys.ranking(longest))
    }

    fn expires(&self, period: Period) -> i64 {
        period.ends_in(1 + self.keep_past).map_or(0, Timestamp::as_millisecond)
    }

    /// Every period whose ranking may still be there.
    pub(super) fn kept(&self, now: Timestamp) -> Vec<Period> {
        let of_window = |window: &Window| {
            let periods = successors(Some(window.at(now)), |period| period.previous());
            periods.take(1 + usize::try_from(self.keep_past).unwrap_or(usize::MAX))
        };
        self.windows.iter().flat_map(of_window).collect()
    }
}
