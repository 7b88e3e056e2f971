//! What a listener's connection is sent.

use std::time::Duration;

use axum::response::sse::Event;
use common::{messages::OrderId, positions::Positions, problem::Problem};
use redis_kit::{
    Backoff,
    session::{SessionOf, Token},
    stream::StreamId,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Follower, follower::Step};
use crate::{
    accounts::Login,
    app::App,
    edge::sse::{EventStream, event_stream},
    error::redis_failed,
    orders::view::OrderView,
};

/// How often it is looked whether the listener still may listen, and how the order stands.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// How many pages of the journal are read for a listener to one order, who then is told how the order stands instead.
const MOST_PAGES: usize = 20;

/// After a failure of Redis.
const RETRY: Backoff = Backoff { base: Duration::from_millis(100), limit: Duration::from_secs(2) };

/// One connection.
struct Listener {
    app: App,
    follower: Follower,
    /// By which it is allowed to listen, if not everybody is.
    token: Option<Token>,
    about: About,
    look_again: Instant,
    failures: u32,
    is_over: bool,
}

/// What it listens to.
enum About {
    Everything,
    /// One order, and the version at which the listener knows it.
    Order {
        id: OrderId,
        known: StreamId,
    },
}

/// Every event of every order, from the end of the journal or from where the listener was.
pub(in crate::orders) async fn all_events(
    app: App,
    admin: SessionOf<Login>,
    from: Option<Positions>,
) -> Result<EventStream, Problem> {
    let from = match from {
        Some(from) => from,
        None => app.events.now().await.map_err(|error| redis_failed(&error))?,
    };
    let follower = app.events.follow_all(from).await;
    Ok(Listener::new(app, follower, Some(admin.token), About::Everything).events())
}

/// How an order stands, unless the listener knows, and then its events. Ends once nothing can happen any more.
pub(in crate::orders) async fn order_events(
    app: App,
    order: &OrderView,
    token: Option<Token>,
    from: Option<StreamId>,
) -> EventStream {
    let follower = app.events.follow_order(order.id, from.unwrap_or(order.version)).await;
    let known = from.unwrap_or(StreamId::ZERO);
    let mut listener = Listener::new(app, follower, token, About::Order { id: order.id, known });
    if from.is_some() {
        // What it has missed is told event by event.
        listener.look_again += LOOK_AGAIN;
    }
    listener.events()
}

impl Listener {
    fn new(app: App, follower: Follower, token: Option<Token>, about: About) -> Self {
        Self { app, follower, token, about, look_again: Instant::now(), failures: 0, is_over: false }
    }

    fn events(self) -> EventStream {
        event_stream(self, |mut listener| async move {
            let event = listener.next().await?;
            Some((event, listener))
        })
    }

    /// The next event to send; `None` if it was the last.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.is_over {
                return None;
            }
            if matches!(self.about, About::Order { .. }) && self.follower.pages() > MOST_PAGES {
                self.skip().await;
            }
            let found = tokio::select! {
                biased;
                () = sleep_until(self.look_again) => self.look().await,
                step = self.follower.next() => step.map(|step| step.and_then(|step| self.tell(step))),
            };
            if let Ok(event) = found {
                self.failures = 0;
                if event.is_some() {
                    return event;
                }
            } else {
                self.failures += 1;
                sleep(RETRY.ceiling(self.failures)).await;
            }
        }
    }

    /// Looks whether the listener may go on, and whether its order stands otherwise than it knows.
    async fn look(&mut self) -> Result<Option<Event>, redis_kit::Error> {
        self.look_again = Instant::now() + LOOK_AGAIN;
        if let Some(token) = &self.token
            && self.app.sessions.load(token).await?.is_none()
        {
            self.is_over = true;
            return Ok(None);
        }
        let About::Order { id, known } = self.about else { return Ok(None) };
        let Ok(Some(order)) = self.app.orders.find(id).await else { return Ok(None) };
        self.is_over = order.is_final();
        Ok(if order.version > known { self.state(&order) } else { None })
    }

    /// Reads no further in what was long ago: how the order stands is enough.
    async fn skip(&mut self) {
        if let Ok(now) = self.app.events.now().await {
            self.follower.move_to(now);
            self.look_again = Instant::now();
        }
    }

    fn state(&mut self, order: &OrderView) -> Option<Event> {
        if let About::Order { known, .. } = &mut self.about {
            *known = order.version;
        }
        let json = serde_json::to_string(order).ok()?;
        Some(Event::default().event("order").id(order.version.to_string()).data(json))
    }

    fn tell(&mut self, step: Step) -> Option<Event> {
        match (step, &mut self.about) {
            (Step::Event(told), About::Everything) => Some(
                Event::default().event(told.kind()).id(self.follower.told().to_string()).data(&told.json),
            ),
            // The listener knows it from how the order stands.
            (Step::Event(told), About::Order { known, .. }) if told.id <= *known => None,
            (Step::Event(told), About::Order { known, .. }) => {
                *known = told.id;
                self.is_over = matches!(told.kind(), "order.paid" | "order.payment_declined");
                Some(Event::default().event(told.kind()).id(told.id.to_string()).data(&told.json))
            }
            (Step::Reset { .. }, About::Everything) => {
                let data = r#"{"detail":"some events may be gone; look at what there is now"}"#;
                Some(Event::default().event("reset").id(self.follower.told().to_string()).data(data))
            }
            // How the order stands makes up for it.
            (Step::Reset { .. }, About::Order { .. }) => {
                self.look_again = Instant::now();
                None
            }
        }
    }
}
