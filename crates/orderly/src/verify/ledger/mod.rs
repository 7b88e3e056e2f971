//! The join: what the journal, the payment requests, the dead letters, the provider's books and the promises to clients tell
//! about each order of one pass, and what follows from that. Knows neither Redis nor HTTP.
//!
//! `order.rs` is what is remembered of one order, `judge.rs` what follows from it.

mod judge;
mod order;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use common::{
    messages::{OrderId, PaymentId},
    money::Money,
    partition::Partitions,
};
use jiff::Timestamp;
use redis_kit::stream::StreamId;

pub(super) use judge::Terms;
use order::{Ahead, Order, Promised, Told};

use super::{
    plan::Share,
    verdict::{Kind, Verdict},
    window::Window,
};
use crate::books::Charge;

/// In milliseconds, how far the clocks of Redis, of the provider and of whoever noted a promise may differ. It matters where something is told
/// to be older than what retention has left of the journal, or older than a window, and there only.
pub(super) const CLOCKS_DIFFER_MS: u64 = 5 * 60 * 1000;

/// So many orders that are not in the journal (yet) are remembered to be looked for again. They come in while a pass
/// reads; more than these there are only if the books belong to another system.
const MOST_UNKNOWN: usize = 1_000_000;

/// So many charges are remembered whose key is not that of their order's payment.
const MOST_STRAY_KEYS: usize = 100_000;

/// What one entry of a journal, or of a payments stream, tells about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) order_id: OrderId,
    pub(super) what: What,
    pub(super) amount: Money,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Placed,
    Requested,
    Paid,
    Declined,
    Parked,
}

/// What a client was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) order_id: OrderId,
    pub(super) amount: Option<Money>,
    pub(super) placed_at: Option<Timestamp>,
}

/// When a charge was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Before the journal's last look: its order must be there.
    Whole,
    /// After it: its order may have been placed since.
    Rest,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    /// Whose it is, if it tells.
    pub(super) order_id: Option<OrderId>,
    /// Whether it is this entry that would have brought an outcome.
    pub(super) brings_outcome: bool,
    /// Where it is, and why.
    pub(super) text: String,
}

/// What one pass knows.
pub(super) struct Ledger<'a> {
    share: &'a Share,
    window: Option<Window>,
    partitions: Partitions,
    /// By partition, before which entry its journal was trimmed.
    trimmed: Vec<StreamId>,
    orders: HashMap<OrderId, Order>,
    unknown: usize,
    /// Payments whose key was used for a charge with another order as its reference.
    stray_keys: HashMap<PaymentId, u8>,
    /// What is only remembered of orders with which something is wrong.
    mismatches: HashMap<OrderId, String>,
    charged_again: HashMap<OrderId, String>,
    given_up: HashMap<OrderId, String>,
    verdict: &'a mut Verdict,
}

impl<'a> Ledger<'a> {
    /// Knows nothing yet. What is wrong goes into `verdict`.
    pub(super) fn new(share: &'a Share, partitions: Partitions, verdict: &'a mut Verdict) -> Self {
        Self {
            share,
            window: None,
            partitions,
            trimmed: vec![StreamId::ZERO; partitions.count().into()],
            orders: HashMap::new(),
            unknown: 0,
            stray_keys: HashMap::new(),
            mismatches: HashMap::new(),
            charged_again: HashMap::new(),
            given_up: HashMap::new(),
            verdict,
        }
    }

    /// Of the orders that were placed in a window, if there is one. Whatever is told of others is passed over.
    pub(super) fn within(self, window: Option<Window>) -> Self {
        Self { window, ..self }
    }

    /// Everything before this entry was removed from a partition's journal.
    pub(super) fn trimmed_before(&mut self, partition: u16, id: StreamId) {
        let trimmed = &mut self.trimmed[usize::from(partition)];
        *trimmed = id.max(*trimmed);
    }

    /// A promise to a client. To be told before anything else.
    pub(super) fn promise(&mut self, promise: &Promise) {
        let Promise { order_id, amount, placed_at } = *promise;
        if !self.holds(order_id) {
            return;
        }
        let order = self.orders.entry(order_id).or_default();
        // A client that asked twice with the same key may well have noted both answers.
        self.verdict.tally.promised += u64::from(order.promised == Promised::No);
        order.promised = if placed_at.is_some() { Promised::Dated } else { Promised::Undated };
        if let Some(amount) = amount {
            self.tell(order_id, Told::Promised, amount);
        }
    }

