//! One watch for all who look.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use common::positions::Positions;
use redis_kit::{Backoff, Error};
use tokio::{
    sync::{broadcast, watch},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::{
    figures::{History, Now},
    look::Look,
    moments::{Collector, Frame, Moment, Tally},
};
use crate::{
    app::App,
    orders::events::Step,
    page::shop::{Board, boards},
};

/// How often events are told that were collected meanwhile.
const FRAME: Duration = Duration::from_millis(250);

/// After how many of them the system is looked at.
const FRAMES_A_LOOK: u32 = 4;

/// How many frames a viewer may be behind before it reads the journal instead: eight seconds.
const BUFFER: usize = 32;

/// How many events somebody sees who has just come.
const RECENT: usize = 20;

/// How long a page that is asked for waits for the first look.
const PATIENCE: Duration = Duration::from_secs(1);

/// After a failure of Redis.
const RETRY: Backoff = Backoff { base: Duration::from_millis(100), limit: Duration::from_secs(2) };

/// The watch, as long as somebody looks.
#[derive(Default)]
pub(crate) struct Live(Mutex<Weak<Watch>>);

/// What is told to all who look.
pub(super) struct Watch {
    /// How things stand; nothing before the first look.
    pub(super) now: watch::Receiver<Option<Arc<Told<Now>>>>,
    pub(super) boards: watch::Receiver<Option<Arc<Told<Vec<Board>>>>>,
    events: Arc<Mutex<Collected>>,
    frames: broadcast::Sender<Arc<Told<Frame>>>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// Something, and how it is told.
pub(super) struct Told<T> {
    pub(super) what: T,
    pub(super) json: String,
}

/// Events on their way to those who look.
struct Collected {
    collector: Collector,
    /// The last that were told.
    recent: VecDeque<Moment>,
    /// Up to where.
    told: Positions,
}

/// What tells everybody.
struct Teller {
    app: App,
    events: Arc<Mutex<Collected>>,
    frames: broadcast::Sender<Arc<Told<Frame>>>,
    now: watch::Sender<Option<Arc<Told<Now>>>>,
    boards: watch::Sender<Option<Arc<Told<Vec<Board>>>>>,
}

/// The events of all the time that somebody who comes now is told, and what comes after them.
pub(super) struct Joined {
    pub(super) recent: Frame,
    pub(super) frames: broadcast::Receiver<Arc<Told<Frame>>>,
}

impl Live {
    /// How things stand: as the watch has just seen it, or by a look of its own.
    pub(in crate::page) async fn now(&self, app: &App) -> Now {
        let watch = self.lock().upgrade();
        let seen = watch.and_then(|watch| watch.now.borrow().clone());
        if let Some(seen) = seen {
            return seen.what.clone();
        }
        match timeout(PATIENCE, Look::take(&app.installation)).await {
            Ok(Ok(look)) => History::default().now(look, Tally::default()),
            // The page says that nothing is known, and goes on trying.
            Ok(Err(_)) | Err(_) => Now::default(),
        }
    }

    /// The watch that there is, or a new one. It ends once nobody holds it.
    pub(super) async fn watch(&self, app: &App) -> Result<Arc<Watch>, Error> {
        let watch = self.lock().upgrade();
        if let Some(watch) = watch {
            return Ok(watch);
        }
        // What happens between the two is told by the watch.
        let positions = app.events.now().await?;
        let recent = app
            .events
            .newest(RECENT)
            .await?
            .iter()
            .map(Moment::of)
            .filter(|moment| !moment.is_behind(&positions))
            .collect();
        let mut kept = self.lock();
        // Somebody else may have come meanwhile.
        Ok(kept.upgrade().unwrap_or_else(|| {
            let watch = Arc::new(Watch::start(app.clone(), positions, recent));
            *kept = Arc::downgrade(&watch);
            watch
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Weak<Watch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    fn start(app: App, positions: Positions, recent: VecDeque<Moment>) -> Self {
        let (frames, _) = broadcast::channel(BUFFER);
        let (tell_now, now) = watch::channel(None);
        let (tell_boards, boards) = watch::channel(None);
        let collected =
            Collected { collector: Collector::new(positions.clone()), recent, told: positions.clone() };
        let events = Arc::new(Mutex::new(collected));
        let hearing = tokio::spawn(hear(app.clone(), positions, Arc::clone(&events)));
        let telling = Teller {
            app,
            events: Arc::clone(&events),
            frames: frames.clone(),
            now: tell_now,
            boards: tell_boards,
        };
        let telling = tokio::spawn(telling.run());
        let tasks = [hearing, telling].map(AbortOnDropHandle::new);
        Self { now, boards, events, frames, _tasks: tasks }
    }

    /// Takes somebody in: nothing is missing between what they are told first and the frames that follow.
    pub(super) fn join(&self) -> Joined {
        let collected = lock(&self.events);
        let moments = collected.recent.iter().cloned().collect();
        let recent = Frame { moments, positions: collected.told.clone() };
        Joined { recent, frames: self.frames.subscribe() }
    }
}

/// Collects every event, from these positions on.
async fn hear(app: App, positions: Positions, events: Arc<Mutex<Collected>>) {
    let mut follower = app.events.follow_all(positions).await;
    let mut failures = 0;
    loop {
        match follower.next().await {
            Ok(step) => {
                failures = 0;
                // What is gone from the journal cannot be shown; the numbers are not made of what is shown.
                if let Some(Step::Event(told)) = step {
                    lock(&events).collector.add(&told);
                }
            }
            Err(error) => {
                failures += 1;
                debug!(%error, "cannot read the journal for those who watch");
                sleep(RETRY.pause(failures)).await;
            }
        }
    }
}

impl Teller {
    async fn run(self) {
        let mut history = History::default();
        let mut ticks = interval(FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 0_u32.. {
            ticks.tick().await;
            self.tell_events();
            if tick % FRAMES_A_LOOK == 0 {
                self.tell_numbers(&mut history).await;
            }
        }
    }

    fn tell_events(&self) {
        let mut events = lock(&self.events);
        let Some(frame) = events.collector.take() else { return };
        events.recent.extend(frame.moments.iter().cloned());
        let old = events.recent.len().saturating_sub(RECENT);
        events.recent.drain(..old);
        events.told.clone_from(&frame.positions);
        // Under the lock, so that whoever joins is told each event once. Nobody may look just now.
        let _ = self.frames.send(Arc::new(Told::new(frame)));
    }

    /// What cannot be read now may be a second later; until then everybody sees what was.
    async fn tell_numbers(&self, history: &mut History) {
        match Look::take(&self.app.installation).await {
            Ok(look) => {
                let tally = lock(&self.events).collector.tally;
                self.now.send_replace(Some(Arc::new(Told::new(history.now(look, tally)))));
            }
            Err(error) => debug!(%error, "cannot look at the system for those who watch"),
        }
        match boards(&self.app).await {
            Ok(boards) => {
                self.boards.send_if_modified(|seen| {
                    let is_new = seen.as_ref().is_none_or(|seen| seen.what != boards);
                    if is_new {
                        *seen = Some(Arc::new(Told::new(boards)));
                    }
                    is_new
                });
            }
            Err(error) => debug!(%error, "cannot read the boards for those who watch"),
        }
    }
}

impl<T: serde::Serialize> Told<T> {
    fn new(what: T) -> Self {
        // Maps with text as keys, numbers and texts can be written.
        let json = serde_json::to_string(&what).unwrap_or_default();
        Self { what, json }
    }
}

fn lock(events: &Mutex<Collected>) -> MutexGuard<'_, Collected> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}
