//! What became of this run's orders, by the gateway's answers, by what was heard, and by the provider's books. Knows neither
//! HTTP nor Redis, and no clock: all times count from the run's beginning.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use common::messages::{OrderEvent, OrderId};

use super::{early::Early, gateway::Setback, latencies::Latencies};
use crate::books::Charge;

/// How an order can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Paid,
    Declined,
    Parked,
}

impl Ending {
    /// The ending that an event tells, if it tells one.
    pub(super) fn of(event: &OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::Paid { .. } => Some(Self::Paid),
            OrderEvent::PaymentDeclined { .. } => Some(Self::Declined),
            OrderEvent::PaymentParked { .. } => Some(Self::Parked),
            OrderEvent::Placed { .. }
            | OrderEvent::PaymentAttemptFailed { .. }
            | OrderEvent::PaymentResolutionRefused { .. } => None,
        }
    }
}

/// One order that was sent, under whatever number of repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) number: u64,
    /// When it was to be sent. Latencies count from here.
    pub(super) due: Duration,
    /// When it was.
    pub(super) sent: Duration,
}

/// What is known of an order that was accepted; some 50 bytes each.
struct Order {
    due: Duration,
    ending: Option<Ending>,
    times_paid: u8,
    charges: u8,
}

/// Requests that came to nothing in the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) count: u64,
    /// Why the first of them did.
    pub(super) why: String,
}

/// Everything so far.
pub(super) struct Tally {
    /// Answers that accepted an order.
    accepted: u64,
    orders: HashMap<OrderId, Order>,
    early: Early,
    settled: u64,
    refused: BTreeMap<u16, Failures>,
    unanswered: Failures,
    resets: u64,
    last_answer: Duration,
    last_ending: Duration,
    http: Latencies,
    settle: Latencies,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            accepted: 0,
            orders: HashMap::new(),
            early: Early::default(),
            settled: 0,
            refused: BTreeMap::new(),
            unanswered: Failures::default(),
            resets: 0,
            last_answer: Duration::ZERO,
            last_ending: Duration::ZERO,
            http: Latencies::new(),
            settle: Latencies::new(),
        }
    }

    /// A request was sent.
    pub(super) fn sent(&mut self, request: Request) {
        self.early.sent(request);
    }

    /// The gateway accepted what was asked for.
    pub(super) fn accepted(&mut self, request: Request, order_id: OrderId, now: Duration) {
        self.accepted += 1;
        self.last_answer = now;
        self.http.record(now.saturating_sub(request.due));
        // Should the id have been told before, one order fewer can end than were accepted.
        self.orders.entry(order_id).or_insert(Order {
            due: request.due,
            ending: None,
            times_paid: 0,
            charges: 0,
        });
        for (heard, ending) in self.early.claim(order_id) {
            self.ended(order_id, ending, heard);
        }
        self.early.answered(request);
    }

    /// A request came to nothing, as far as anybody knows.
    pub(super) fn failed(&mut self, request: Request, setback: Setback, now: Duration) {
        self.last_answer = now;
        self.early.answered(request);
        let (failures, why) = match setback {
            Setback::Refused { status, why } => (self.refused.entry(status).or_default(), why),
            Setback::Unanswered(why) => (&mut self.unanswered, why),
        };
        if failures.count == 0 {
            failures.why = why;
        }
        failures.count += 1;
    }

    /// An order ended, whoever's it is.
    pub(super) fn heard(&mut self, order_id: OrderId, ending: Ending, now: Duration) {
        if self.orders.contains_key(&order_id) {
            self.ended(order_id, ending, now);
        } else {
            self.early.keep(order_id, ending, now);
        }
    }

    /// Endings may have been missed.
    pub(super) fn reset(&mut self) {
        self.resets += 1;
    }

    /// A charge stands in the provider's books, whoever it is for.
    pub(super) fn charged(&mut self, charge: &Charge) {
        let order =
            charge.reference.parse().ok().and_then(|order_id: OrderId| self.orders.get_mut(&order_id));
        if let Some(order) = order.filter(|_| charge.succeeded) {
            order.charges = order.charges.saturating_add(1);
        }
    }

    /// How many accepted orders have not ended yet.
    pub(super) fn pending(&self) -> u64 {
        self.accepted - self.settled
    }

    fn ended(&mut self, order_id: OrderId, ending: Ending, now: Duration) {
        let Some(order) = self.orders.get_mut(&order_id) else { return };
        if order.ending.is_none() {
            self.settled += 1;
            // What was heard before the answer may be told later than what was heard since.
            self.last_ending = self.last_ending.max(now);
            self.settle.record(now.saturating_sub(order.due));
        }
        order.ending = Some(ending);
        order.times_paid = order.times_paid.saturating_add(u8::from(ending == Ending::Paid));
    }

    /// The figures so far.
    pub(super) fn figures(&self) -> Figures {
        Figures {
            accepted: self.accepted,
            settled: self.settled,
            refused: self.refused.clone(),
            unanswered: self.unanswered.clone(),
            resets: self.resets,
            accepted_per_s: per_second(self.accepted, self.last_answer),
            settled_per_s: per_second(self.settled, self.last_ending),
            http_p50_ms: self.http.quantile_ms(0.5),
            http_p99_ms: self.http.quantile_ms(0.99),
            settle_p50_ms: self.settle.quantile_ms(0.5),
            settle_p99_ms: self.settle.quantile_ms(0.99),
        }
    }

    /// What became of all orders. What was heard last of each counts.
    pub(super) fn outcome(&self) -> Outcome {
        let ended = |ending| self.orders.values().filter(|order| order.ending == Some(ending)).count() as u64;
        let ids = |is_wanted: fn(&Order) -> bool| {
            let wanted = self.orders.iter().filter(|(_, order)| is_wanted(order));
            wanted.map(|(order_id, _)| *order_id).collect()
        };
        Outcome {
            paid: ended(Ending::Paid),
            declined: ended(Ending::Declined),
            parked: ended(Ending::Parked),
            charged: self.orders.values().map(|order| u64::from(order.charges)).sum(),
            lost: self.pending(),
            lost_ids: ids(|order| order.ending.is_none()),
            doubled_ids: ids(|order| order.times_paid > 1 || order.charges > 1),
        }
    }
}

