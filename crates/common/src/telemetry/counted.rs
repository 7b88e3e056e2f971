//! Some of this process's counters as whole numbers, for whoever looks at all instances through Redis: what `/metrics`
//! tells of them, summed over the labels that do not matter there.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// What is counted, and the labels by which it is.
const COUNTED: [(&str, &[&str]); 13] = [
    ("cache_reads_total", &["source"]),
    ("cache_loads_total", &["outcome"]),
    ("cache_invalidations_total", &[]),
    ("http_requests_total", &["status"]),
    ("notifications_total", &[]),
    ("provider_calls_total", &["outcome"]),
    ("provider_breaker_openings_total", &[]),
    ("pubsub_entries_heard_total", &[]),
    ("pubsub_entries_replayed_total", &[]),
    ("pubsub_gaps_total", &[]),
    ("rate_limit_checks_total", &["outcome"]),
    ("rate_limit_degraded_checks_total", &[]),
    ("stream_deliveries_total", &["group", "outcome"]),
];

/// The sums so far, by what they are of. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sums(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Sums {
    /// Each that is more than nothing.
    pub(super) fn all(&self) -> Vec<(String, u64)> {
        let sums = self.lock();
        let so_far = sums.iter().map(|(name, sum)| (name.clone(), sum.load(Relaxed)));
        so_far.filter(|(_, sum)| *sum > 0).collect()
    }

    fn of(&self, name: String) -> Arc<AtomicU64> {
        Arc::clone(self.lock().entry(name).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<AtomicU64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a counter adds to, if it is one of those: `name{label="value",…}`, as Prometheus writes it.
fn sum_of(key: &Key) -> Option<String> {
    let (name, kept) = COUNTED.iter().find(|(name, _)| *name == key.name())?;
    let mut sum = (*name).to_owned();
    let mut before = '{';
    for label in key.labels().filter(|label| kept.contains(&label.key())) {
        // Writing into a string does not fail.
        let _ = write!(sum, "{before}{}={:?}", label.key(), label.value());
        before = ',';
    }
    if before == ',' {
        sum.push('}');
    }
    Some(sum)
}

/// A recorder that sums up beside another one, which gets everything.
pub(super) struct Counting<R> {
    pub(super) all: R,
    pub(super) sums: Sums,
}

/// A counter that adds to a sum too. One atomic addition more, and nothing to be done when somebody looks.
struct Summed {
    counter: Counter,
    sum: Arc<AtomicU64>,
}

impl CounterFn for Summed {
    fn increment(&self, by: u64) {
        self.counter.increment(by);
        self.sum.fetch_add(by, Relaxed);
    }

    /// Nobody sets a counter that is summed up: what it had before would have to be taken out of the sum.
    fn absolute(&self, value: u64) {
        self.counter.absolute(value);
    }
}

impl<R: Recorder> Recorder for Counting<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.all.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.all.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.all.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let counter = self.all.register_counter(key, metadata);
        match sum_of(key) {
            Some(name) => Counter::from_arc(Arc::new(Summed { counter, sum: self.sums.of(name) })),
            None => counter,
        }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.all.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.all.register_histogram(key, metadata)
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, gauge, histogram, with_local_recorder};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn delivered(partition: &'static str, outcome: &'static str, times: u64) {
        let labels = [
            ("stream", format!("jobs:{{{partition}}}")),
            ("group", "workers".into()),
            ("outcome", outcome.into()),
        ];
        counter!("stream_deliveries_total", &labels).increment(times);
    }

    #[test]
    fn counters_are_summed_over_the_labels_that_do_not_matter_and_told_in_full_too() {
        let prometheus = PrometheusBuilder::new().build_recorder();
        let (handle, sums) = (prometheus.handle(), Sums::default());
        with_local_recorder(&Counting { all: prometheus, sums: sums.clone() }, || {
            delivered("0", "committed", 3);
            delivered("1", "committed", 4);
            delivered("0", "retried", 1);
            counter!("cache_invalidations_total").increment(2);
            counter!("cache_invalidations_total").increment(1);
            counter!("cache_reads_total", "source" => "near").increment(0);
            counter!("somebody_elses_total").increment(9);
            gauge!("stream_length").set(9);
            histogram!("stream_handler_seconds").record(0.1);
        });
        let expected = [
            ("cache_invalidations_total", 3),
            (r#"stream_deliveries_total{group="workers",outcome="committed"}"#, 7),
            (r#"stream_deliveries_total{group="workers",outcome="retried"}"#, 1),
        ];
        assert_eq!(sums.all(), expected.map(|(name, sum)| (name.to_owned(), sum)));
        let page = handle.render();
        for told in [
            "cache_invalidations_total 3",
            r#"stream_deliveries_total{stream="jobs:{0}",group="workers",outcome="committed"} 3"#,
            r#"stream_deliveries_total{stream="jobs:{1}",group="workers",outcome="committed"} 4"#,
            "somebody_elses_total 9",
            "stream_length 9",
            "stream_handler_seconds_count 1",
        ] {
            assert!(page.lines().any(|line| line == told), "{told} is not in\n{page}");
        }
    }
}
