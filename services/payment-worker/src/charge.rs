use std::time::Duration;

use common::{
    crash::{self, Point},
    messages::{PaymentId, PaymentTask},
    names::Names,
};
use metrics::counter;
use redis_kit::stream::{self, Begun, Commit, Delivery, Exclusive, Failure, Handler};
use tokio::time::Instant;
use tracing::{debug, error, info};

use crate::{
    breaker::{Breaker, Permit},
    payment::{Answer, Attempt, Next, Policy, State, Step},
    provider::{Provider, Unknown},
    record::{Attempted, Payment, partition_of},
    resolve::Decision,
};

/// Charges payments, by one attempt at a time for each, and says what is to be recorded of them.
pub(crate) struct Charger {
    /// Who this is.
    pub(crate) instance: String,
    pub(crate) provider: Provider,
    pub(crate) breaker: Breaker,
    pub(crate) policy: Policy,
    pub(crate) names: Names,
    /// The longest that one call to the provider takes.
    pub(crate) call_limit: Duration,
}

impl Handler for Charger {
    type Message = PaymentTask;

    async fn handle(&self, delivery: Delivery<PaymentTask>) -> Result<Commit, Failure> {
        match delivery.message.clone() {
            PaymentTask::Requested { payment_id, order_id, customer_id, amount, .. } => {
                self.charge(&delivery, Payment { id: payment_id, order_id, customer_id, amount }).await
            }
            PaymentTask::Resolved { payment_id, order_id, resolution } => {
                self.resolve(&delivery, Decision { payment_id, order_id, resolution }).await
            }
        }
    }
}

impl Charger {
    async fn charge(&self, delivery: &Delivery<PaymentTask>, payment: Payment) -> Result<Commit, Failure> {
        let permit = self.admitted(&payment).await;
        crash::point(Point::BeforeBegin);
        let asked_at = Instant::now();
        let work = self.work(delivery, payment.id, &State::MAY_BE_CHARGED, payment.fields());
        let mut attempted = match delivery.begin(&work).await? {
            Begun::Attempt(attempt) => self.attempted(delivery, attempt, payment),
            // It is settled or parked: a request that comes twice changes nothing.
            Begun::OtherState(_) => return Ok(Commit::new()),
            begun => return Err(not_now(&begun)),
        };
        let attempt = attempted.number_and_age();
        let step = self.policy.step(attempt);
        let Payment { id: payment_id, order_id, amount, .. } = &attempted.payment;
        let trace_id = delivery.trace.trace_id();
        info!(%order_id, %payment_id, trace_id, attempt = attempt.number, %amount, ?step, "charging");

        crash::point(Point::AfterBegin);
        let answer = if asked_at.elapsed() > self.call_limit {
            // Whoever was stopped for so long may not be the only one any more. The fence keeps what it learns from being
            // recorded; only this keeps it from charging in vain.
            drop(permit);
            Answer::Unknown { reason: "the process was stopped before it could ask".into() }
        } else {
            let called_at = Instant::now();
            let answer = match step {
                Step::Charge => answer(self.provider.charge(&attempted.payment).await),
                Step::Ask => self.ask(&attempted.payment).await,
            };
            attempted.called_for = Some(called_at.elapsed());
            if permit.report(!matches!(answer, Answer::Unknown { .. })) {
                self.provider.connect_anew();
            }
            answer
        };
        crash::point(Point::AfterCharge);
        let next = self.policy.next(attempt, answer);
        attempted.log(&next);
        let commit = attempted.outcome(&self.names, &next, None)?;
        match next {
            Next::Again { reason } => Err(Failure::retry(reason).writing(commit)),
            Next::Paid { .. } | Next::Declined { .. } | Next::Parked { .. } => Ok(commit),
        }
    }

    /// Waits while the provider is dead, which costs no attempt. Whoever finds out whether it is back asks before it charges.
    async fn admitted(&self, payment: &Payment) -> Permit {
        loop {
            let permit = self.breaker.admit().await;
            if !permit.is_probe() || !matches!(self.ask(payment).await, Answer::Unknown { .. }) {
                return permit;
            }
            permit.report(false);
        }
    }

    /// Asks the provider what became of the payment's charge.
    pub(crate) async fn ask(&self, payment: &Payment) -> Answer {
        answer(self.provider.find(payment).await)
    }

    /// An attempt that has begun, and in which nobody was called yet.
    pub(crate) fn attempted<'a>(
        &'a self,
        delivery: &'a Delivery<PaymentTask>,
        attempt: stream::Attempt,
        payment: Payment,
    ) -> Attempted<'a> {
        Attempted { by: &self.instance, delivery, attempt, payment, called_for: None }
    }

    /// An attempt at a payment that is in one of `states`.
    pub(crate) fn work<'a>(
        &self,
        delivery: &Delivery<PaymentTask>,
        payment_id: PaymentId,
        states: &'a [&'a str],
        fields: Vec<(&'a str, String)>,
    ) -> Exclusive<'a> {
        let partition = partition_of(delivery);
        Exclusive {
            record: self.names.payment(partition, payment_id),
            lock: self.names.payment_lock(partition, payment_id),
            // A call that is made within its limit ends before the lock does.
            lock_time: self.call_limit * 2,
            states,
            fields,
        }
    }
}

fn answer(result: Result<Answer, Unknown>) -> Answer {
    let outcome = if result.is_ok() { "answered" } else { "unknown" };
    counter!("provider_calls_total", "outcome" => outcome).increment(1);
    result.unwrap_or_else(|unknown| Answer::Unknown { reason: unknown.to_string() })
}

/// What an attempt that could not begin comes to.
pub(crate) fn not_now(begun: &Begun) -> Failure {
    match begun {
        Begun::Busy { free_in } => Failure::retry_after("another attempt is being made", *free_in),
        _ => Failure::retry("the delivery is another consumer's by now"),
    }
}

impl Attempted<'_> {
    fn number_and_age(&self) -> Attempt {
        let age = self.attempt.at.duration_since(self.attempt.first_at);
        Attempt { number: self.attempt.number, since_first: age.try_into().unwrap_or_default() }
    }

    pub(crate) fn log(&self, next: &Next) {
        let Payment { id: payment_id, order_id, .. } = &self.payment;
        let (trace_id, attempt) = (self.delivery.trace.trace_id(), self.attempt.number);
        match next {
            Next::Paid { charge_id } => info!(%order_id, %payment_id, trace_id, attempt, charge_id, "paid"),
            Next::Declined { code } => info!(%order_id, %payment_id, trace_id, attempt, code, "declined"),
            Next::Parked { reason } => error!(
                %order_id, %payment_id, trace_id, attempt, reason,
                "parked the payment: look it up at the provider by its id, and settle it with `orderly payments resolve`"
            ),
            // The worker warns of every failed attempt; this only adds whose it was.
            Next::Again { reason } => {
                debug!(%order_id, %payment_id, trace_id, attempt, reason, "the outcome is unknown");
            }
        }
    }
}