/// How many a second, if the last of them came at `last`.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn per_second(count: u64, last: Duration) -> f64 {
    if last.is_zero() { 0.0 } else { count as f64 / last.as_secs_f64() }
}

/// How many there are of what so far, and how long they took.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) accepted: u64,
    /// Accepted and ended.
    pub(super) settled: u64,
    /// Answers that accepted nothing, by status.
    pub(super) refused: BTreeMap<u16, Failures>,
    pub(super) unanswered: Failures,
    /// How often endings may have been missed.
    pub(super) resets: u64,
    pub(super) accepted_per_s: f64,
    pub(super) settled_per_s: f64,
    pub(super) http_p50_ms: Option<f64>,
    pub(super) http_p99_ms: Option<f64>,
    pub(super) settle_p50_ms: Option<f64>,
    pub(super) settle_p99_ms: Option<f64>,
}

/// What became of the orders that were accepted: each is paid, declined, parked or lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) paid: u64,
    pub(super) declined: u64,
    pub(super) parked: u64,
    /// Charges for them in the provider's books.
    pub(super) charged: u64,
    /// Without an ending.
    pub(super) lost: u64,
    /// All of these, unless the gateway has told one id twice.
    pub(super) lost_ids: Vec<OrderId>,
    /// Told to be paid more than once, or charged more than once.
    pub(super) doubled_ids: Vec<OrderId>,
}

#[cfg(test)]
mod tests {
    use common::money::Money;
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn request(number: u64, due: u64) -> Request {
        Request { number, due: at(due), sent: at(due + 1) }
    }

    /// A tally with one order, due at 10 and accepted at 20 ms.
    fn with_an_order() -> (Tally, OrderId) {
        let (mut tally, order_id) = (Tally::new(), Uuid::new_v4());
        tally.sent(request(0, 10));
        tally.accepted(request(0, 10), order_id, at(20));
        (tally, order_id)
    }

