//! Settling a parked payment as a person decided: under the same fence as a charge, so that of the two only one counts.

use std::collections::HashMap;

use common::messages::{OrderEvent, OrderId, PaymentId, PaymentTask, Resolution, Verdict};
use redis_kit::stream::{Begun, Commit, Delivery, Failure};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{
    charge::{Charger, not_now},
    payment::{Answer, Next, State},
    record::{Payment, partition_of},
};

/// What a person decided, and about which payment.
pub(crate) struct Decision {
    pub(crate) payment_id: PaymentId,
    pub(crate) order_id: OrderId,
    pub(crate) resolution: Resolution,
}

impl Charger {
    pub(crate) async fn resolve(
        &self,
        delivery: &Delivery<PaymentTask>,
        decision: Decision,
    ) -> Result<Commit, Failure> {
        let Decision { payment_id, order_id, .. } = decision;
        let work = self.work(delivery, payment_id, &State::MAY_BE_RESOLVED, Vec::new());
        let attempt = match delivery.begin(&work).await? {
            Begun::Attempt(attempt) => attempt,
            Begun::OtherState(record) => {
                return self.refuse(Commit::new(), delivery, decision, other_state(&record));
            }
            begun => return Err(not_now(&begun)),
        };
        let payment = Payment::of_record(payment_id, &attempt.record)
            .ok_or_else(|| Failure::reject("the record of the payment does not say what is to be paid"))?;
        let mut attempted = self.attempted(delivery, attempt, payment);
        let Resolution { by, why, verdict } = &decision.resolution;
        info!(%order_id, %payment_id, by, why, "settling the payment as a person decided");
        let still_parked = Commit::of_attempt(&attempted.attempt);
        let next = match verdict {
            Verdict::Paid { charge_id } => Next::Paid { charge_id: charge_id.clone() },
            Verdict::Declined => {
                let asked_at = Instant::now();
                let answer = self.ask(&attempted.payment).await;
                attempted.called_for = Some(asked_at.elapsed());
                match answer {
                    // The person may have been wrong, or the charge may have come late: the provider is believed.
                    Answer::Charged { charge_id } => Next::Paid { charge_id },
                    Answer::Declined { code } => Next::Declined { code },
                    Answer::NotFound => Next::Declined { code: "resolved".into() },
                    Answer::Refused { reason } => {
                        return self.refuse(still_parked, delivery, decision, reason);
                    }
                    Answer::Unknown { reason } => return Err(Failure::retry(reason).writing(still_parked)),
                }
            }
        };
        attempted.log(&next);
        Ok(attempted.outcome(&self.names, &next, Some(decision.resolution))?)
    }

    /// Tells whoever decided why it cannot be.
    fn refuse(
        &self,
        commit: Commit,
        delivery: &Delivery<PaymentTask>,
        decision: Decision,
        reason: String,
    ) -> Result<Commit, Failure> {
        let Decision { payment_id, order_id, resolution } = decision;
        warn!(%order_id, %payment_id, by = resolution.by, reason, "a resolution was refused");
        let event = OrderEvent::PaymentResolutionRefused { order_id, payment_id, resolution, reason };
        let journal = self.names.orders_stream(partition_of(delivery));
        Ok(commit.append(journal, &event, &delivery.trace.child())?)
    }
}

fn other_state(record: &HashMap<String, String>) -> String {
    match record.get("state") {
        Some(state) => format!("the payment is {state}, and not parked"),
        None => "there is no such payment".to_owned(),
    }
}
