//! What an operator asks for on `control-stream`, carried out by the service that owns the thing.
//!
//! | role | file |
//! |---|---|
//! | doing what was asked for, once, by one instance | `operator.rs` |
//! | that a group is paused, as every instance learns it | `pauses.rs` |
//!
//! The stream has one consumer group for each service, of its name. Every service sees every request and passes over those that are
//! another's. What came of one is appended by the commit that acknowledges it.

mod operator;
mod pauses;

use std::time::Duration;

use redis_kit::{
    Redis,
    stream::{Worker, WorkerOptions},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{messages::Action, names::groups};

pub(crate) use operator::Operator;
pub use pauses::Paused;
pub(crate) use pauses::Pauses;

/// People wait for seconds, and nothing else waits.
const CLAIM_INTERVAL: Duration = Duration::from_secs(2);

/// A replay that goes on for longer is taken up by the next instance where this one left off.
const GRACE: Duration = Duration::from_secs(1);

/// The service that carries an action out. `None` if this version knows nobody who would.
pub fn owner(action: &Action) -> Option<&'static str> {
    groups::owner(action.group()?)
}

/// Carries out what is asked of a service, and follows the pauses of its groups, until `shutdown`. Work goes on without it, so
/// that nothing it needs can hold a service up.
pub(crate) async fn run(operator: Operator, redis: &Redis, shutdown: CancellationToken) {
    let (pauses, commands, names) = (operator.pauses.clone(), operator.redis.clone(), operator.names.clone());
    tokio::join!(
        pauses.follow(commands, &names, shutdown.clone()),
        carry_out(operator, redis, shutdown.clone())
    );
}

async fn carry_out(operator: Operator, redis: &Redis, shutdown: CancellationToken) {
    let options = WorkerOptions {
        claim_interval: CLAIM_INTERVAL,
        grace: GRACE,
        // What Redis cannot do now is tried until it can; what cannot be done is said to the person who asked.
        max_attempts: None,
        // What this version does not know is not its own to do.
        skip_unknown: true,
        ..WorkerOptions::default()
    };
    let (streams, group, instance) =
        ([operator.names.control_stream()], operator.service, operator.instance.clone());
    let starting = Worker::start(redis, &streams, group, &instance, operator, options);
    match shutdown.run_until_cancelled(starting).await {
        Some(Ok(worker)) => worker.run(shutdown).await,
        Some(Err(error)) => error!(%error, "cannot carry out what operators ask for"),
        None => {}
    }
}
