//! One connection of somebody who looks.

use std::{collections::VecDeque, sync::Arc};

use axum::response::sse::Event;
use common::{positions::Positions, problem::Problem};
use redis_kit::Error;
use tokio::sync::{broadcast, broadcast::error::RecvError, watch};
use tracing::debug;

use super::{
    figures::Now,
    moments::{Frame, Moment},
    watch::{Told, Watch},
};
use crate::{
    app::App,
    edge::sse::{EventStream, event_stream},
    error::redis_failed,
    page::shop::Board,
};

/// How many of the events that were missed are counted, of each partition. Beyond, it is said that there were more.
const MOST_MISSED: usize = 250;

/// How many of them are shown.
const SHOWN: usize = 20;

/// Somebody who looks.
struct Viewer {
    app: App,
    _watch: Arc<Watch>,
    now: watch::Receiver<Option<Arc<Told<Now>>>>,
    boards: watch::Receiver<Option<Arc<Told<Vec<Board>>>>>,
    frames: broadcast::Receiver<Arc<Told<Frame>>>,
    /// As far as they were told of events.
    told: Positions,
    /// What they are told before anything else.
    first: VecDeque<Event>,
}

/// Everything that is told: how things stand (`now`), the boards (`boards`), events (`moments`), and how many events were not
/// told (`missed`) while a connection was lost. `from` is where the viewer was.
pub(in crate::page) async fn live(app: App, from: Option<Positions>) -> Result<EventStream, Problem> {
    let watch = app.live.watch(&app).await.map_err(|error| redis_failed(&error))?;
    let joined = watch.join();
    let (now, boards) = (watch.now.clone(), watch.boards.clone());
    let mut viewer = Viewer {
        app,
        _watch: watch,
        now,
        boards,
        frames: joined.frames,
        told: joined.recent.positions.clone(),
        first: VecDeque::new(),
    };
    viewer.now.mark_changed();
    viewer.boards.mark_changed();
    match from {
        None => viewer.first.extend(moments_event(&joined.recent)),
        Some(from) => {
            viewer.told = from;
            viewer.catch_up().await;
        }
    }
    Ok(event_stream(viewer, |mut viewer| async move {
        let event = viewer.next().await?;
        Some((event, viewer))
    }))
}

impl Viewer {
    /// What there is to tell; `None` if the watch has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.first.pop_front() {
                return Some(event);
            }
            tokio::select! {
                changed = self.now.changed() => {
                    changed.ok()?;
                    self.first.extend(latest("now", &mut self.now));
                }
                changed = self.boards.changed() => {
                    changed.ok()?;
                    self.first.extend(latest("boards", &mut self.boards));
                }
                frame = self.frames.recv() => match frame {
                    Ok(frame) => {
                        let news = self.behind(&frame);
                        self.first.extend(news);
                    }
                    // They were too slow, which is like having been away.
                    Err(RecvError::Lagged(_)) => self.catch_up().await,
                    Err(RecvError::Closed) => return None,
                }
            }
        }
    }

    /// A frame, or what of it was not told yet.
    fn behind(&mut self, frame: &Told<Frame>) -> Option<Event> {
        let is_news = |moment: &&Moment| moment.is_behind(&self.told);
        let news = frame.what.moments.iter().filter(is_news).count();
        let event = if news == frame.what.moments.len() {
            Some(named("moments", &frame.json).id(frame.what.positions.to_string()))
        } else {
            let moments: Vec<Moment> = frame.what.moments.iter().filter(is_news).cloned().collect();
            moments_event(&Frame { moments, positions: frame.what.positions.clone() })
        };
        self.told.advance(&frame.what.positions);
        event
    }

    /// Tells what happened since they were told last, as far as it is worth telling.
    async fn catch_up(&mut self) {
        let events = self.missed().await.unwrap_or_else(|error| {
            debug!(%error, "cannot read what a viewer has missed");
            vec![missed(0, true)]
        });
        self.first.extend(events);
    }

    async fn missed(&mut self) -> Result<Vec<Event>, Error> {
        let since = self.app.events.since(&self.told, MOST_MISSED).await?;
        let left_out = since.told.len().saturating_sub(SHOWN);
        let moments = since.told[left_out..].iter().map(Moment::of).collect();
        self.told.clone_from(&since.positions);
        let told = moments_event(&Frame { moments, positions: since.positions });
        let missed = (left_out > 0 || since.is_cut).then(|| missed(left_out, since.is_cut));
        Ok(told.into_iter().chain(missed).collect())
    }
}

/// What was seen last, if anything was.
fn latest<T>(name: &str, seen: &mut watch::Receiver<Option<Arc<Told<T>>>>) -> Option<Event> {
    seen.borrow_and_update().as_ref().map(|told| named(name, &told.json))
}

fn moments_event(frame: &Frame) -> Option<Event> {
    let json = serde_json::to_string(frame).ok()?;
    Some(named("moments", &json).id(frame.positions.to_string()))
}

fn missed(events: usize, more: bool) -> Event {
    named("missed", &serde_json::json!({ "events": events, "more": more }).to_string())
}

fn named(name: &str, json: &str) -> Event {
    Event::default().event(name).data(json)
}
