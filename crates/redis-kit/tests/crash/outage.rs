use fastrand::Rng;
use local_redis::Server;
use tokio::time::{Instant, sleep};
use tracing::info;

use crate::fault::millis;

/// Redis itself, which may be killed.
pub(crate) struct Outages {
    pub(crate) server: Server,
    random: Rng,
    /// How often it was killed.
    pub(crate) count: u64,
}

impl Outages {
    pub(crate) fn of(server: Server, seed: u64) -> Self {
        Self { server, random: Rng::with_seed(!seed), count: 0 }
    }

    /// Kills it (SIGKILL) now and then, until `end` at the latest; it is there again when this returns.
    pub(crate) async fn storm(&mut self, end: Instant) {
        loop {
            let pause = millis(self.random.u64(1000..4000));
            if Instant::now() + pause >= end {
                return;
            }
            sleep(pause).await;
            info!("Redis is killed");
            self.server.kill().await.unwrap();
            self.count += 1;
            sleep(millis(self.random.u64(0..800))).await;
            self.server.restart().await.unwrap();
        }
    }
}
