//! What the code under test measures.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, LocalRecorderGuard, Metadata, Recorder, SharedString, Unit,
};
use test_support::eventually;

use crate::harness::LIMIT;

type Values = Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>;

/// Hears of the gauges and counters that are set on this test's thread, where all its tasks run, for as long as it lives.
pub(crate) struct Gauges {
    values: Values,
    _guard: LocalRecorderGuard<'static>,
}

struct Heard(Values);

impl Gauges {
    pub(crate) fn start() -> Self {
        let values = Values::default();
        // As long as the process: the guard borrows it.
        let recorder: &'static Heard = Box::leak(Box::new(Heard(Arc::clone(&values))));
        Self { values, _guard: metrics::set_default_local_recorder(recorder) }
    }

    /// The value of a gauge, named as Prometheus does: `name{label="value",…}`.
    pub(crate) fn get(&self, gauge: &str) -> Option<f64> {
        let values = self.values.lock().unwrap();
        values.get(gauge).map(|bits| f64::from_bits(bits.load(std::sync::atomic::Ordering::Acquire)))
    }

    /// How much a counter has counted, named in the same way.
    pub(crate) fn count(&self, counter: &str) -> u64 {
        let values = self.values.lock().unwrap();
        values.get(counter).map_or(0, |count| count.load(std::sync::atomic::Ordering::Acquire))
    }

    /// Waits until the gauge is exactly that.
    pub(crate) async fn until_is(&self, gauge: &str, expected: f64) {
        self.until(gauge, |value| value.total_cmp(&expected).is_eq()).await;
    }

    /// Waits until the gauge is as it should be.
    pub(crate) async fn until(&self, gauge: &str, is_right: impl Fn(f64) -> bool) {
        eventually("a gauge", LIMIT, || async {
            match self.get(gauge) {
                Some(value) if is_right(value) => Ok(()),
                other => Err(format!("{gauge} is {other:?}")),
            }
        })
        .await;
    }
}

impl Heard {
    fn value(&self, key: &Key) -> Arc<AtomicU64> {
        Arc::clone(self.0.lock().unwrap().entry(name(key)).or_default())
    }
}

fn name(key: &Key) -> String {
    let labels: Vec<String> =
        key.labels().map(|label| format!("{}={:?}", label.key(), label.value())).collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Recorder for Heard {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
