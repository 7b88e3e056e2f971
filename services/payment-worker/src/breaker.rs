//! A circuit breaker: while the provider answers nobody, nobody asks but one at a time, and payments wait instead of using
//! up their attempts.
//!
//! Source of the idea: Michael Nygard, "Release It!". Not a library's, because those refuse a call while the circuit is
//! open; here a payment that is in hand waits for its turn, and no more are taken from the stream meanwhile.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::{counter, describe_counter};
use redis_kit::Backoff;
use tokio::{sync::Notify, time::Instant};
use tracing::{info, warn};

/// Between probes of a provider that does not answer. What a worker has in hand waits as long, also if the provider is well again, so
/// it is not for minutes.
const PAUSE: Backoff = Backoff { base: Duration::from_millis(500), limit: Duration::from_secs(5) };

/// Counts failures in a row, over all payments of this process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Breaker(Arc<Shared>);

struct Shared {
    /// So many failures in a row open the circuit.
    tolerance: u32,
    circuit: Mutex<Circuit>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circuit {
    /// Calls go through.
    Closed { failures: u32 },
    /// Nobody calls until then.
    Open { until: Instant, probes: u32 },
    /// One call finds out whether the provider is back.
    Probing { probes: u32 },
}

/// Permission to make one call. Dropped without a report, as when the call is cancelled, it says nothing about the provider.
pub(crate) struct Permit {
    shared: Arc<Shared>,
    is_probe: bool,
}

impl Breaker {
    pub(crate) fn new(tolerance: u32) -> Self {
        describe_counter!(
            "provider_breaker_openings_total",
            "How often the provider began to count as dead, so that payments waited."
        );
        let circuit = Mutex::new(Circuit::Closed { failures: 0 });
        Self(Arc::new(Shared { tolerance, circuit, changed: Notify::new() }))
    }

    /// Waits until a call may be made.
    pub(crate) async fn admit(&self) -> Permit {
        loop {
            // Listens before it looks, so that no change falls in between.
            let changed = self.0.changed.notified();
            match self.0.try_admit() {
                Ok(is_probe) => return Permit { shared: Arc::clone(&self.0), is_probe },
                Err(Some(until)) => {
                    let _ = tokio::time::timeout_at(until, changed).await;
                }
                Err(None) => changed.await,
            }
        }
    }
}

impl Shared {
    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the call that may be made is a probe; or else when to ask again, if that is known.
    fn try_admit(&self) -> Result<bool, Option<Instant>> {
        let mut circuit = self.circuit();
        match *circuit {
            Circuit::Closed { .. } => Ok(false),
            Circuit::Open { until, .. } if Instant::now() < until => Err(Some(until)),
            Circuit::Open { probes, .. } => {
                *circuit = Circuit::Probing { probes };
                Ok(true)
            }
            Circuit::Probing { .. } => Err(None),
        }
    }

    fn report(&self, is_probe: bool, has_answered: bool) -> bool {
        let mut circuit = self.circuit();
        let was_closed = matches!(*circuit, Circuit::Closed { .. });
        let next = match (*circuit, has_answered) {
            (Circuit::Closed { .. }, true) => Circuit::Closed { failures: 0 },
            (Circuit::Closed { failures }, false) if failures + 1 < self.tolerance => {
                Circuit::Closed { failures: failures + 1 }
            }
            (Circuit::Closed { .. }, false) => opened(0),
            // An answer is an answer, also one to a call from before.
            (Circuit::Open { .. } | Circuit::Probing { .. }, true) => {
                info!("the provider answers again");
                Circuit::Closed { failures: 0 }
            }
            (Circuit::Probing { probes }, false) if is_probe => opened(probes + 1),
            (circuit, false) => circuit,
        };
        *circuit = next;
        drop(circuit);
        self.changed.notify_waiters();
        let has_opened = was_closed && matches!(next, Circuit::Open { .. });
        if has_opened {
            counter!("provider_breaker_openings_total").increment(1);
        }
        has_opened
    }

