use std::{
    io::{ErrorKind, Write},
    time::Duration,
};

use common::messages::Announcement;
use redis_kit::pubsub::{ReplayEvent, ReplaySubscription};
use tokio::time::{MissedTickBehavior, interval};

use super::{Positions, TailArgs, filter::Filter, json, line, since};
use crate::installation::Installation;

/// How often it is looked whether the journal can be followed.
const GLANCE: Duration = Duration::from_secs(1);

/// Prints what happens until nobody reads it any more.
pub(super) async fn run(args: TailArgs) -> anyhow::Result<()> {
    let source = Installation::reach(&args.installation).await?;
    let from = match &args.after {
        Some(positions) => since::behind(positions, &source)?,
        None => args.since.find(&source).await?,
    };
    let (channel, journals) = (source.names.orders_channel(), source.names.orders_streams(source.partitions));
    let mut subscription = ReplaySubscription::start(&source.server, &channel, &journals, from).await?;
    let mut filter = Filter::new(&args);
    let mut watch = Watch { is_following: true };
    let mut glances = interval(GLANCE);
    glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once, when nothing can be known yet.
    glances.tick().await;
    loop {
        tokio::select! {
            event = subscription.next() => {
                let positions = Positions(subscription.positions());
                let Some(text) = text(&event, &positions, &mut filter, &args)? else { continue };
                if !print(&text)? {
                    return Ok(());
                }
            }
            _ = glances.tick() => watch.look(subscription.status().check()),
        }
    }
}

/// What is printed of an event, if it is told.
fn text(
    event: &ReplayEvent<Announcement>,
    positions: &Positions,
    filter: &mut Filter,
    args: &TailArgs,
) -> serde_json::Result<Option<String>> {
    match event {
        ReplayEvent::Entry { announcement, .. } if !filter.passes(&announcement.event) => Ok(None),
        ReplayEvent::Entry { announcement, position } if args.json => {
            json::event(announcement, position.partition, position.id, positions).map(Some)
        }
        ReplayEvent::Entry { announcement, .. } => Ok(Some(line::event(announcement, args.verbose))),
        ReplayEvent::Reset { partition, from, to } if args.json => {
            json::reset(*partition, *from, *to, positions).map(Some)
        }
        ReplayEvent::Reset { partition, from, to } => Ok(Some(line::reset(*partition, *from, *to))),
    }
}

/// Prints a line. `false` if nobody reads it.
fn print(text: &str) -> std::io::Result<bool> {
    let mut out = anstream::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says when the journal cannot be followed, and when it can be again: silence is no sign of either.
struct Watch {
    is_following: bool,
}

impl Watch {
    fn look(&mut self, status: Result<(), String>) {
        if self.is_following == status.is_ok() {
            return;
        }
        self.is_following = status.is_ok();
        match status {
            Ok(()) => anstream::eprintln!("orderly tail: following again"),
            Err(reason) => anstream::eprintln!("orderly tail: {reason}; waiting for Redis"),
        }
    }
}
