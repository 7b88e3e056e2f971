//! What was found: how many orders came to what, and everything that disagrees. Knows neither Redis nor HTTP.

use std::collections::BTreeMap;

use common::messages::OrderId;
use serde::Serialize;

/// No more disagreements of one kind are kept than this many; all are counted.
const KEPT_OF_A_KIND: usize = 1_000;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Promised to a client but not in the journal; or accepted, and nothing will ever bring an outcome.
    Lost,
    /// Charged more than once, or told to be paid more than once.
    Doubled,
    /// Two sources tell different amounts.
    AmountMismatch,
    /// Paid in the journal but not in the books.
    PaidNotCharged,
    /// Declined in the journal but charged in the books.
    DeclinedButCharged,
    /// Charged, requested or settled, but never accepted.
    NeverAccepted,
    /// Events that cannot both be true.
    Contradiction,
    /// Without an outcome, and given up.
    Dead,
    /// Any other dead letter.
    OtherDeadLetter,
    /// An entry that this version cannot read.
    Undecodable,
    /// Still under way, although nothing was to be.
    InFlight,
}

impl Kind {
    /// What people read.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::AmountMismatch => "amount mismatch",
            Self::PaidNotCharged => "paid, but not charged",
            Self::DeclinedButCharged => "declined, but charged",
            Self::NeverAccepted => "never accepted",
            Self::Contradiction => "contradiction",
            Self::Dead => "dead",
            Self::OtherDeadLetter => "other dead letter",
            Self::Undecodable => "undecodable",
            Self::InFlight => "in flight",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Disagreement {
    /// `None` if it is about no order, or nobody knows which.
    pub(super) order_id: Option<OrderId>,
    pub(super) kind: Kind,
    pub(super) reason: String,
}

/// How many there are of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Orders in the journal.
    pub(super) accepted: u64,
    /// Of these, by what became of them. Each is in one of them, or lost.
    pub(super) paid: u64,
    pub(super) declined: u64,
    pub(super) parked: u64,
    pub(super) dead: u64,
    pub(super) in_flight: u64,
    /// Of the parked, those that the provider has charged.
    pub(super) parked_but_charged: u64,
    /// Promises to clients, and those of them that are not in the journal.
    pub(super) promised: u64,
    pub(super) promised_not_accepted: u64,
    /// Charges that succeeded.
    pub(super) charged: u64,
    /// Promises, charges and outcomes whose order may have been trimmed from the journal.
    pub(super) not_checkable: u64,
}

/// Everything that was found so far.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) tally: Tally,
    kinds: BTreeMap<Kind, (u64, Vec<Disagreement>)>,
}

impl Verdict {
    /// Adds a disagreement.
    pub(super) fn disagree(
        &mut self,
        order_id: impl Into<Option<OrderId>>,
        kind: Kind,
        reason: impl Into<String>,
    ) {
        let (count, kept) = self.kinds.entry(kind).or_default();
        *count += 1;
        if kept.len() < KEPT_OF_A_KIND {
            kept.push(Disagreement { order_id: order_id.into(), kind, reason: reason.into() });
        }
    }

    /// How many disagreements of a kind there are.
    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).map_or(0, |(count, _)| *count)
    }

    /// How many there are of any.
    pub(super) fn disagreements(&self) -> u64 {
        self.kinds.values().map(|(count, _)| count).sum()
    }

    /// Those that were kept, by kind and order.
    pub(super) fn kept(&self) -> Vec<&Disagreement> {
        let mut kept: Vec<&Disagreement> = self.kinds.values().flat_map(|(_, kept)| kept).collect();
        kept.sort_by_key(|disagreement| (disagreement.kind, disagreement.order_id));
        kept
    }

    /// Whether nothing disagrees.
    pub(super) fn is_clean(&self) -> bool {
        self.kinds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_some_of_each_kind_are_kept() {
        let mut verdict = Verdict::default();
        for _ in 0..KEPT_OF_A_KIND + 5 {
            verdict.disagree(None, Kind::Doubled, "twice");
        }
        verdict.disagree(None, Kind::Lost, "gone");
        assert_eq!((verdict.count(Kind::Doubled), verdict.count(Kind::Lost)), (1_005, 1));
        assert_eq!((verdict.disagreements(), verdict.kept().len()), (1_006, 1_001));
        assert_eq!(verdict.kept()[0].reason, "gone", "one kind does not crowd out another");
        assert!(!verdict.is_clean());
    }
}
