use fastrand::Rng;
use local_redis::Server;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use crate::fault::{Strikes, millis};

/// Redis itself, which is killed and frozen now and then.
pub(crate) struct Outages {
    pub(crate) server: Server,
    random: Rng,
    strikes: Strikes,
}

impl Outages {
    pub(crate) fn of(server: Server, seed: u64, strikes: &Strikes) -> Self {
        Self { server, random: Rng::with_seed(!seed), strikes: strikes.clone() }
    }

    /// It is there again when this returns.
    pub(crate) async fn storm(&mut self, end: Instant) {
        loop {
            let pause = millis(self.random.u64(2000..7000));
            if Instant::now() + pause >= end {
                return;
            }
            sleep(pause).await;
            if self.random.u8(..3) == 0 {
                self.freeze().await;
                self.strikes.note("Redis frozen");
            } else {
                self.server.kill().await.unwrap();
                sleep(millis(self.random.u64(0..800))).await;
                self.server.restart().await.unwrap();
                self.strikes.note("Redis killed");
            }
        }
    }

    async fn freeze(&mut self) {
        let Some(pid) = self.server.pid() else { return };
        let pid = Pid::from_raw(pid.cast_signed());
        kill(pid, Signal::SIGSTOP).unwrap();
        sleep(millis(self.random.u64(200..2500))).await;
        kill(pid, Signal::SIGCONT).unwrap();
    }
}
