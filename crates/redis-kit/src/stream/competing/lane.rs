//! One competing consumer on one stream. A worker has a lane for each of its streams.

use std::{future::Future, pin::pin, sync::Arc, task::Poll};

use futures_util::future::join;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet, yield_now},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    begin::BeginDesk,
    claim::Claim,
    committer::{Committer, Handled},
    fetcher::{Fetched, Fetcher},
    in_hand::InHand,
    lease::Lease,
    scripts::{Member, Taken},
};
use crate::{
    Backoff, Connection, Error,
    desk::Desk,
    patiently,
    stream::{Handler, WorkerStatus, attempt::Attempts, keys::GroupKeys, worker::incarnation_of},
};

/// What a lane needs to become a consumer, again and again.
pub(crate) struct CompetingLane<H> {
    seat: Seat<H>,
    first: Joined,
}

struct Seat<H> {
    stream: Arc<str>,
    group: Arc<str>,
    instance: String,
    keys: Arc<GroupKeys>,
    attempts: Arc<Attempts<H>>,
    reader: Connection,
    redis: Connection,
    status: WorkerStatus,
}

/// A consumer that has a lease.
struct Joined {
    member: Arc<Member>,
    since: Instant,
}

/// Why a consumer's life ended.
enum End {
    Shutdown,
    /// It was taken for dead, or its group is gone: whatever it still does is refused.
    Lost,
}

impl<H: Handler> CompetingLane<H> {
    /// Joins the group, waiting for Redis for as long as it takes.
    pub(crate) async fn start(
        instance: &str,
        attempts: Attempts<H>,
        reader: Connection,
        redis: Connection,
        status: WorkerStatus,
    ) -> Result<Self, Error> {
        let seat = Seat {
            stream: attempts.stream.as_str().into(),
            group: attempts.group.as_str().into(),
            instance: instance.into(),
            keys: Arc::new(GroupKeys::new(&attempts.stream, &attempts.group)),
            attempts: Arc::new(attempts),
            reader,
            redis,
            status,
        };
        let first = seat.join().await?;
        Ok(Self { seat, first })
    }

    /// Works until `shutdown`, as one consumer after the other should a lease be lost.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let Self { seat, first } = self;
        let mut joined = first;
        loop {
            let member = Arc::clone(&joined.member);
            match Consumer::new(&seat, joined, &shutdown).live(&shutdown).await {
                End::Shutdown => return,
                End::Lost => {
                    seat.attempts.metrics.leases_lost.increment(1);
                    error!(
                        stream = &*seat.stream,
                        group = &*seat.group,
                        consumer = member.consumer,
                        "lost the lease: going on as a new consumer, and without what this one had in hand"
                    );
                }
            }
            joined = match shutdown.run_until_cancelled(seat.join_again(&member)).await {
                Some(joined) => joined,
                None => return,
            };
        }
    }
}

impl<H: Handler> Seat<H> {
    /// Becomes a consumer that never was before, so that what happened to another one is never taken for its own.
    async fn join(&self) -> Result<Joined, Error> {
        let consumer = incarnation_of(&self.instance);
        let (stream, group, keys) = (self.stream.clone(), self.group.clone(), self.keys.clone());
        let member = Arc::new(Member { stream, group, consumer, keys });
        let lease = self.attempts.options.lease;
        let (since, created) = patiently(|| async {
            let since = Instant::now();
            Ok((since, member.join(&mut self.redis.clone(), lease).await?))
        })
        .await?;
        let (stream, group) = (&*self.stream, &*self.group);
        info!(stream, group, consumer = member.consumer, created, "joined the group");
        Ok(Joined { member, since })
    }

    /// Becomes a new consumer after `former` has lost its lease, for as long as that takes.
    async fn join_again(&self, former: &Member) -> Joined {
        let mut failures = 0;
        loop {
            // What the former one has pending waits for whoever asks first, and need not wait for its lease to run out.
            let joined = match former.leave(&mut self.redis.clone()).await {
                Ok(_) => self.join().await,
                // Its group is gone, and what was pending with it.
                Err(error) if error.is_group_missing() => self.join().await,
                Err(error) => Err(error),
            };
            match joined {
                Ok(joined) => return joined,
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        error!(%error, stream = &*self.stream, group = &*self.group, "cannot join the group again yet");
                    }
                    Backoff::wait_to_reconnect(failures).await;
                }
            }
        }
    }
}

/// One consumer's life.
struct Consumer<'a, H> {
    seat: &'a Seat<H>,
    member: Arc<Member>,
    lease: Lease,
    in_hand: Arc<InHand>,
    fetcher: Fetcher,
    dispatcher: Dispatcher<H>,
    committing: JoinHandle<()>,
}