    fn charge(order_id: OrderId, succeeded: bool) -> Charge {
        Charge {
            id: "ch_1".into(),
            key: "key".into(),
            succeeded,
            amount: Money::parse("1", "EUR").unwrap(),
            reference: order_id.to_string(),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn each_accepted_order_is_paid_declined_parked_or_lost() {
        let mut tally = Tally::new();
        for (number, ending) in [Some(Ending::Paid), Some(Ending::Declined), Some(Ending::Parked), None, None]
            .into_iter()
            .enumerate()
        {
            let (request, order_id) = (request(number as u64, 0), Uuid::new_v4());
            tally.sent(request);
            tally.accepted(request, order_id, at(5));
            if let Some(ending) = ending {
                tally.heard(order_id, ending, at(9));
            }
        }
        let outcome = tally.outcome();
        assert_eq!((outcome.paid, outcome.declined, outcome.parked, outcome.lost), (1, 1, 1, 2));
        assert_eq!((outcome.lost_ids.len(), tally.pending(), tally.figures().accepted), (2, 2, 5));
        assert!(outcome.doubled_ids.is_empty());
    }

    #[test]
    fn an_ending_that_is_heard_before_the_answer_counts_from_when_it_was_heard() {
        let (mut tally, order_id) = (Tally::new(), Uuid::new_v4());
        tally.sent(request(0, 10));
        tally.heard(order_id, Ending::Paid, at(15));
        assert_eq!((tally.pending(), tally.figures().settled), (0, 0));
        tally.accepted(request(0, 10), order_id, at(200));
        let figures = tally.figures();
        assert_eq!((tally.pending(), tally.outcome().paid, figures.settled), (0, 1, 1));
        assert!((figures.settle_p50_ms.unwrap() - 5.0).abs() < 0.1, "{figures:?}");
        assert!((figures.http_p50_ms.unwrap() - 190.0).abs() < 1.0, "{figures:?}");
    }

    #[test]
    fn orders_of_others_are_not_counted() {
        let (mut tally, order_id) = with_an_order();
        tally.heard(Uuid::new_v4(), Ending::Paid, at(30));
        tally.charged(&charge(Uuid::new_v4(), true));
        assert_eq!((tally.outcome().paid, tally.outcome().charged, tally.pending()), (0, 0, 1));
        assert_eq!(tally.outcome().lost_ids, [order_id]);
    }

    #[test]
    fn what_is_told_to_be_paid_twice_is_doubled_even_before_its_answer() {
        let (mut tally, order_id) = with_an_order();
        tally.heard(order_id, Ending::Paid, at(30));
        assert!(tally.outcome().doubled_ids.is_empty());
        tally.heard(order_id, Ending::Paid, at(31));
        let early = Uuid::new_v4();
        tally.sent(request(1, 40));
        tally.heard(early, Ending::Paid, at(42));
        tally.heard(early, Ending::Paid, at(43));
        tally.accepted(request(1, 40), early, at(44));
        let mut doubled = tally.outcome().doubled_ids;
        doubled.sort_by_key(|id| *id == early);
        assert_eq!((doubled, tally.outcome().paid, tally.pending()), (vec![order_id, early], 2, 0));
    }

    #[test]
    fn what_was_charged_twice_is_doubled_but_not_by_a_charge_that_failed() {
        let (mut tally, order_id) = with_an_order();
        tally.charged(&charge(order_id, true));
        tally.charged(&charge(order_id, false));
        assert!(tally.outcome().doubled_ids.is_empty());
        tally.charged(&charge(order_id, true));
        assert_eq!((tally.outcome().doubled_ids, tally.outcome().charged), (vec![order_id], 2));
    }

    #[test]
    fn what_a_person_settles_meanwhile_is_no_longer_parked() {
        let (mut tally, order_id) = with_an_order();
        tally.heard(order_id, Ending::Parked, at(30));
        tally.heard(order_id, Ending::Paid, at(40));
        let outcome = tally.outcome();
        assert_eq!((outcome.parked, outcome.paid, outcome.doubled_ids.len(), tally.pending()), (0, 1, 0, 0));
    }

    #[test]
    fn one_id_for_two_orders_loses_one() {
        let (mut tally, order_id) = with_an_order();
        tally.sent(request(1, 30));
        tally.accepted(request(1, 30), order_id, at(40));
        tally.heard(order_id, Ending::Paid, at(50));
        assert_eq!((tally.figures().accepted, tally.outcome().paid, tally.outcome().lost), (2, 1, 1));
    }

    #[test]
    fn what_came_to_nothing_is_counted_by_status_with_the_first_reason() {
        let mut tally = Tally::new();
        for (number, why) in ["slow down", "really"].into_iter().enumerate() {
            let refused = Setback::Refused { status: 429, why: why.into() };
            tally.failed(request(number as u64, 0), refused, at(1));
        }
        tally.failed(request(2, 0), Setback::Unanswered("no answer".into()), at(2));
        let Figures { refused, unanswered, accepted, .. } = tally.figures();
        assert_eq!(refused[&429], Failures { count: 2, why: "slow down".into() });
        assert_eq!((unanswered.count, accepted), (1, 0));
    }
}
