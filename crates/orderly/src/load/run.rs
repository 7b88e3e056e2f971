use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    LoadArgs,
    gateway::{Gateway, NewOrder},
    pace::Pace,
    tally::{Request, Tally},
};

/// What the connections, the listener and the progress line share. Its times count from when it was made.
pub(super) struct Run {
    pub(super) gateway: Gateway,
    pace: Pace,
    skus: Vec<String>,
    customers: u64,
    /// At random, so that the first of them do not meet their limits in short runs one after the other.
    first_customer: u64,
    idempotent: bool,
    /// Cancelled once no more orders are to be sent.
    stop: CancellationToken,
    begun: Instant,
    /// The number of the next order.
    next: AtomicU64,
    sent: AtomicU64,
    tally: Mutex<Tally>,
}

impl Run {
    pub(super) fn new(args: &LoadArgs, gateway: Gateway, stop: CancellationToken) -> Self {
        Self {
            gateway,
            pace: args.pace(),
            skus: args.skus.clone(),
            customers: args.customers,
            first_customer: u64::from(Uuid::new_v4().as_fields().0) % args.customers,
            idempotent: args.idempotent,
            stop,
            begun: Instant::now(),
            next: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            tally: Mutex::new(Tally::new()),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the next order is due. `None` if no more are to be sent.
    pub(super) async fn next_request(&self) -> Option<Request> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.pace.due(number, self.now())?;
        let waited = tokio::time::sleep_until(self.begun + due);
        self.stop.run_until_cancelled(waited).await?;
        if self.stop.is_cancelled() {
            return None;
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        Some(Request { number, due, sent: self.now() })
    }

    /// What a request asks for: customers and products take turns.
    pub(super) fn order(&self, Request { number, .. }: Request) -> NewOrder {
        let sku = usize::try_from(number % self.skus.len() as u64).unwrap_or_default();
        let customer = (self.first_customer + number) % self.customers;
        NewOrder::new(&format!("load-{customer}"), &self.skus[sku], self.idempotent)
    }

    /// How many orders were due and could not be sent in time: the system did not follow. 0 if a person stopped it.
    pub(super) fn not_sent(&self) -> u64 {
        let planned = self.pace.planned().filter(|_| !self.stop.is_cancelled());
        planned.unwrap_or_default().saturating_sub(self.sent.load(Ordering::Relaxed))
    }

    /// Whether a person has stopped it.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }
}
