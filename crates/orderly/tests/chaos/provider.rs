use std::time::Duration;

use fastrand::Rng;
use reqwest::Client;
use sandbox::{FaultSettings, Latency};
use tokio::time::{Instant, sleep};

use crate::fault::{Strikes, millis};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// The provider's bad days.
pub(crate) struct Provider {
    http: Client,
    faults: String,
    random: Rng,
    strikes: Strikes,
}

impl Provider {
    pub(crate) fn new(base: &str, seed: u64, strikes: &Strikes) -> Self {
        Self {
            http: Client::builder().timeout(PATIENCE).build().unwrap(),
            faults: format!("{base}/faults"),
            random: Rng::with_seed(seed.rotate_left(17)),
            strikes: strikes.clone(),
        }
    }

    /// One bad time after the other, until `end`; all is well when this returns.
    pub(crate) async fn storm(&mut self, end: Instant) {
        while Instant::now() < end {
            let (kind, faults) = self.draw();
            if self.set(&faults).await {
                sleep(millis(self.random.u64(500..2500))).await;
                self.strikes.note(kind);
            }
            self.set(&good_day()).await;
            sleep(millis(self.random.u64(200..2000))).await;
        }
        self.heal().await;
    }

    /// Its process may be away, so asks until it has heard. What it was told before, while it was frozen, and has not answered, it may
    /// carry out later; so it must be well after a while too.
    pub(crate) async fn heal(&self) {
        loop {
            if self.set(&good_day()).await {
                sleep(PATIENCE).await;
                if self.is_well().await {
                    return;
                }
            }
            sleep(millis(50)).await;
        }
    }

    async fn is_well(&self) -> bool {
        let faults = async { self.http.get(&self.faults).send().await?.json::<FaultSettings>().await };
        faults.await.is_ok_and(|faults| faults == good_day())
    }

    async fn set(&self, faults: &FaultSettings) -> bool {
        self.http.put(&self.faults).json(faults).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    fn draw(&mut self) -> (&'static str, FaultSettings) {
        let rate = [0.2, 0.5, 1.0][self.random.usize(..3)];
        let day = FaultSettings { seed: self.random.u64(..), ..good_day() };
        match self.random.u8(..7) {
            0 => ("provider answers 5xx", FaultSettings { error_rate: rate, ..day }),
            1 => {
                ("provider charges, then answers 5xx", FaultSettings { error_after_charge_rate: rate, ..day })
            }
            2 => ("provider resets", FaultSettings { reset_rate: rate, ..day }),
            3 => ("provider charges, then resets", FaultSettings { reset_after_charge_rate: rate, ..day }),
            4 => ("provider charges, then times out", FaultSettings { timeout_rate: rate, ..day }),
            5 => ("provider answers twice", FaultSettings { twice_rate: rate, ..day }),
            // A call may take 400 ms.
            _ => {
                let latency = Latency::Uniform { min_ms: 50, max_ms: 700 };
                ("provider answers late", FaultSettings { latency, ..day })
            }
        }
    }
}

/// It declines some cards even then.
fn good_day() -> FaultSettings {
    FaultSettings { decline_rate: 0.05, ..FaultSettings::default() }
}
