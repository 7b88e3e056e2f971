//! What one place in the program logs again and again is logged as often as anybody can read it, and beyond that counted: a
//! line for each of ten thousand orders a second would cost more than taking them. (zap, Go's logger, samples so too.)
//!
//! Only events at level INFO: who asks for more detail wants all of it, and warnings are never left out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier, info};
use tracing_subscriber::layer::{Context, Layer};

/// How many events of one place are logged in a [`WINDOW`].
const MOST: u32 = 100;

const WINDOW: Duration = Duration::from_secs(1);

/// By which a filter lets through what is told here.
pub(super) const DIRECTIVE: &str = concat!(module_path!(), "=info");

/// Lets events through as long as they are not too many.
#[derive(Clone, Default)]
pub(super) struct Sampled(Arc<Mutex<HashMap<Identifier, Seen>>>);

/// What came from one place since a window began.
struct Seen {
    since: Instant,
    events: u32,
}

impl Sampled {
    fn lets_through(&self, metadata: &'static Metadata<'static>) -> bool {
        let mut places = self.places();
        let seen = places.entry(metadata.callsite()).or_insert_with(Seen::nothing);
        // A window in which some are left out is ended by whoever tells of them.
        if seen.events <= MOST && seen.since.elapsed() >= WINDOW {
            *seen = Seen::nothing();
        }
        seen.events = seen.events.saturating_add(1);
        if seen.events == MOST + 1 {
            let (sampled, end) = (self.clone(), WINDOW.saturating_sub(seen.since.elapsed()));
            let told = thread::Builder::new().spawn(move || sampled.tell(metadata, end));
            // Without anybody who could tell, a new window begins at once.
            if told.is_err() {
                *seen = Seen::nothing();
            }
        }
        seen.events <= MOST
    }

    /// Waits for the end of the window, and tells how many were left out in it.
    fn tell(&self, metadata: &'static Metadata<'static>, end: Duration) {
        thread::sleep(end);
        let seen = self.places().remove(&metadata.callsite());
        let left_out = seen.map_or(0, |seen| seen.events.saturating_sub(MOST));
        let like = metadata.target();
        info!(left_out, like, line = metadata.line(), "more came in a second than are logged");
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Identifier, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn nothing() -> Self {
        Self { since: Instant::now(), events: 0 }
    }
}

impl<S: Subscriber> Layer<S> for Sampled {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        *metadata.level() != Level::INFO || self.lets_through(metadata)
    }
}

#[cfg(test)]
mod tests {
    use tracing::{debug, subscriber::with_default, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::log::Log;

    /// How often each of these texts is logged while `work` runs.
    fn logged<const N: usize>(texts: [&str; N], work: impl FnOnce()) -> [usize; N] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(move || writer.clone())
            .finish()
            .with(Sampled::default());
        with_default(subscriber, work);
        texts.map(|text| log.text().matches(text).count())
    }

    #[test]
    fn of_what_one_place_logs_a_hundred_a_second_are_enough_and_each_place_has_its_own() {
        let counts = logged(["an order", "a payment", "a detail", "a problem"], || {
            for _ in 0..300 {
                info!("an order");
                debug!("a detail");
                warn!("a problem");
            }
            info!("a payment");
        });
        assert_eq!(counts, [100, 1, 300, 300]);
    }

    #[test]
    fn a_second_later_it_is_logged_again() {
        let counts = logged(["an order"], || {
            for second in [100, 50] {
                for _ in 0..second {
                    info!("an order");
                }
                thread::sleep(WINDOW);
            }
        });
        assert_eq!(counts, [150]);
    }
}