impl<'a, H: Handler> Consumer<'a, H> {
    fn new(seat: &'a Seat<H>, Joined { member, since }: Joined, shutdown: &CancellationToken) -> Self {
        let options = &seat.attempts.options;
        let in_hand = Arc::new(InHand::new(options.concurrency));
        let lease = Lease::keep(Arc::clone(&member), seat.redis.clone(), options.lease, since);
        let (handled, ready) = mpsc::unbounded_channel();
        let committer = Committer {
            member: Arc::clone(&member),
            attempts: Arc::clone(&seat.attempts),
            redis: seat.redis.clone(),
            in_hand: Arc::clone(&in_hand),
        };
        let dispatcher = Dispatcher {
            member: Arc::clone(&member),
            desk: Desk::new(seat.redis.clone()),
            attempts: Arc::clone(&seat.attempts),
            handling: JoinSet::new(),
            handled,
            lost: lease.lost().clone(),
        };
        let fetcher = Fetcher::new(
            Arc::clone(&member),
            seat.reader.clone(),
            seat.redis.clone(),
            Arc::clone(&in_hand),
            options.clone(),
            seat.attempts.metrics.clone(),
            shutdown.clone(),
        );
        Self {
            seat,
            member,
            lease,
            in_hand,
            fetcher,
            dispatcher,
            committing: tokio::spawn(committer.run(ready)),
        }
    }

    async fn live(mut self, shutdown: &CancellationToken) -> End {
        let mut batch = Vec::new();
        while !(shutdown.is_cancelled() && batch.is_empty()) {
            if self.lease.lost().is_cancelled() {
                return self.abandon();
            }
            // The next entries are on their way while these are handled; but the first of these are begun before.
            let ((), fetched) =
                join(self.dispatcher.dispatch(std::mem::take(&mut batch)), self.fetcher.fetch()).await;
            match fetched {
                Fetched::Entries(entries) => {
                    self.seat.status.polled(self.seat.attempts.partition);
                    self.in_hand.take(entries.iter().map(|taken| taken.receipt.id));
                    batch = entries;
                }
                Fetched::Failed(times) => {
                    shutdown.run_until_cancelled(Backoff::wait_to_reconnect(times)).await;
                }
                Fetched::Ended => return self.abandon(),
            }
        }
        self.drain().await;
        End::Shutdown
    }

    /// Drops the handlers that are running: what they return would be refused.
    fn abandon(self) -> End {
        self.committing.abort();
        End::Lost
    }

    /// Lets handlers finish, and hands back what they did not.
    async fn drain(self) {
        let Self { seat, member, lease, in_hand, dispatcher, committing, .. } = self;
        // A lost lease has cancelled them, and what they had in hand is never put down.
        let finished = lease.lost().run_until_cancelled(in_hand.empty());
        if timeout(seat.attempts.options.grace, finished).await.is_err() {
            warn!(unfinished = in_hand.len(), "handing back entries whose handlers did not finish in time");
        }
        drop(dispatcher);
        committing.abort();
        if let Err(error) = member.leave(&mut seat.redis.clone()).await {
            debug!(%error, "could not leave the group; what is left is taken over when the lease has run out");
        }
    }
}

/// Gives entries to the handler.
struct Dispatcher<H> {
    member: Arc<Member>,
    desk: BeginDesk,
    attempts: Arc<Attempts<H>>,
    handling: JoinSet<()>,
    handled: mpsc::UnboundedSender<Handled>,
    lost: CancellationToken,
}

impl<H: Handler> Dispatcher<H> {
    /// Starts all of them. Those that need not wait for anything are finished when this returns.
    async fn dispatch(&mut self, batch: Vec<Taken>) {
        /// After so many entries the rest of the program gets a turn: the next read is sent, and outcomes are.
        const STRIDE: usize = 64;
        while self.handling.try_join_next().is_some() {}
        for (index, taken) in batch.into_iter().enumerate() {
            if index % STRIDE == STRIDE - 1 {
                yield_now().await;
            }
            self.start(taken).await;
        }
    }

    async fn start(&mut self, Taken { entry, receipt }: Taken) {
        let claim = Claim { member: Arc::clone(&self.member), receipt, desk: Arc::clone(&self.desk) };
        let delivery = self.attempts.decode(&entry, None, Some(claim));
        let (span, outcome) = self.attempts.attempt(&entry, delivery);
        let handled = self.handled.clone();
        let finish = move |outcome| {
            // Nobody listens once the consumer has ended, and its outcomes are refused then.
            let _ = handled.send(Handled { receipt, outcome, at: Instant::now(), span });
        };
        let mut outcome = Box::pin(outcome);
        // Many handlers wait for nothing; a task for each would cost more than they do.
        match std::future::poll_fn(|context| Poll::Ready(outcome.as_mut().poll(context))).await {
            Poll::Ready(outcome) => finish(outcome),
            Poll::Pending => {
                let lost = self.lost.clone();
                self.handling.spawn(async move {
                    let outcome = pin!(outcome);
                    if let Some(outcome) = lost.run_until_cancelled(outcome).await {
                        finish(outcome);
                    }
                });
            }
        }
    }
}
