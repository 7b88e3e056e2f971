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

use std::path::Path;

use anyhow::Context;
use common::{
    messages::{OrderEvent, PaymentTask},
    names::groups,
};
use redis_kit::{
    Error,
    stream::{StreamId, end, trimmed_before},
};

use super::{
    ahead::Group,
    books::Books,
    journal::{self, Stretch},
    ledger::{Ledger, Reading, Terms},
    letters,
    plan::Share,
    progress::Progress,
    promises,
    source::{Source, steadily},
    verdict::Verdict,
};

/// What settles an order, and what asks for its payment anew.
const NEWS: [&str; 4] = ["order.placed", "order.paid", "order.payment_declined", "order.payment_parked"];

/// What one pass needs.
pub(super) struct Pass<'a> {
    pub(super) source: &'a Source,
    pub(super) share: &'a Share,
    pub(super) promised: Option<&'a Path>,
    pub(super) terms: Terms,
    pub(super) progress: &'a Progress,
}

/// Where some streams end, in the order of their partitions.
type Ends = Vec<StreamId>;

impl Pass<'_> {
    /// Reads everything about the share's orders, and adds what is found to `verdict`. `books` is `None` if they are left out.
    pub(super) async fn run(&self, books: &mut Option<Books>, verdict: &mut Verdict) -> anyhow::Result<()> {
        let mut ledger = Ledger::new(self.share, self.source.partitions, verdict);
        if let Some(file) = self.promised {
            self.progress.say("reading promises");
            promises::each(file, |promise| ledger.promise(&promise))?;
        }
        let requests_end = self.ends(&self.payments()).await?;
        let first_end = self.ends(&self.journals()).await?;
        self.progress.say("reading the journals");
        self.read_journals(&mut ledger, &self.beginnings(), &first_end).await?;
        self.progress.say("reading payment requests");
        self.read_requests(&mut ledger, &requests_end).await?;
        self.progress.say("reading the provider's books");
        if let Some(books) = books {
            books.rewind();
            self.read_books(&mut ledger, books, Reading::Whole).await?;
        }
        self.progress.say("looking at what came since");
        let last_end = self.ends(&self.journals()).await?;
        self.read_journals(&mut ledger, &first_end, &last_end).await?;
        if let Some(books) = books {
            self.read_books(&mut ledger, books, Reading::Rest).await?;
        }
        self.look_for_outcomes(&mut ledger, &last_end).await?;
        ledger.judge(self.terms);
        Ok(())
    }

    async fn read_journals(&self, ledger: &mut Ledger<'_>, after: &Ends, to: &Ends) -> anyhow::Result<()> {
        let stretches = self.stretches(&self.journals(), after, to);
        journal::read::<OrderEvent>(&self.source.redis, stretches, |told| {
            self.progress.advance(told.entries);
            told.facts.into_iter().for_each(|(_, fact)| ledger.event(told.partition, fact));
            told.undecodable.into_iter().for_each(|text| ledger.undecodable(told.partition, text));
        })
        .await?;
        for (partition, journal) in self.share.partitions.clone().zip(self.journals()) {
            let trimmed = || async { trimmed_before(&mut self.source.redis.clone(), &journal).await };
            ledger.trimmed_before(partition, steadily(Error::is_transient, trimmed).await?);
        }
        Ok(())
    }

    async fn read_requests(&self, ledger: &mut Ledger<'_>, to: &Ends) -> anyhow::Result<()> {
        let stretches = self.stretches(&self.payments(), &self.beginnings(), to);
        journal::read::<PaymentTask>(&self.source.redis, stretches, |told| {
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
        books
            .read_on(|charge| {
                self.progress.advance(1);
                ledger.charge(charge, reading);
            })
            .await
    }

    /// Steps 7 and 8.
    async fn look_for_outcomes(&self, ledger: &mut Ledger<'_>, last_end: &Ends) -> anyhow::Result<()> {
        let redis = &self.source.redis;
        let has_suspects = ledger.has_suspects();
        let requests_end = self.ends(&self.payments()).await?;
        if has_suspects {
            for stream in self.journals() {
                let group = Group { stream: &stream, name: groups::PAYMENT_PRODUCER };
                group.unfinished(redis, &NEWS[..1], |order_id| ledger.is_ahead(order_id)).await?;
            }
            for stream in self.payments() {
                let group = Group { stream: &stream, name: groups::PAYMENT_WORKERS };
                group.unfinished(redis, &["payment.requested"], |order_id| ledger.is_ahead(order_id)).await?;
            }
        }
        self.read_dead_letters(ledger).await?;
        if has_suspects {
            for (stream, after) in self.journals().iter().zip(last_end) {
                let group = Group { stream, name: groups::PAYMENT_PRODUCER };
                let to = self.end(stream).await?;
                group.between(redis, *after, to, &NEWS, |order_id| ledger.is_ahead(order_id)).await?;
            }
            for (stream, after) in self.payments().iter().zip(&requests_end) {
                let group = Group { stream, name: groups::PAYMENT_WORKERS };
                let to = self.end(stream).await?;
                let types = ["payment.requested"];
                group.between(redis, *after, to, &types, |order_id| ledger.is_ahead(order_id)).await?;
            }
        }
        Ok(())
    }

    async fn read_dead_letters(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let redis = &self.source.redis;
        let streams = self.journals().into_iter().zip(self.payments());
        for (partition, (journal, payments)) in self.share.partitions.clone().zip(streams) {
            for group in groups::OF_ORDERS {
                letters::read(redis, &journal, group, |letter| ledger.dead_letter(partition, letter)).await?;
            }
            for group in groups::OF_PAYMENTS {
                letters::read(redis, &payments, group, |letter| ledger.dead_letter(partition, letter))
                    .await?;
            }
        }
        Ok(())
    }

    fn journals(&self) -> Vec<String> {
        let names = &self.source.names;
        self.share.partitions.clone().map(|partition| names.orders_stream(partition)).collect()
    }

    fn payments(&self) -> Vec<String> {
        let names = &self.source.names;
        self.share.partitions.clone().map(|partition| names.payments_stream(partition)).collect()
    }

    fn beginnings(&self) -> Ends {
        vec![StreamId::ZERO; self.share.partitions.len()]
    }

    fn stretches(&self, streams: &[String], after: &Ends, to: &Ends) -> Vec<Stretch> {
        let places = after.iter().zip(to);
        let streams = self.share.partitions.clone().zip(streams).zip(places);
        streams
            .map(|((partition, stream), (after, to))| Stretch {
                partition,
                stream: stream.clone(),
                after: *after,
                to: *to,
            })
            .collect()
    }

    async fn ends(&self, streams: &[String]) -> anyhow::Result<Ends> {
        let mut ends = Vec::with_capacity(streams.len());
        for stream in streams {
            ends.push(self.end(stream).await?);
        }
        Ok(ends)
    }

    async fn end(&self, stream: &str) -> anyhow::Result<StreamId> {
        let ask = || async { end(&mut self.source.redis.clone(), stream).await };
        let end = steadily(Error::is_transient, ask).await;
        end.with_context(|| format!("cannot tell where {stream} ends"))
    }
}
