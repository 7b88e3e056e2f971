//! Every charge there is, by key and in order.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use thiserror::Error;

use super::{
    charge::{Charge, ChargeId, DeclineCode, Status},
    file::{BookFile, OpenError},
    request::Order,
};

/// From here on the amount is too large, whatever the currency.
const TOO_LARGE: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// The books of the provider. A key is in them once, unless it was forgotten in between.
#[derive(Default)]
pub(crate) struct Books {
    // One charge at a time is what makes equal keys safe. Writing a line into the page cache under the lock takes a
    // microsecond; handing it to another thread and back would take longer.
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    charges: Vec<Charge>,
    /// The latest charge of each key.
    by_key: HashMap<Box<str>, usize>,
    /// Keys that make another charge when they are used again; all are known again after a restart.
    forgotten: HashSet<Box<str>>,
    declined: usize,
    attempts: u64,
    file: Option<BookFile>,
}

/// A charge that is in the books, for the first time or again.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) charge: Charge,
    pub(super) replayed: bool,
}

/// Why a charge is not in the books.
#[derive(Debug, Error)]
pub(super) enum RecordError {
    #[error("this Idempotency-Key was used for another charge")]
    OtherCharge,
    #[error("the books cannot be written")]
    File(#[from] io::Error),
}

/// Totals, and some of the charges.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) count: usize,
    succeeded: usize,
    declined: usize,
    /// Charges asked for since the sandbox started, replays included.
    attempts: u64,
    charges: Vec<Charge>,
    /// The cursor of the page that follows, if there is one.
    next: Option<usize>,
}

impl Books {
    /// Reads the books in this file, and keeps them there.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let mut pages = Pages::default();
        let file = BookFile::open(path, |charge| pages.load(charge))?;
        pages.file = Some(file);
        Ok(Self { pages: Mutex::new(pages) })
    }

    /// Charges `key`, or declines it if there is a reason to, unless that has been decided already.
    pub(super) fn record(
        &self,
        key: &str,
        order: Order,
        decline: Option<DeclineCode>,
    ) -> Result<Recorded, RecordError> {
        let mut pages = self.pages();
        pages.attempts += 1;
        if let Some(charge) = pages.find(key).filter(|_| !pages.forgotten.contains(key)) {
            return if order.is_of(charge) {
                Ok(Recorded { charge: charge.clone(), replayed: true })
            } else {
                Err(RecordError::OtherCharge)
            };
        }
        let charge = charge(ChargeId(pages.charges.len() + 1), key, order, decline);
        if let Some(file) = &mut pages.file {
            file.append(&charge)?;
        }
        pages.enter(charge.clone());
        Ok(Recorded { charge, replayed: false })
    }

    pub(super) fn find(&self, key: &str) -> Option<Charge> {
        self.pages().find(key).cloned()
    }

    /// Forgets every key.
    pub(super) fn forget_keys(&self) {
        let mut pages = self.pages();
        pages.forgotten = pages.by_key.keys().cloned().collect();
    }

    /// Forgets one key. False if there is no such.
    pub(super) fn forget_key(&self, key: &str) -> bool {
        let mut pages = self.pages();
        let is_known = pages.by_key.contains_key(key);
        if is_known {
            pages.forgotten.insert(key.into());
        }
        is_known
    }

    /// At most `limit` charges, starting after the first `cursor`.
    pub(super) fn page(&self, cursor: usize, limit: usize) -> Page {
        let pages = self.pages();
        let count = pages.charges.len();
        let start = cursor.min(count);
        let end = start.saturating_add(limit).min(count);
        Page {
            count,
            succeeded: count - pages.declined,
            declined: pages.declined,
            attempts: pages.attempts,
            charges: pages.charges[start..end].to_vec(),
            next: (end < count).then_some(end),
        }
    }

    /// Fails with the reason if nothing can be charged any more.
    pub(crate) fn check(&self) -> Result<(), String> {
        let pages = self.pages();
        pages.file.as_ref().map_or(Ok(()), BookFile::check).map_err(|error| error.to_string())
    }

    /// Has the disk keep what was written.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.pages().file.as_ref().map_or(Ok(()), BookFile::sync)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn find(&self, key: &str) -> Option<&Charge> {
        self.by_key.get(key).map(|place| &self.charges[*place])
    }

    fn load(&mut self, charge: Charge) -> Result<(), &'static str> {
        if charge.id != ChargeId(self.charges.len() + 1) {
            return Err("its id is out of turn");
        }
        self.enter(charge);
        Ok(())
    }

    fn enter(&mut self, charge: Charge) {
        self.declined += usize::from(charge.status == Status::Declined);
        self.forgotten.remove(&charge.key);
        self.by_key.insert(charge.key.clone(), self.charges.len());
        self.charges.push(charge);
    }
}

impl Order {
    fn is_of(&self, charge: &Charge) -> bool {
        (self.amount, self.currency, &*self.reference) == (charge.amount, charge.currency, &*charge.reference)
    }
}

fn charge(id: ChargeId, key: &str, order: Order, decline: Option<DeclineCode>) -> Charge {
    let decline_code = if order.amount >= TOO_LARGE { Some(DeclineCode::AmountTooLarge) } else { decline };
    let now = Timestamp::now();
    Charge {
        id,
        key: key.into(),
        status: if decline_code.is_some() { Status::Declined } else { Status::Succeeded },
        decline_code,
        amount: order.amount,
        currency: order.currency,
        reference: order.reference.into(),
        // Truncating never leaves the range.
        created_at: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
    }
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency;

    use super::*;

    #[test]
    fn a_charge_that_cannot_be_written_is_not_in_the_books() {
        let books = Books::default();
        books.pages().file = Some(BookFile::read_only());
        let order = Order { amount: Decimal::ONE, currency: Currency::EUR, reference: "o-1".into() };
        assert!(matches!(books.record("key", order, None), Err(RecordError::File(_))));
        assert_eq!(books.find("key"), None);
        assert!(books.check().is_err(), "what was half written could not be taken back");
    }
}
