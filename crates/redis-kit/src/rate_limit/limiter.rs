use std::{fmt, slice, sync::Arc, time::Duration};

use futures_util::future::join_all;
use redis::RedisResult;
use tracing::debug;

use super::{
    ask::Ask,
    check::Check,
    denials::Denials,
    gcra::Answer,
    metrics::RateLimitMetrics,
    options::{LimiterOptions, OnFailure},
    policy::InvalidLimit,
    scripts::{self, Refund},
    shares::Shares,
    subject::Subject,
    verdict::{Part, Source, Verdict},
};
use crate::{
    Connection, Error, Redis,
    breaker::{Breaker, within},
    desk::{Desk, runtime_ended},
};

/// Asks Redis whether calls are within their limits. Cheap to clone.
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
    on_failure: OnFailure,
}

struct Shared {
    prefix: String,
    budget: Duration,
    redis: Connection,
    desk: Arc<Desk<Arc<Ask>>>,
    breaker: Breaker,
    denials: Denials,
    shares: Shares,
    metrics: RateLimitMetrics,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Limiter").field(&self.on_failure).finish()
    }
}

impl Limiter {
    /// A limiter with a connection of its own, on which nothing is sent before the first check.
    ///
    /// # Errors
    /// [`Error::InvalidLimit`] if the prefix contains a brace.
    pub fn new(redis: &Redis, options: LimiterOptions) -> Result<Self, Error> {
        if options.prefix.contains(['{', '}']) {
            return Err(InvalidLimit::Prefix(options.prefix).into());
        }
        let redis = redis.commands()?;
        let shared = Shared {
            desk: Desk::new(redis.clone()),
            redis,
            budget: options.budget,
            breaker: Breaker::new("rate limits", options.patience()),
            denials: Denials::new(options.memory, options.remember_denials),
            shares: Shares::new(options.memory),
            metrics: RateLimitMetrics::new(),
            prefix: options.prefix,
        };
        Ok(Self { shared: Arc::new(shared), on_failure: options.on_failure })
    }

    /// The same limiter for calls that do otherwise without Redis. It shares the connection and all that is known.
    #[must_use]
    pub fn on_failure(&self, on_failure: OnFailure) -> Self {
        Self { on_failure, ..self.clone() }
    }

    /// Takes `cost` units from every policy of every subject, if all of them have as many; else nothing. At a cost of 0 it
    /// only looks. Without subjects it allows.
    ///
    /// The policies of one subject are checked and taken from in one step. Several subjects are asked at the same time, each by
    /// itself, and if one denies, the others are given back what they took: in between they may deny somebody else.
    ///
    /// Redis is asked once, and never again for the same call. Dropped before its end it may have taken the cost or not.
    pub async fn check(&self, subjects: &[Subject], cost: u32) -> Verdict {
        let ask = |subject| Ask::new(&self.shared.prefix, subject, cost);
        let asks: Vec<Arc<Ask>> = subjects.iter().map(ask).collect();
        let verdict = match self.recall(&asks) {
            Some(verdict) => verdict,
            None => self.decide(asks).await,
        };
        self.shared.metrics.count(&verdict);
        verdict
    }

    /// Begins a check of one subject that a script of the caller's makes as one of its steps.
    ///
    /// # Errors
    /// The verdict, if it is known: the subject was denied a moment ago.
    pub fn check_in_script(&self, subject: &Subject, cost: u32) -> Result<Check, Verdict> {
        let ask = Ask::new(&self.shared.prefix, subject, cost);
        match self.recall(slice::from_ref(&ask)) {
            Some(verdict) => {
                self.shared.metrics.count(&verdict);
                Err(verdict)
            }
            None => Ok(Check { asked: self.shared.denials.now(), ask, limiter: self.clone() }),
        }
    }

    /// What a check says that a script made.
    pub(super) fn conclude(&self, Check { ask, asked, .. }: &Check, numbers: &[i64]) -> Verdict {
        let answers: Vec<Answer> = numbers.iter().copied().map(Answer::read).collect();
        let (source, answers) = if answers.len() == ask.keys.len() {
            self.shared.denials.remember(ask, &answers, *asked);
            (Source::Redis, answers)
        } else {
            (Source::Silence, Vec::new())
        };
        let verdict = Verdict::of(vec![Part { ask: Arc::clone(ask), source, answers }], self.on_failure);
        self.shared.metrics.count(&verdict);
        verdict
    }

