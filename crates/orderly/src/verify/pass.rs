//! One pass over the orders of a share: what is read, and in which order, so that a system under load gives no false alarm.
//!
//! Orders go on being placed, charged and settled while a pass reads. What they do has an order of its own, which each
//! service keeps: an order is *placed* in the journal, then its payment is *requested*, then the provider *charges*, then the
//! journal tells that it is *paid*. The steps below are arranged so that whatever is read later was allowed to know more,
//! and whatever is missing must have been there.
//!
//! 1. **Promises.** A client was promised an order after it was placed. The journal's ends are noted later than that, so the
//!    order is before them.
//! 2. **Where the streams end**: first the payment streams, then the journals (*E0*). So the order of a request that is before
//!    its stream's end was placed before E0.
//! 3. **The journals up to E0, then the requests.**
//! 4. **The books, whole.** Some of the charges are for orders that were placed after E0. Nothing is said of them yet.
//! 5. **Where the journals end now (*E1*), and the journals from E0 up to there.** A charge that was read in step 4 was made
//!    before E1, and its order was placed before that: if it is not in the journal by now, it never was.
//! 6. **What was added to the books since.** What the journal calls paid up to E1 was charged before E1, so it is in the books
//!    now. A charge that is seen for the first time here may be for an order that was placed after E1: it counts where
//!    its order is known, and says nothing where it is not.
//! 7. **Orders without an outcome up to E1**, and only if there are any: what will bring one? Where the payment streams end
//!    is noted again (*N*). Then come, in the order in which work moves on, what payment-producer has not finished, what
//!    payment-workers have not finished, and the dead letters. Work that is not found at one of these places has moved on to the next
//!    before that is looked at, as each move is one script: it takes the work away here and puts it there. What moves
//!    back is a dead letter that is sent again, and that appends an entry. So last come
//! 8. **The entries since E1 and N**: an outcome, or work that was appended or sent again. What is nowhere even now was nowhere
//!    all the time: nothing will bring its outcome, and it is lost. An outcome that came after E1 counts as in flight, which is
//!    what it was.
//!
//! Retention may trim the journals meanwhile; how far it has gone is asked after they were read, so that what was removed before it
//! could be read counts as trimmed.
//!
//! A pass may be over the orders of a [`Window`] only. Then all begins where the window does: whatever is told of an order is told
//! after it was placed.

use std::{cell::RefCell, path::Path};

use common::{
    messages::{OrderEvent, PaymentTask},
    names::groups,
    steadily::steadily,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use redis_kit::{
    Error,
    stream::{StreamId, end, trimmed_before},
};

use super::{
    ahead::Group,
    journal::{self, Stretch},
    ledger::{Ledger, Reading, Terms},
    letters,
    plan::Share,
    progress::Progress,
    promises,
    verdict::Verdict,
    window::Window,
};
use crate::{books::Books, installation::Installation};

/// What makes payment-producer ask for a payment.
const PLACED: [&str; 1] = ["order.placed"];

/// What makes payment-workers charge.
const REQUESTED: [&str; 1] = ["payment.requested"];

/// What settles an order, and what has its payment asked for anew.
const NEWS: [&str; 4] = ["order.placed", "order.paid", "order.payment_declined", "order.payment_parked"];

/// Partitions that are asked about at the same time. Most questions are small, and wait for Redis's disk.
const PARTITIONS_AT_ONCE: usize = 16;

/// One pass.
pub(super) struct Pass<'a> {
    source: &'a Installation,
    share: &'a Share,
    places: Vec<Place>,
    promised: Option<&'a Path>,
    window: Option<Window>,
    terms: Terms,
    progress: &'a Progress,
}

/// A partition, and its streams.
struct Place {
    partition: u16,
    journal: String,
    payments: String,
}

/// Where streams end, in the order of the places.
type Ends = Vec<StreamId>;

impl<'a> Pass<'a> {
    /// A pass over the orders of a share.
    pub(super) fn over(
        share: &'a Share,
        source: &'a Installation,
        promised: Option<&'a Path>,
        terms: Terms,
        progress: &'a Progress,
    ) -> Self {
        let places = share.partitions.clone().map(|partition| Place {
            partition,
            journal: source.names.orders_stream(partition),
            payments: source.names.payments_stream(partition),
        });
        Self { source, share, places: places.collect(), promised, window: None, terms, progress }
    }

    /// Over those of its orders that were placed in a window.
    pub(super) fn within(self, window: Window) -> Self {
        Self { window: Some(window), ..self }
    }

    /// Reads everything about the share's orders, and adds what is found to `verdict`. `books` is `None` if they are left out.
    pub(super) async fn run(&self, books: &mut Option<Books>, verdict: &mut Verdict) -> anyhow::Result<()> {
        let mut ledger = Ledger::new(self.share, self.source.partitions, verdict).within(self.window);
        if let Some(file) = self.promised {
            self.progress.say("reading promises");
            promises::each(file, |promise| ledger.promise(&promise))?;
        }
        let beginning = self.window.as_ref().map_or(StreamId::ZERO, Window::before);
        let beginnings = vec![beginning; self.places.len()];
        let requests_end = self.ends(|place| &place.payments).await?;
        let first_end = self.ends(|place| &place.journal).await?;
        self.progress.say("reading the journals");
        self.read_journals(&mut ledger, &beginnings, &first_end).await?;
        self.progress.say("reading payment requests");
        self.read_requests(&mut ledger, &beginnings, &requests_end).await?;
        self.progress.say("reading the provider's books");
        if let Some(books) = books {
            books.rewind();
            self.read_books(&mut ledger, books, Reading::Whole).await?;
        }
        self.progress.say("looking at what came since");
        let last_end = self.ends(|place| &place.journal).await?;
        self.read_journals(&mut ledger, &first_end, &last_end).await?;
        if let Some(books) = books {
            self.read_books(&mut ledger, books, Reading::Rest).await?;
        }
        if let Some(file) = self.promised
            && ledger.is_trimmed()
        {
            promises::each(file, |promise| ledger.promised_at(&promise))?;
        }
        self.look_for_outcomes(&mut ledger, &last_end).await?;
        ledger.judge(self.terms);
        Ok(())
    }