    /// The same promise once more, now that it is known how far the journals were trimmed. A date for each order would take
    /// too much memory.
    pub(super) fn promised_at(&mut self, promise: &Promise) {
        let Promise { order_id, placed_at: Some(placed_at), .. } = *promise else { return };
        let is_old = self.is_older_than_journal(order_id, placed_at);
        if let Some(order) = self.orders.get_mut(&order_id) {
            order.is_old |= is_old;
        }
    }

    /// Whether any journal has lost its beginning.
    pub(super) fn is_trimmed(&self) -> bool {
        self.trimmed.iter().any(|id| *id != StreamId::ZERO)
    }

    /// An entry of a partition's journal that stands at `id`, in their order.
    pub(super) fn event(&mut self, partition: u16, id: StreamId, fact: Fact) {
        let Fact { order_id, what, amount } = fact;
        let is_begun = what == What::Placed && self.window.is_some_and(|window| window.holds(id));
        if !is_begun && self.is_outside_window(order_id) {
            return;
        }
        let own = self.partitions.of_order(order_id);
        if own != partition {
            if self.share.tells_rest_of(partition) {
                let reason =
                    format!("{what:?} in the journal of partition {partition}, but its own is {own}");
                self.verdict.disagree(order_id, Kind::Contradiction, reason);
            }
            return;
        }
        if !self.share.holds(order_id, partition) {
            return;
        }
        self.orders.entry(order_id).or_default().happened(what);
        let told = if what == What::Placed { Told::Placed } else { Told::Settled };
        self.tell(order_id, told, amount);
    }

    /// A payment request that stands at `id`. To be told after what the journal held when the request was there.
    pub(super) fn request(&mut self, partition: u16, id: StreamId, fact: Fact) {
        let order_id = fact.order_id;
        if self.is_outside_window(order_id) {
            return;
        }
        if self.partitions.of_order(order_id) != partition || !self.share.holds(order_id, partition) {
            return;
        }
        // Both streams are stamped by the same clock.
        let is_old = id.milliseconds <= self.trimmed[usize::from(partition)].milliseconds;
        if !self.orders.contains_key(&order_id) {
            // Its order went before it did.
            if is_old {
                return;
            }
            if !self.remember_unknown(order_id) {
                return self.never_accepted(order_id, "a payment was requested for it");
            }
        }
        self.orders.entry(order_id).or_default().happened(What::Requested);
        self.tell(order_id, Told::Requested, fact.amount);
    }

    /// A charge in the books. To be told after what the journal held at first.
    pub(super) fn charge(&mut self, charge: &Charge, reading: Reading) {
        let order_id = charge.reference.parse::<OrderId>().ok();
        if charge.succeeded {
            self.remember_stray_key(charge, order_id);
        }
        if self.window.is_some() && order_id.is_none_or(|order_id| self.is_outside_window(order_id)) {
            return;
        }
        let Some(order_id) = order_id else {
            if charge.succeeded && reading == Reading::Whole && self.share.tells_rest_of(0) {
                let reason =
                    format!("the charge {} is for {:?}, which is no order", charge.id, charge.reference);
                self.verdict.tally.charged += 1;
                self.verdict.disagree(None, Kind::NeverAccepted, reason);
            }
            return;
        };
        if !self.holds(order_id) {
            return;
        }
        let is_old = self.is_older_than_journal(order_id, charge.created_at);
        if let Some(order) = self.orders.get_mut(&order_id) {
            // One that was declined tells at least how old the order is.
            order.is_old |= is_old;
        }
        if charge.succeeded {
            self.charged(order_id, charge, reading, is_old);
        }
    }

    fn charged(&mut self, order_id: OrderId, charge: &Charge, reading: Reading, is_old: bool) {
        let is_known = self.orders.contains_key(&order_id);
        if !is_known && reading == Reading::Rest {
            return;
        }
        self.verdict.tally.charged += 1;
        if !is_known && is_old {
            self.verdict.tally.not_checkable += 1;
            return;
        }
        if !is_known && !self.remember_unknown(order_id) {
            return self.never_accepted(order_id, &format!("the provider charged for it ({})", charge.id));
        }
        if let Some(order) = self.orders.get_mut(&order_id) {
            order.charges = order.charges.saturating_add(1);
            if order.charges > 1 {
                let again = || format!("again by {} under the key {}", charge.id, charge.key);
                self.charged_again.entry(order_id).or_insert_with(again);
            }
        }
        self.tell(order_id, Told::Charged, charge.amount);
    }

