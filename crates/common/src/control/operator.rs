use jiff::Timestamp;
use redis_kit::{
    Error, Redis,
    stream::{Commit, Delivery, Failure, Handler, StreamId, Worker, WorkerOptions},
};
use tracing::{info, warn};
use uuid::Uuid;

use super::{CLAIM_INTERVAL, GRACE, owner};
use crate::{
    messages::{Action, ControlEvent},
    names::Names,
};

/// Whoever can do what operators ask of one service.
pub trait CarryOut: Send + Sync + 'static {
    /// Does it, and says what came of it. May be called again for the same request, after a crash or an error that may pass.
    ///
    /// # Errors
    /// After one that is transient it is tried again, until it can be done. Any other is told to whoever asked.
    fn carry_out(&self, request: &Request<'_>) -> impl Future<Output = Result<Outcome, Error>> + Send;
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What.
    pub action: &'a Action,
    /// By whom.
    pub by: &'a str,
    /// Why.
    pub why: Option<&'a str>,
    /// When, by the clock of whoever asked.
    pub occurred_at: Timestamp,
    /// Where it stands in the control stream, and so when it was asked for by Redis's clock.
    pub stream_id: StreamId,
    /// By which what comes of it names it.
    pub id: Uuid,
}

/// What came of a request, and what is to be written with that.
#[derive(Debug)]
pub struct Outcome {
    pub(super) succeeded: bool,
    pub(super) told: String,
    pub(super) commit: Commit,
}

impl Outcome {
    /// It was done; `told` says what, and `commit` belongs to it.
    pub fn done(told: impl Into<String>, commit: Commit) -> Self {
        Self { succeeded: true, told: told.into(), commit }
    }

    /// It was not done; `told` says why not.
    pub fn refused(told: impl Into<String>) -> Self {
        Self { succeeded: false, told: told.into(), commit: Commit::new() }
    }
}

/// Has what is asked of one service carried out once, by one of its instances, and tells what came of it.
pub struct Operator<C> {
    /// The service, and so its group on the control stream.
    pub service: &'static str,
    /// Its instance.
    pub instance: String,
    /// Every name in Redis.
    pub names: Names,
    /// Who can do it.
    pub hands: C,
}

impl<C: CarryOut> Operator<C> {
    /// Takes its place among the instances, waiting for Redis for as long as it takes.
    ///
    /// # Errors
    /// Those that waiting does not cure.
    pub async fn join(self, redis: &Redis) -> Result<Worker<Self>, Error> {
        let options = WorkerOptions {
            claim_interval: CLAIM_INTERVAL,
            grace: GRACE,
            // What Redis cannot do now is tried until it can; what cannot be done is said to the person who asked.
            max_attempts: None,
            // What this version does not know is not its own to do.
            skip_unknown: true,
            ..WorkerOptions::default()
        };
        let (streams, group, instance) = ([self.names.control_stream()], self.service, self.instance.clone());
        Worker::start(redis, &streams, group, &instance, self, options).await
    }
}

impl<C: CarryOut> Handler for Operator<C> {
    type Message = ControlEvent;

    fn concerns(&self, message_type: &str) -> bool {
        // What came of requests is for people to read.
        message_type == "control.requested"
    }

    async fn handle(&self, delivery: Delivery<ControlEvent>) -> Result<Commit, Failure> {
        let ControlEvent::Requested { action, by, why } = &delivery.message else { return Ok(Commit::new()) };
        if owner(action) != Some(self.service) {
            return Ok(Commit::new());
        }
        let request = Request {
            action,
            by,
            why: why.as_deref(),
            occurred_at: delivery.occurred_at,
            stream_id: delivery.stream_id,
            id: delivery.message_id,
        };
        let Request { id, by, why, .. } = request;
        info!(request = %id, ?action, by, why, "carrying out what an operator asked for");
        let outcome = match self.hands.carry_out(&request).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => Outcome::refused(error.to_string()),
        };
        if outcome.succeeded {
            info!(request = %id, outcome = outcome.told, "carried out");
        } else {
            warn!(request = %id, outcome = outcome.told, "not carried out");
        }
        let carried_out = ControlEvent::CarriedOut {
            request: id,
            action: action.clone(),
            instance: self.instance.clone(),
            outcome: outcome.told,
            succeeded: outcome.succeeded,
        };
        let stream = self.names.control_stream();
        Ok(outcome.commit.append(stream, &carried_out, &delivery.trace.child())?)
    }
}