    /// Gives back what a check took: for calls that are not to count, as when only failures do. A policy never has more
    /// left than its limit. Does nothing if nothing was taken, or a [`reset`](Self::reset) came first.
    ///
    /// It goes on in the background if it is dropped.
    ///
    /// # Errors
    /// If Redis did not answer in time, or refused; then it may have been given back or not. It is not sent again, since what
    /// is given back twice would be too much.
    pub async fn refund(&self, verdict: Verdict) -> Result<(), Error> {
        let taken = if verdict.is_allowed() { verdict.refunds() } else { Vec::new() };
        Ok(self.give_back(taken).await?)
    }

    /// Forgets all that the subject has used of its policies. Other processes may go on denying for as long as they
    /// [remember](LimiterOptions::remember_denials).
    ///
    /// # Errors
    /// If Redis did not answer, or refused. It may be repeated.
    pub async fn reset(&self, subject: &Subject) -> Result<(), Error> {
        let ask = Ask::new(&self.shared.prefix, subject, 0);
        let mut reset = redis::cmd("UNLINK");
        reset.arg(&ask.keys);
        let answer: RedisResult<()> = reset.query_async(&mut self.shared.redis.clone()).await;
        // Whatever came of it: it costs no more than to be asked.
        self.shared.denials.forget(&ask.keys);
        self.shared.shares.forget(&ask.keys);
        Ok(answer?)
    }

    /// The verdict if a subject is known to be denied.
    fn recall(&self, asks: &[Arc<Ask>]) -> Option<Verdict> {
        let now = self.shared.denials.now();
        let recalled: Vec<_> = asks.iter().map(|ask| self.shared.denials.recall(ask, now)).collect();
        if recalled.iter().all(Option::is_none) {
            return None;
        }
        let part = |(ask, answers): (&Arc<Ask>, Option<Vec<Answer>>)| Part {
            ask: Arc::clone(ask),
            source: if answers.is_some() { Source::Memory } else { Source::Unasked },
            answers: answers.unwrap_or_default(),
        };
        Some(Verdict::of(asks.iter().zip(recalled).map(part).collect(), self.on_failure))
    }

    async fn decide(&self, asks: Vec<Arc<Ask>>) -> Verdict {
        let parts = join_all(asks.into_iter().map(|ask| self.ask(ask))).await;
        let mut verdict = Verdict::of(parts, self.on_failure);
        if !verdict.is_allowed()
            && let Err(error) = self.give_back(verdict.take_back()).await
        {
            debug!(%error, "a call that was denied has cost something");
        }
        verdict
    }

    async fn ask(&self, ask: Arc<Ask>) -> Part {
        let (source, answers) = match (self.shared.ask(&ask).await, self.on_failure) {
            (Some(answers), _) => (Source::Redis, answers),
            (None, OnFailure::LocalShare { instances }) => {
                (Source::Share { instances }, self.shared.shares.check(&ask, instances))
            }
            (None, OnFailure::Open | OnFailure::Closed) => (Source::Silence, Vec::new()),
        };
        Part { ask, source, answers }
    }

    /// All that is to be given back, also if nobody waits for it.
    async fn give_back(&self, refunds: Vec<(Source, Vec<Refund>)>) -> RedisResult<()> {
        let give = |(source, refunds)| tokio::spawn(Arc::clone(&self.shared).give_back(source, refunds));
        for given in join_all(refunds.into_iter().map(give)).await {
            given.unwrap_or_else(|_ended| Err(runtime_ended()))?;
        }
        Ok(())
    }
}

impl Shared {
    /// What Redis says, if it does in time.
    async fn ask(&self, ask: &Arc<Ask>) -> Option<Vec<Answer>> {
        let asked = self.denials.now();
        // The desk goes on waiting, for as long as a connection may take, so that one that is dead is noticed.
        let answers = self.breaker.ask(self.desk.ask(Arc::clone(ask))).await.ok()?;
        self.denials.remember(ask, &answers, asked);
        Some(answers)
    }

    async fn give_back(self: Arc<Self>, source: Source, refunds: Vec<Refund>) -> RedisResult<()> {
        let keys: Vec<String> = refunds.iter().map(|refund| refund.key.clone()).collect();
        if source != Source::Redis {
            self.shares.refund(&refunds);
            return Ok(());
        }
        let answer = within(self.budget, scripts::refund(self.redis.clone(), &refunds)).await;
        self.denials.forget(&keys);
        if answer.is_err() {
            self.metrics.refunds_lost.increment(1);
        }
        answer
    }
}
