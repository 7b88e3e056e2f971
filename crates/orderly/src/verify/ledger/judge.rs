//! What follows from what is known of an order.

use common::messages::{OrderId, PaymentId};
use redis_kit::stream::StreamId;

use super::{
    Ledger,
    order::{Ahead, Order, Parked, Promised, State},
};
use crate::verify::verdict::Kind;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::verify) struct Terms {
    /// The provider's books were read.
    pub(in crate::verify) with_books: bool,
    /// Nothing may be in flight.
    pub(in crate::verify) settled: bool,
}

impl Ledger<'_> {
    /// Comes to a verdict on every order.
    pub(in crate::verify) fn judge(mut self, terms: Terms) {
        for (order_id, mut order) in std::mem::take(&mut self.orders) {
            if !self.stray_keys.is_empty() {
                let by_key = self.stray_keys.get(&PaymentId::of(order_id)).copied().unwrap_or_default();
                order.charges = order.charges.saturating_add(by_key);
            }
            if order.placed > 0 {
                self.judge_accepted(order_id, &order, terms);
            } else {
                self.judge_unknown(order_id, &order);
            }
            self.judge_payment(order_id, &order, terms);
            if let Some(reason) = contradiction(&order) {
                self.verdict.disagree(order_id, Kind::Contradiction, reason);
            }
        }
        for (order_id, reason) in self.mismatches {
            self.verdict.disagree(order_id, Kind::AmountMismatch, reason);
        }
    }

    fn judge_accepted(&mut self, order_id: OrderId, order: &Order, terms: Terms) {
        let tally = &mut self.verdict.tally;
        tally.accepted += 1;
        match order.state() {
            State::Paid => tally.paid += 1,
            State::Declined => tally.declined += 1,
            State::Parked => {
                tally.parked += 1;
                tally.parked_but_charged += u64::from(order.charges > 0);
            }
            State::InFlight => {
                tally.in_flight += 1;
                if terms.settled {
                    let reason = "it has no outcome yet, and nothing was to be in flight";
                    self.verdict.disagree(order_id, Kind::InFlight, reason);
                }
            }
            State::Dead => {
                tally.dead += 1;
                let reason = self.given_up.remove(&order_id).unwrap_or_default();
                self.verdict.disagree(order_id, Kind::Dead, reason);
            }
            State::Lost => {
                let charged = if order.charges > 0 { "accepted and charged" } else { "accepted" };
                let reason =
                    format!("{charged}, but without an outcome, and nothing is left that would bring one");
                self.verdict.disagree(order_id, Kind::Lost, reason);
            }
        }
    }

    /// One that the journal does not say was placed: it says so no longer, or it never did.
    fn judge_unknown(&mut self, order_id: OrderId, order: &Order) {
        let may_be_trimmed = self.trimmed[usize::from(self.partitions.of_order(order_id))] != StreamId::ZERO;
        let is_promised = order.promised != Promised::No;
        // What has an outcome, or is still worked on, went through the journal once. Of a promise without a date and
        // without any trace nobody can tell how old it is.
        let left_a_trace = order.has_outcome() || order.ahead == Ahead::Entry;
        let has_no_age = order.promised == Promised::Undated && order.charges == 0 && !order.requested;
        if may_be_trimmed && (order.is_old || left_a_trace || has_no_age) {
            self.verdict.tally.not_checkable += 1;
        } else if is_promised {
            self.verdict.tally.promised_not_accepted += 1;
            let promised = if order.charges > 0 { "promised and charged" } else { "promised" };
            self.verdict.disagree(order_id, Kind::Lost, format!("{promised}, but it is not in the journal"));
        } else {
            self.never_accepted(order_id, &traces(order));
        }
    }

    fn judge_payment(&mut self, order_id: OrderId, order: &Order, terms: Terms) {
        let again = self.charged_again.remove(&order_id);
        if order.charges > 1 || order.paid > 1 {
            let charged = (order.charges > 1).then(|| match again {
                Some(again) => format!("charged {} times, {again}", order.charges),
                None => format!("charged {} times, by its reference and by its key", order.charges),
            });
            let paid = (order.paid > 1).then(|| format!("paid {} times in the journal", order.paid));
            let reason: Vec<String> = [charged, paid].into_iter().flatten().collect();
            self.verdict.disagree(order_id, Kind::Doubled, reason.join("; "));
        }
        if order.paid > 0 && order.charges == 0 && terms.with_books {
            let reason = "paid in the journal, but the provider has not charged for it";
            self.verdict.disagree(order_id, Kind::PaidNotCharged, reason);
        }
        if order.declined > 0 && order.paid == 0 && order.charges > 0 {
            let reason = "declined in the journal, but the provider has charged for it";
            self.verdict.disagree(order_id, Kind::DeclinedButCharged, reason);
        }
    }
}

/// Events that cannot all be true. Paid more than once is told as doubled; a parked payment may be settled.
fn contradiction(order: &Order) -> Option<String> {
    let mut reasons = Vec::new();
    if order.placed > 1 {
        reasons.push(format!("placed {} times", order.placed));
    }
    if order.declined > 1 {
        reasons.push(format!("declined {} times", order.declined));
    }
    if order.paid > 0 && order.declined > 0 {
        reasons.push("both paid and declined".into());
    }
    if order.parked == Parked::AfterItsOutcome {
        reasons.push("parked after it was settled".into());
    }
    (!reasons.is_empty()).then(|| format!("the journal says: {}", reasons.join(", ")))
}

/// What there is of an order that was never accepted.
fn traces(order: &Order) -> String {
    let traces = [
        (order.charges > 0, "the provider charged for it"),
        (order.requested, "a payment was requested for it"),
        (order.has_outcome(), "the journal tells what became of it"),
    ];
    let found: Vec<&str> = traces.iter().filter(|(is, _)| *is).map(|(_, trace)| *trace).collect();
    found.join(", ")
}
