//! What an operator asks for on `control-stream`, carried out by the service that owns the thing.
//!
//! | role | file |
//! |---|---|
//! | having it done once, by one instance, and telling what came of it | `operator.rs` |
//! | what can be done to a service's groups | `groups.rs` |
//! | that a group is paused, as every instance learns it | `pauses.rs` |
//!
//! The stream has one consumer group for each service, of its name, and one for the supervisor of `orderly up`, which can do
//! other things. Every one sees every request and passes over those that are another's. What came of one is appended by the
//! commit that acknowledges it.

mod groups;
mod operator;
mod pauses;

use std::time::Duration;

use redis_kit::Redis;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{messages::Action, names};

pub(crate) use groups::GroupActions;
pub use operator::{CarryOut, Operator, Outcome, Request};
pub use pauses::Paused;
pub(crate) use pauses::Pauses;

/// People wait for seconds, and nothing else waits.
const CLAIM_INTERVAL: Duration = Duration::from_secs(2);

/// A replay that goes on for longer is taken up by the next instance where this one left off.
const GRACE: Duration = Duration::from_secs(1);

/// Who carries an action out: a service, or the supervisor of `orderly up`. `None` if this version knows nobody.
pub fn owner(action: &Action) -> Option<&'static str> {
    match action {
        Action::KillWorker { .. }
        | Action::FreezeWorker { .. }
        | Action::SlowProvider { .. }
        | Action::FailProvider { .. } => Some(names::services::SUPERVISOR),
        _ => names::groups::owner(action.group()?),
    }
}

/// Carries out what is asked of a service, and follows the pauses of its groups, until `shutdown`. Work goes on without it, so
/// that nothing it needs can hold a service up.
pub(crate) async fn run(operator: Operator<GroupActions>, redis: &Redis, shutdown: CancellationToken) {
    let GroupActions { pauses, redis: commands, names, .. } = &operator.hands;
    let (pauses, commands, names) = (pauses.clone(), commands.clone(), names.clone());
    tokio::join!(
        pauses.follow(commands, &names, shutdown.clone()),
        carry_out(operator, redis, shutdown.clone())
    );
}

async fn carry_out(operator: Operator<GroupActions>, redis: &Redis, shutdown: CancellationToken) {
    match shutdown.run_until_cancelled(operator.join(redis)).await {
        Some(Ok(worker)) => worker.run(shutdown).await,
        Some(Err(error)) => error!(%error, "cannot carry out what operators ask for"),
        None => {}
    }
}