    /// A probe that was cancelled: somebody else may make it.
    fn give_back_probe(&self) {
        let mut circuit = self.circuit();
        if let Circuit::Probing { probes } = *circuit {
            *circuit = Circuit::Open { until: Instant::now(), probes };
        }
        drop(circuit);
        self.changed.notify_waiters();
    }
}

fn opened(probes: u32) -> Circuit {
    // Half of the longest at least, or a dead provider would now and then be asked in a hot loop.
    let pause = (PAUSE.ceiling(probes + 1) + PAUSE.pause(probes + 1)) / 2;
    warn!(?pause, probes, "the provider does not answer: payments wait");
    Circuit::Open { until: Instant::now() + pause, probes }
}

impl Permit {
    /// Whether this is the one call that finds out whether the provider is back.
    pub(crate) fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// Says whether the provider has answered, whatever it said. True if that has opened the circuit.
    pub(crate) fn report(mut self, has_answered: bool) -> bool {
        self.shared.report(std::mem::take(&mut self.is_probe), has_answered)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe {
            self.shared.give_back_probe();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    async fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            let _ = breaker.admit().await.report(false);
        }
    }

    fn is_open(breaker: &Breaker) -> bool {
        breaker.admit().now_or_never().is_none()
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_so_many_failures_in_a_row() {
        let breaker = Breaker::new(3);
        fail(&breaker, 2).await;
        breaker.admit().await.report(true);
        fail(&breaker, 2).await;
        assert!(!is_open(&breaker));
        fail(&breaker, 1).await;
        assert!(is_open(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_at_a_time_finds_out_whether_the_provider_is_back() {
        let breaker = Breaker::new(1);
        fail(&breaker, 1).await;
        let probe = breaker.admit().await;
        assert!(is_open(&breaker), "the others wait for it");
        probe.report(false);
        assert!(is_open(&breaker));
        breaker.admit().await.report(true);
        assert!(!is_open(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_as_soon_as_the_provider_answers() {
        let breaker = Breaker::new(1);
        fail(&breaker, 1).await;
        let probe = breaker.admit().await;
        let waiting: Vec<_> =
            (0..10).map(|_| breaker.clone()).map(|b| async move { b.admit().await.is_probe }).collect();
        let waiting = tokio::spawn(futures_util::future::join_all(waiting));
        tokio::task::yield_now().await;
        probe.report(true);
        assert_eq!(waiting.await.unwrap(), [false; 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_cancelled_is_made_by_another() {
        let breaker = Breaker::new(1);
        fail(&breaker, 1).await;
        drop(breaker.admit().await);
        assert!(breaker.admit().await.is_probe);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_provider_is_asked_more_and_more_seldom_but_never_given_up() {
        let breaker = Breaker::new(1);
        fail(&breaker, 1).await;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let begun = Instant::now();
            breaker.admit().await.report(false);
            pauses.push(begun.elapsed());
        }
        assert!(pauses[0] >= Duration::from_millis(250), "{pauses:?}");
        assert!(
            pauses[11] >= PAUSE.limit / 2 && pauses[11] <= PAUSE.limit + Duration::from_millis(10),
            "{pauses:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_failure_of_a_call_from_before_does_not_end_the_probe() {
        let breaker = Breaker::new(1);
        let slow = breaker.admit().await;
        fail(&breaker, 1).await;
        let probe = breaker.admit().await;
        slow.report(false);
        assert!(is_open(&breaker));
        probe.report(true);
        assert!(!is_open(&breaker));
    }

    /// Calls that fail, succeed, take their time, and are cancelled anywhere; then the provider is well, and all must come through.
    #[tokio::test(start_paused = true)]
    async fn whatever_becomes_of_calls_nobody_waits_for_ever() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (breaker, mut calls) = (Breaker::new(3), Vec::new());
            for _ in 0..64 {
                let (breaker, mut random) = (breaker.clone(), fastrand::Rng::with_seed(random.u64(..)));
                calls.push(tokio::spawn(async move {
                    for _ in 0..20 {
                        let permit = breaker.admit().await;
                        tokio::time::sleep(Duration::from_millis(random.u64(0..400))).await;
                        match random.u8(..10) {
                            0 => drop(permit),
                            1..8 => drop(permit.report(false)),
                            _ => drop(permit.report(true)),
                        }
                    }
                }));
            }
            for call in &calls {
                tokio::time::sleep(Duration::from_millis(random.u64(0..200))).await;
                if random.bool() {
                    call.abort();
                }
            }
            calls.iter().for_each(tokio::task::JoinHandle::abort);
            tokio::task::yield_now().await;
            let waiting =
                (0..64).map(|_| breaker.clone()).map(async |breaker| breaker.admit().await.report(true));
            let through = futures_util::future::join_all(waiting);
            assert!(tokio::time::timeout(PAUSE.limit * 2, through).await.is_ok(), "seed {seed}");
        }
    }
}
