//! Who holds retention up, and for how long.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use metrics::gauge;
use tracing::{info, warn};

use super::Held;
use crate::stream::StreamId;

/// The groups that hold up the trimming of one stream.
pub(super) struct Stalls {
    stream: String,
    stall_after: Duration,
    by_group: HashMap<String, Stall>,
}

struct Stall {
    /// The entry that it needs.
    at: StreamId,
    since: Instant,
    is_told: bool,
}

impl Stalls {
    pub(super) fn new(stream: String, stall_after: Duration) -> Self {
        Self { stream, stall_after, by_group: HashMap::new() }
    }

    /// Takes note of what a step found.
    pub(super) fn observe(&mut self, held: Option<&Held>) {
        self.release_others(held);
        let Some(held) = held else { return };
        for group in &held.groups {
            let fresh = || Stall { at: held.at, since: Instant::now(), is_told: false };
            let stall = self.by_group.entry(group.clone()).or_insert_with(fresh);
            if stall.at != held.at {
                *stall = fresh();
            }
            let since = stall.since.elapsed();
            set_gauge(&self.stream, group, since);
            if since >= self.stall_after && !stall.is_told {
                stall.is_told = true;
                warn!(
                    stream = self.stream,
                    group,
                    needs = %held.at,
                    "the stream cannot be trimmed, because this group has not moved for {} s",
                    since.as_secs()
                );
            }
        }
    }

    /// Forgets the groups that hold nothing up any more.
    fn release_others(&mut self, held: Option<&Held>) {
        let still_holds = |group: &String| held.is_some_and(|held| held.groups.contains(group));
        let stream = &self.stream;
        self.by_group.retain(|group, stall| {
            let stays = still_holds(group);
            if !stays {
                set_gauge(stream, group, Duration::ZERO);
                if stall.is_told {
                    info!(stream, group, "the group no longer keeps the stream from being trimmed");
                }
            }
            stays
        });
    }
}

fn set_gauge(stream: &str, group: &str, held: Duration) {
    let labels = [("stream", stream.to_owned()), ("group", group.to_owned())];
    gauge!("stream_retention_held_seconds", &labels).set(held);
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tracing::{Event, Level, Metadata, Subscriber, span};

    use super::*;

    /// Counts warnings.
    struct Warnings(Arc<AtomicUsize>);

    impl Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::WARN
        }

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    /// How many warnings there are after each observation; 0 stands for "nobody holds it up".
    fn warnings(stall_after: Duration, needs: &[u64]) -> Vec<usize> {
        let count = Arc::new(AtomicUsize::new(0));
        let mut stalls = Stalls::new("jobs".into(), stall_after);
        tracing::subscriber::with_default(Warnings(Arc::clone(&count)), || {
            let mut observe = |needed: u64| {
                let at = StreamId { milliseconds: needed, sequence: 0 };
                let held = Held { groups: vec!["slow".into()], at };
                stalls.observe((needed > 0).then_some(&held));
                count.load(Ordering::Relaxed)
            };
            needs.iter().map(|&needed| observe(needed)).collect()
        })
    }

    #[test]
    fn a_stall_is_warned_of_once_and_again_only_after_the_group_has_moved() {
        assert_eq!(warnings(Duration::ZERO, &[5, 5, 5, 0, 5, 5, 7, 7]), [1, 1, 1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn a_group_that_is_behind_for_a_short_time_is_not_warned_of() {
        assert_eq!(warnings(Duration::from_hours(1), &[5, 5, 7]), [0, 0, 0]);
    }
}
