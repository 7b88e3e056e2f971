use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{join, join_all},
};
use local_redis::{Durability, Server};
use redis_kit::stream::{Mode, WorkerOptions};
use tokio::time::{Instant, sleep};

use crate::{
    figures::Figures,
    outage::Outages,
    producer::Producer,
    settled::{all_are_at_work, all_are_members, nothing_is_left_to_do},
    slot::Slot,
    takeover::Takeovers,
    verdict::{Run, Verdict},
    view::View,
    witness::Witness,
    worker::options,
};

const WORKERS: usize = 4;

/// How long faults follow on each other before all get time to recover.
const STORM: Duration = Duration::from_secs(10);

/// How long workers may need to be well again after a storm. Half-open connections are given up after five seconds, one
/// that blocks perhaps after another that does not.
const RECOVERY: Duration = Duration::from_secs(12);

/// How much later than promised a takeover may be on a machine that is busy with other things.
const ALLOWANCE: Duration = Duration::from_secs(3);

/// What is run.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    mode: Mode,
    redis_dies: bool,
}

impl Scenario {
    pub(crate) const ALL: [Self; 4] = [
        Self { name: "competing", mode: Mode::Competing, redis_dies: false },
        Self { name: "ordered", mode: Mode::Ordered, redis_dies: false },
        Self { name: "competing_while_redis_dies", mode: Mode::Competing, redis_dies: true },
        Self { name: "ordered_while_redis_dies", mode: Mode::Ordered, redis_dies: true },
    ];

    /// Lets entries be worked on under faults for `time`, then looks what became of them.
    pub(crate) async fn run(&self, seed: u64, time: Duration) {
        let mut bench = Bench::start(self, seed).await;
        let (calm, storm) = (Takeovers::default(), Takeovers::default());
        let producer = Producer::start(&bench.view, self.mode);
        let end = Instant::now() + time;
        loop {
            bench.kill_one(&calm).await;
            bench.storm(end.min(Instant::now() + STORM), &storm).await;
            if Instant::now() + RECOVERY >= end {
                break;
            }
            sleep(RECOVERY).await;
        }
        // Until then partitions must go on moving.
        let (calm, storm) = (calm.times().await, storm.times().await);
        let entries = producer.stop().await;
        // What became of the entries is told all the same.
        let settled = AssertUnwindSafe(bench.settle()).catch_unwind().await;
        let Bench { view, witness, slots, outages, .. } = bench;
        let faults = slots.iter().map(|slot| slot.faults).sum();
        if settled.is_ok() {
            join_all(slots.into_iter().map(Slot::stop)).await;
            all_are_members(&view, self.mode, &[]).await;
        }

        let run = Run { view: &view, witness: &witness, seed, mode: self.mode, entries };
        let verdict = run.judge().await.unwrap();
        let (repeated, outages) = (witness.repeated(), outages.count);
        let figures =
            Figures { scenario: self.name, entries, repeated, faults, outages, verdict, calm, storm };
        println!("{figures}");
        if let Err(panic) = settled {
            resume_unwind(panic);
        }
        self.check(&figures);
    }

    fn check(&self, figures: &Figures) {
        assert_eq!(figures.verdict, Verdict::default(), "what is wrong, by the numbers of the entries");
        // In ordered mode there is one entry at a time that can be hit, and in a short run perhaps none.
        let was_hit = figures.repeated > 0 || self.mode == Mode::Ordered;
        assert!(was_hit, "no fault has hit any work, so the run says nothing");
        let promised = promised_takeover(&options(self.mode)) + ALLOWANCE;
        if let Some(longest) = figures.calm.last().filter(|_| !self.redis_dies) {
            assert!(*longest <= promised, "a takeover took {longest:?}, more than {promised:?}");
        }
    }
}

/// See [`WorkerOptions::lease`].
fn promised_takeover(options: &WorkerOptions) -> Duration {
    options.lease + options.lease / 10 + options.claim_interval + options.block
}

/// A Redis, workers, and what is known of them.
struct Bench {
    mode: Mode,
    redis_dies: bool,
    view: View,
    witness: Witness,
    slots: Vec<Slot>,
    outages: Outages,
    random: fastrand::Rng,
}

impl Bench {
    async fn start(scenario: &Scenario, seed: u64) -> Self {
        let Scenario { mode, redis_dies, .. } = *scenario;
        let durability = if redis_dies { Durability::Always } else { Durability::Volatile };
        let server = Server::ephemeral(durability).await.unwrap();
        let (view, witness) = (View::of(&server), Witness::default());
        let slots = (0..WORKERS).map(|index| Slot::start(index, seed, mode, &view, &witness));
        Self {
            mode,
            redis_dies,
            slots: join_all(slots).await,
            outages: Outages::of(server, seed),
            random: fastrand::Rng::with_seed(seed.rotate_left(32)),
            view,
            witness,
        }
    }

    /// Kills a worker while all others are well, and leaves them alone until they have taken over.
    async fn kill_one(&mut self, takeovers: &Takeovers) {
        self.all_are_members().await;
        all_are_at_work(&self.view, self.mode, &self.live()).await;
        // Whoever has just joined takes nobody for dead before the time of a lease has passed.
        sleep(options(self.mode).lease).await;
        let one = self.random.usize(..self.slots.len());
        self.slots[one].kill(takeovers).await;
        takeovers.rest().await;
    }

    async fn storm(&mut self, end: Instant, takeovers: &Takeovers) {
        let storms = join_all(self.slots.iter_mut().map(|slot| slot.storm(end, takeovers)));
        if self.redis_dies {
            join(storms, self.outages.storm(end)).await;
        } else {
            storms.await;
        }
    }

    async fn settle(&self) {
        nothing_is_left_to_do(&self.view).await;
        self.all_are_members().await;
    }

    async fn all_are_members(&self) {
        all_are_members(&self.view, self.mode, &self.live()).await;
    }

    fn live(&self) -> Vec<&str> {
        self.slots.iter().map(Slot::instance).collect()
    }
}
