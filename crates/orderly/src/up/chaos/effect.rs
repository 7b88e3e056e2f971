use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::catch::is_ready;
use crate::{
    installation::Installation,
    up::target::{Frozen, Target},
};

/// How long a worker may take to be at work again.
const BACK_WITHIN: Duration = Duration::from_mins(1);

/// How long between two looks.
const GLANCE: Duration = Duration::from_millis(50);

/// What is broken, for as long as it is. Dropped, what is frozen goes on.
pub(super) enum Effect {
    /// Until another process has taken the place of the one that was killed.
    Killed { target: Target, pid: u32 },
    /// Until the time has come.
    Frozen { frozen: Frozen, until: Instant },
    /// Until the provider has forgotten it.
    Disturbed { until: Instant },
}

impl Effect {
    /// Waits until all is whole again, and sees to it.
    pub(super) async fn over(self, installation: &Installation) {
        match self {
            Self::Killed { target, pid } => back(&target, pid, installation).await,
            Self::Frozen { frozen, until } => {
                sleep_until(until).await;
                drop(frozen);
            }
            Self::Disturbed { until } => sleep_until(until).await,
        }
    }
}

async fn back(target: &Target, killed: u32, installation: &Installation) {
    let deadline = Instant::now() + BACK_WITHIN;
    while Instant::now() < deadline {
        // While Redis is away nobody is at work.
        if target.pid() != Some(killed) && is_ready(target, installation).await.unwrap_or(false) {
            return;
        }
        sleep(GLANCE).await;
    }
}
