//! Changes of a ranking, told live.
//!
//! Whoever watches is told at most once a second, and only if what is to be seen has changed. A ranking is read once for all who
//! watch it through this gateway, and not at all if nobody does; so what it costs does not depend on how many orders there are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use axum::response::sse::Event;
use tokio::{sync::watch, time::sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::view::{BoardView, Selection};
use crate::{
    app::App,
    edge::sse::{EventStream, event_stream},
};

/// How often a ranking is read while somebody watches.
const PERIOD: Duration = Duration::from_secs(1);

/// How many members are read, for whoever wants to see the most.
pub(super) const MOST: u32 = 100;

/// What is watched, for as long as somebody does.
#[derive(Default)]
pub(super) struct Watches(Mutex<HashMap<Selection, Weak<Watch>>>);

/// One ranking that is watched.
struct Watch {
    /// As it was last read; nothing before that.
    seen: watch::Receiver<Option<BoardView>>,
    _task: AbortOnDropHandle<()>,
}

/// Somebody who watches.
struct Watcher {
    _watch: Arc<Watch>,
    seen: watch::Receiver<Option<BoardView>>,
    limit: usize,
    /// What they have been told.
    told: Option<BoardView>,
}

/// The ranking's first `limit`, and again whenever they change.
pub(super) fn watch(app: &App, selection: Selection, limit: u32) -> EventStream {
    let watch = app.boards.watches.of(app, selection);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let watcher = Watcher { seen: watch.seen.clone(), _watch: watch, limit, told: None };
    event_stream(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((event, watcher))
    })
}

impl Watches {
    /// The watch that there is, or a new one.
    fn of(&self, app: &App, selection: Selection) -> Arc<Watch> {
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = watches.get(&selection).and_then(Weak::upgrade) {
            return watch;
        }
        watches.retain(|_, watch| watch.strong_count() > 0);
        let (sender, seen) = watch::channel(None);
        let task = tokio::spawn(look(app.clone(), selection, sender));
        let watch = Arc::new(Watch { seen, _task: AbortOnDropHandle::new(task) });
        watches.insert(selection, Arc::downgrade(&watch));
        watch
    }
}

/// Looks again and again. What cannot be read now may be a second later; until then, watchers see what was.
async fn look(app: App, selection: Selection, sender: watch::Sender<Option<BoardView>>) {
    loop {
        match app.boards.top(selection, MOST).await {
            Ok(view) => {
                sender.send_if_modified(|seen| {
                    let is_new = seen.as_ref() != Some(&view);
                    *seen = Some(view);
                    is_new
                });
            }
            Err(error) => debug!(%error, ?selection, "cannot read a ranking that is watched"),
        }
        sleep(PERIOD).await;
    }
}

impl Watcher {
    /// What there is to tell; `None` if the watch has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.told.is_some() || self.seen.borrow().is_none() {
                self.seen.changed().await.ok()?;
            }
            let view = self.seen.borrow_and_update().clone()?.limited(self.limit);
            if self.told.as_ref() != Some(&view) {
                let json = serde_json::to_string(&view).ok()?;
                self.told = Some(view);
                return Some(Event::default().event("leaderboard").data(json));
            }
        }
    }
}