    /// A dead letter of some group of a partition's streams.
    pub(super) fn dead_letter(&mut self, partition: u16, letter: Letter) {
        let own = letter.order_id.filter(|order_id| self.partitions.of_order(*order_id) == partition);
        let is_told_here = match own {
            Some(order_id) => self.share.holds(order_id, partition),
            None => self.share.tells_rest_of(partition),
        };
        let is_in_window =
            self.window.is_none() || own.is_some_and(|order_id| !self.is_outside_window(order_id));
        if !is_told_here || !is_in_window {
            return;
        }
        let order = own.and_then(|order_id| Some((order_id, self.orders.get_mut(&order_id)?)));
        match order {
            Some((order_id, order)) if letter.brings_outcome && !order.has_outcome() && order.placed > 0 => {
                order.ahead = Ahead::DeadLetter;
                self.given_up.entry(order_id).or_insert(letter.text);
            }
            _ => self.verdict.disagree(letter.order_id, Kind::OtherDeadLetter, letter.text),
        }
    }

    /// An entry that this version cannot read.
    pub(super) fn undecodable(&mut self, partition: u16, text: String) {
        if self.share.tells_rest_of(partition) {
            self.verdict.disagree(None, Kind::Undecodable, text);
        }
    }

    /// Whether anything must be looked for that would still bring an outcome.
    pub(super) fn has_suspects(&self) -> bool {
        self.orders.values().any(Order::is_suspect)
    }

    /// An entry will bring this order's outcome, or has brought it since.
    pub(super) fn is_ahead(&mut self, order_id: OrderId) {
        if let Some(order) = self.orders.get_mut(&order_id)
            && order.ahead == Ahead::Nothing
        {
            order.ahead = Ahead::Entry;
        }
    }

    /// Whether there is a window, and nothing has told that this order was placed in it.
    fn is_outside_window(&self, order_id: OrderId) -> bool {
        self.window.is_some() && !self.orders.contains_key(&order_id)
    }

    fn holds(&self, order_id: OrderId) -> bool {
        self.share.holds(order_id, self.partitions.of_order(order_id))
    }

    /// What the journal was trimmed of does not contradict anything.
    fn is_older_than_journal(&self, order_id: OrderId, at: Timestamp) -> bool {
        let trimmed = self.trimmed[usize::from(self.partitions.of_order(order_id))].milliseconds;
        let at = u64::try_from(at.as_millisecond()).unwrap_or_default();
        trimmed > 0 && at.saturating_sub(CLOCKS_DIFFER_MS) < trimmed
    }

    /// Begins to remember an order of which the journal has told nothing so far, unless they are too many.
    fn remember_unknown(&mut self, order_id: OrderId) -> bool {
        let is_room = self.unknown < MOST_UNKNOWN;
        if is_room {
            self.unknown += 1;
            self.orders.entry(order_id).or_default();
        }
        is_room
    }

    /// A charge belongs to an order by its reference, and to the order whose payment's id is its key. They are the same one,
    /// or something is wrong.
    fn remember_stray_key(&mut self, charge: &Charge, order_id: Option<OrderId>) {
        let Ok(key) = charge.key.parse::<PaymentId>() else { return };
        if order_id.map(PaymentId::of) != Some(key) && self.stray_keys.len() < MOST_STRAY_KEYS {
            let times = self.stray_keys.entry(key).or_default();
            *times = times.saturating_add(1);
        }
    }

    /// Compares an amount with what is known of the order, which must be remembered already.
    fn tell(&mut self, order_id: OrderId, told: Told, amount: Money) {
        let Some(order) = self.orders.get_mut(&order_id) else { return };
        if let Some((known_told, known)) = order.tell(told, amount) {
            let mismatch = || format!("{} {known}, but {} {amount}", known_told.verb(), told.verb());
            self.mismatches.entry(order_id).or_insert_with(mismatch);
        }
    }

    fn never_accepted(&mut self, order_id: OrderId, what: &str) {
        self.verdict.disagree(order_id, Kind::NeverAccepted, format!("{what}, but it is not in the journal"));
    }
}
