use fastrand::Rng;
use nix::sys::signal::Signal;
use redis_kit::stream::Mode;
use test_support::{Cut, FaultProxy};
use tokio::time::{Instant, sleep};
use tracing::info;

use crate::{
    fault::{Fault, millis},
    figures::Faults,
    process::Process,
    takeover::{Left, Takeovers},
    view::View,
    witness::Witness,
    worker::Settings,
};

/// A place that a worker is always in, one after the other.
pub(crate) struct Slot {
    index: usize,
    /// In front of Redis, for a worker that can be cut off from it.
    proxy: Option<FaultProxy>,
    settings: Settings,
    view: View,
    witness: Witness,
    random: Rng,
    /// How many workers have been here.
    workers: usize,
    process: Process,
    pub(crate) faults: Faults,
}

impl Slot {
    /// Starts the first worker. Those of the first slot cannot be cut off from Redis.
    pub(crate) async fn start(index: usize, seed: u64, mode: Mode, view: &View, witness: &Witness) -> Self {
        let mut proxy = None;
        if index > 0 {
            proxy = Some(FaultProxy::start(view.address()).await.unwrap());
        }
        let url = proxy.as_ref().map_or(view.url(), FaultProxy::url);
        let settings = Settings { url, instance: name(index, 0), ordered: mode == Mode::Ordered, seed };
        Self {
            index,
            proxy,
            view: view.clone(),
            witness: witness.clone(),
            random: Rng::with_seed(seed.wrapping_add(index as u64)),
            workers: 1,
            process: Process::start(&settings, witness),
            settings,
            faults: Faults::default(),
        }
    }

    /// The worker that is here now.
    pub(crate) fn instance(&self) -> &str {
        &self.process.instance
    }

    /// Lets one fault after the other befall the worker, until `end` at the latest; each has ended when this returns.
    pub(crate) async fn storm(&mut self, end: Instant, takeovers: &Takeovers) {
        // First of all, because a worker that is in trouble already does not ask again under the same lease.
        self.suffer(Fault::Cut(Cut::LoseReplies, millis(100)), takeovers).await;
        loop {
            let pause = millis(self.random.u64(100..1500));
            if Instant::now() + pause >= end {
                return;
            }
            sleep(pause).await;
            let fault = Fault::draw(&mut self.random, self.proxy.is_some());
            info!(worker = self.process.instance, ?fault, "a fault");
            self.suffer(fault, takeovers).await;
        }
    }

    async fn suffer(&mut self, fault: Fault, takeovers: &Takeovers) {
        match fault {
            Fault::Kill => self.kill(takeovers).await,
            Fault::Stop => {
                self.faults.stops += 1;
                self.replace().stop().await;
            }
            Fault::Freeze(time) => {
                self.faults.freezes += 1;
                self.process.send(Signal::SIGSTOP);
                sleep(time).await;
                self.process.send(Signal::SIGCONT);
            }
            Fault::Cut(cut, time) => {
                let Some(proxy) = &self.proxy else { return };
                self.faults.cuts += 1;
                cut.strike(proxy);
                sleep(time).await;
                cut.mend(proxy);
            }
        }
    }

    /// Kills the worker; others must take over what it leaves.
    pub(crate) async fn kill(&mut self, takeovers: &Takeovers) {
        self.faults.kills += 1;
        let killed = self.replace();
        let instance = killed.instance.clone();
        // Redis may be away, and then nobody knows what was left.
        let left = Left::by(&self.view, &instance, self.settings.mode()).await.ok();
        let at = Instant::now();
        killed.kill().await;
        if let Some(left) = left {
            takeovers.watch(left, self.view.clone(), instance, at);
        }
    }

    /// Asks the worker to stop, for good.
    pub(crate) async fn stop(self) {
        self.process.stop().await;
    }

    /// Puts a new worker in the present one's place, which goes on until it is ended.
    fn replace(&mut self) -> Process {
        self.settings.instance = name(self.index, self.workers);
        self.workers += 1;
        std::mem::replace(&mut self.process, Process::start(&self.settings, &self.witness))
    }
}

/// The name that no other worker ever has.
fn name(slot: usize, worker: usize) -> String {
    format!("slot{slot}-worker{worker}")
}
