use std::{collections::BTreeMap, fmt, time::Duration};

use test_support::Spread;

use crate::verdict::Verdict;

/// What all runs together have shown.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) orders: u64,
    pub(crate) requests: usize,
    pub(crate) verdict: Verdict,
    pub(crate) failed_attempts: u64,
    /// By the kind of fault: from its end until every order accepted by then had its outcome.
    pub(crate) recoveries: BTreeMap<String, Vec<Duration>>,
}

impl Report {
    /// Adds another run's figures.
    pub(crate) fn add(&mut self, other: Self) {
        self.orders += other.orders;
        self.requests += other.requests;
        self.verdict.add(&other.verdict);
        self.failed_attempts += other.failed_attempts;
        for (kind, times) in other.recoveries {
            self.recoveries.entry(kind).or_default().extend(times);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, requests, verdict, failed_attempts, .. } = self;
        let Verdict { accepted, paid, declined, parked, lost, doubled } = verdict;
        let faults: usize = self.recoveries.values().map(Vec::len).sum();
        writeln!(
            f,
            "  orders {orders} (sent {requests} times)   accepted {accepted}   paid {paid}   declined {declined}   parked {parked}"
        )?;
        writeln!(
            f,
            "  lost {lost}   charged twice {doubled}   attempts without an answer {failed_attempts}   faults {faults}"
        )?;
        for (kind, times) in &self.recoveries {
            writeln!(f, "  {kind:<36} {}", sorted(times))?;
        }
        Ok(())
    }
}

fn sorted(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort();
    Spread(&times).to_string()
}
