//! How long a stream rests after its entries were passed, so that others come first who have work to do here.

use std::time::Duration;

use tokio::{
    runtime::{Handle, RuntimeMetrics},
    time::{Instant, sleep},
};

const LONGEST: Duration = Duration::from_secs(2);

/// Sleeps as long as the work took; and again as long, up to so many times and two seconds in all, for as long as the
/// runtime's threads are busy meanwhile for more than half of the time.
pub(super) async fn rest_after(work: Duration, times: u32) {
    let runtime = Handle::current().metrics();
    let began = Instant::now();
    for _ in 0..times {
        let (since, before) = (Instant::now(), busy(&runtime));
        sleep(work.min(LONGEST.saturating_sub(began.elapsed()))).await;
        let half = since.elapsed() / 2 * u32::try_from(runtime.num_workers()).unwrap_or(1);
        if busy(&runtime).saturating_sub(before) < half || began.elapsed() >= LONGEST {
            return;
        }
    }
}

/// For how long the runtime's threads have been busy since it began.
fn busy(runtime: &RuntimeMetrics) -> Duration {
    (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker)).sum()
}
