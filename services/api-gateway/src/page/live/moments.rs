//! Events as they are seen: a fair sample of them where there are more than anybody could see, and the number of those left out.

use common::{messages::OrderEvent, positions::Positions};
use jiff::Timestamp;
use redis_kit::stream::StreamId;
use serde::Serialize;

use crate::orders::events::Told;

/// How many events are shown of those that are told together.
const MOST: usize = 10;

/// What happened, as the page calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Placed,
    Paid,
    Declined,
    Parked,
    Failed,
    Refused,
}

/// One event.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Moment {
    kind: Kind,
    /// The first digits of the order's id: enough to know one's own by. The whole id would open any guest's order to everybody.
    order: String,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    /// The worker that tried the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Where it stands: the journal's partition, and the entry.
    place: String,
    #[serde(skip)]
    partition: u16,
    #[serde(skip)]
    id: StreamId,
}

/// How many events there were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    counts: [u64; Kind::ALL.len()],
    /// Those that nobody was shown.
    pub(super) left_out: u64,
}

/// What is collected until it is told.
pub(super) struct Collector {
    shown: Vec<Moment>,
    seen: usize,
    pub(super) tally: Tally,
    /// The last event of each partition.
    positions: Positions,
}

/// What is told together.
#[derive(Debug, Serialize)]
pub(super) struct Frame {
    pub(super) moments: Vec<Moment>,
    /// Behind which the next frame goes on.
    #[serde(skip)]
    pub(super) positions: Positions,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Placed, Self::Paid, Self::Declined, Self::Parked, Self::Failed, Self::Refused];

    pub(super) fn of(event: &OrderEvent) -> Self {
        match event {
            OrderEvent::Placed { .. } => Self::Placed,
            OrderEvent::Paid { .. } => Self::Paid,
            OrderEvent::PaymentDeclined { .. } => Self::Declined,
            OrderEvent::PaymentParked { .. } => Self::Parked,
            OrderEvent::PaymentAttemptFailed { .. } => Self::Failed,
            OrderEvent::PaymentResolutionRefused { .. } => Self::Refused,
        }
    }

    /// As it is called in figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Paid => "paid",
            Self::Declined => "declined",
            Self::Parked => "parked",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

impl Tally {
    pub(super) fn of(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }
}

impl Moment {
    pub(super) fn of(told: &Told) -> Self {
        let Told { partition, id, order_id, announcement, .. } = told;
        let (amount, by) = match &announcement.event {
            OrderEvent::Placed { total, .. } => (Some(total), None),
            OrderEvent::Paid { amount, tried, .. }
            | OrderEvent::PaymentDeclined { amount, tried, .. }
            | OrderEvent::PaymentParked { amount, tried, .. } => (Some(amount), tried.as_ref()),
            OrderEvent::PaymentAttemptFailed { tried, .. } => (None, tried.as_ref()),
            OrderEvent::PaymentResolutionRefused { .. } => (None, None),
        };
        Self {
            kind: Kind::of(&announcement.event),
            order: order_id.simple().to_string()[..8].to_owned(),
            at: announcement.occurred_at,
            amount: amount.map(ToString::to_string),
            by: by.map(|tried| tried.by.clone()),
            place: format!("{partition}/{id}"),
            partition: *partition,
            id: *id,
        }
    }

    /// Whether whoever stands there has not been told it.
    pub(super) fn is_behind(&self, positions: &Positions) -> bool {
        positions.0.get(usize::from(self.partition)).is_none_or(|position| *position < self.id)
    }
}

impl Collector {
    pub(super) fn new(positions: Positions) -> Self {
        Self { shown: Vec::with_capacity(MOST), seen: 0, tally: Tally::default(), positions }
    }

    /// Each event of those told together has the same chance to be shown: algorithm R of Vitter, "Random Sampling with a
    /// Reservoir", 1985.
    pub(super) fn add(&mut self, told: &Told) {
        if let Some(position) = self.positions.0.get_mut(usize::from(told.partition)) {
            *position = told.id;
        }
        self.tally.counts[Kind::of(&told.announcement.event) as usize] += 1;
        self.seen += 1;
        if self.shown.len() < MOST {
            return self.shown.push(Moment::of(told));
        }
        self.tally.left_out += 1;
        if let Some(place) = self.shown.get_mut(fastrand::usize(..self.seen)) {
            *place = Moment::of(told);
        }
    }

    /// What has been collected, oldest first, if anything has.
    pub(super) fn take(&mut self) -> Option<Frame> {
        if self.seen == 0 {
            return None;
        }
        self.seen = 0;
        let mut moments = std::mem::take(&mut self.shown);
        moments.sort_by_key(|moment| moment.id);
        Some(Frame { moments, positions: self.positions.clone() })
    }
}

#[cfg(test)]
mod tests {
    use common::messages::{Announcement, PaymentId};
    use uuid::Uuid;

    use super::*;

    fn told(sequence: u64) -> Told {
        let order_id = Uuid::new_v4();
        let event = OrderEvent::PaymentAttemptFailed {
            order_id,
            payment_id: PaymentId::of(order_id),
            attempt: 1,
            reason: "no answer".into(),
            tried: None,
        };
        let announcement = Announcement {
            event,
            event_id: Uuid::nil(),
            occurred_at: Timestamp::UNIX_EPOCH,
            traceparent: String::new(),
        };
        Told::new(0, StreamId { milliseconds: 1, sequence }, announcement).unwrap()
    }

    #[test]
    fn a_few_of_many_are_shown_and_the_others_are_counted() {
        let mut collector = Collector::new(Positions(vec![StreamId::ZERO]));
        for sequence in 1..=1_000 {
            collector.add(&told(sequence));
        }
        let frame = collector.take().unwrap();
        assert_eq!(frame.moments.len(), MOST);
        assert!(frame.moments.is_sorted_by_key(|moment| moment.id));
        // One chance in ten to the nineteenth that all of them are among the first hundred.
        assert!(frame.moments.iter().any(|moment| moment.id.sequence > 100), "not only the first");
        assert_eq!((collector.tally.of(Kind::Failed), collector.tally.left_out), (1_000, 990));
        assert_eq!(frame.positions.0[0].sequence, 1_000);
        assert!(collector.take().is_none(), "nothing is told twice");
    }

    #[test]
    fn what_everybody_is_shown_opens_no_order() {
        let told = told(1);
        let json = serde_json::to_string(&Moment::of(&told)).unwrap();
        assert!(json.contains(&told.order_id.simple().to_string()[..8]), "{json}");
        assert!(!json.contains(&told.order_id.to_string()), "{json}");
    }
}