    async fn read_journals(&self, ledger: &mut Ledger<'_>, after: &Ends, to: &Ends) -> anyhow::Result<()> {
        let stretches = self.stretches(|place| &place.journal, after, to);
        journal::read::<OrderEvent>(&self.source.server, stretches, |told| {
            self.progress.advance(told.entries);
            told.facts.into_iter().for_each(|(id, fact)| ledger.event(told.partition, id, fact));
            told.undecodable.into_iter().for_each(|text| ledger.undecodable(told.partition, text));
        })
        .await?;
        for Place { partition, journal, .. } in &self.places {
            let trimmed = || async { trimmed_before(&mut self.source.redis.clone(), journal).await };
            ledger.trimmed_before(*partition, steadily(Error::is_transient, trimmed).await?);
        }
        Ok(())
    }

    async fn read_requests(&self, ledger: &mut Ledger<'_>, after: &Ends, to: &Ends) -> anyhow::Result<()> {
        let stretches = self.stretches(|place| &place.payments, after, to);
        journal::read::<PaymentTask>(&self.source.server, stretches, |told| {
            self.progress.advance(told.entries);
            told.facts.into_iter().for_each(|(id, fact)| ledger.request(told.partition, id, fact));
            told.undecodable.into_iter().for_each(|text| ledger.undecodable(told.partition, text));
        })
        .await
    }

    async fn read_books(
        &self,
        ledger: &mut Ledger<'_>,
        books: &mut Books,
        reading: Reading,
    ) -> anyhow::Result<()> {
        let tell = |charge: &_| {
            self.progress.advance(1);
            ledger.charge(charge, reading);
        };
        books.read_on(tell).await
    }

    /// Steps 7 and 8. What belongs to an order is in one partition, so the partitions need not wait for each other.
    async fn look_for_outcomes(&self, ledger: &mut Ledger<'_>, last_end: &Ends) -> Result<(), Error> {
        let has_suspects = ledger.has_suspects();
        let ledger = RefCell::new(ledger);
        let looks = self.places.iter().zip(last_end).map(|(place, last_end)| async {
            if has_suspects {
                self.look_at(place, *last_end, &ledger).await
            } else {
                self.read_dead_letters(place, &ledger).await
            }
        });
        stream::iter(looks).buffer_unordered(PARTITIONS_AT_ONCE).try_collect().await
    }

    async fn look_at(
        &self,
        place: &Place,
        last_end: StreamId,
        ledger: &RefCell<&mut Ledger<'_>>,
    ) -> Result<(), Error> {
        let redis = &self.source.redis;
        let producer = Group { stream: &place.journal, name: groups::PAYMENT_PRODUCER };
        let workers = Group { stream: &place.payments, name: groups::PAYMENT_WORKERS };
        let is_ahead = |order_id| ledger.borrow_mut().is_ahead(order_id);
        let requests_end = self.end(&place.payments).await?;
        producer.unfinished(redis, &PLACED, is_ahead).await?;
        workers.unfinished(redis, &REQUESTED, is_ahead).await?;
        self.read_dead_letters(place, ledger).await?;
        let now = self.end(&place.journal).await?;
        producer.between(redis, last_end, now, &NEWS, is_ahead).await?;
        let now = self.end(&place.payments).await?;
        workers.between(redis, requests_end, now, &REQUESTED, is_ahead).await
    }

    async fn read_dead_letters(&self, place: &Place, ledger: &RefCell<&mut Ledger<'_>>) -> Result<(), Error> {
        let Place { partition, journal, payments } = place;
        let since = self.window.as_ref().map(Window::from);
        let of_orders = groups::OF_ORDERS.iter().map(|group| (journal, group));
        let of_payments = groups::OF_PAYMENTS.iter().map(|group| (payments, group));
        for (stream, group) in of_orders.chain(of_payments) {
            let tell = |letter| ledger.borrow_mut().dead_letter(*partition, letter);
            letters::read(&self.source.redis, stream, group, since, tell).await?;
        }
        Ok(())
    }

    fn stretches(&self, stream: fn(&Place) -> &String, after: &Ends, to: &Ends) -> Vec<Stretch> {
        let places = self.places.iter().zip(after.iter().zip(to));
        places
            .map(|(place, (after, to))| Stretch {
                partition: place.partition,
                stream: stream(place).clone(),
                after: *after,
                to: *to,
            })
            .collect()
    }

    async fn ends(&self, stream: fn(&Place) -> &String) -> Result<Ends, Error> {
        let ends = self.places.iter().map(|place| self.end(stream(place)));
        stream::iter(ends).buffered(PARTITIONS_AT_ONCE).try_collect().await
    }

    async fn end(&self, stream: &str) -> Result<StreamId, Error> {
        steadily(Error::is_transient, || async { end(&mut self.source.redis.clone(), stream).await }).await
    }
}
