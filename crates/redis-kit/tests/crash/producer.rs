use std::time::Duration;

use redis_kit::{
    stream::{Mode, encode},
    trace::TraceContext,
};
use test_support::eventually;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    entry::Entry,
    keys::{self, PARTITIONS},
    view::View,
};

/// Between two entries: half of what workers that are well get done, or they would never catch up.
fn pace(mode: Mode) -> Duration {
    Duration::from_millis(match mode {
        Mode::Competing => 2,
        Mode::Ordered => 5,
    })
}

/// How long an append may take, while Redis is killed and started again.
const LIMIT: Duration = Duration::from_mins(1);

/// Appends numbered entries at a steady rate, to one partition after the other.
pub(crate) struct Producer {
    stop: CancellationToken,
    producing: JoinHandle<u64>,
}

impl Producer {
    pub(crate) fn start(view: &View, mode: Mode) -> Self {
        let stop = CancellationToken::new();
        let producing = tokio::spawn(produce(view.clone(), pace(mode), stop.clone()));
        Self { stop, producing }
    }

    /// Ends it; returns how many entries there are, numbered from 0.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.cancel();
        self.producing.await.unwrap()
    }
}

async fn produce(view: View, pace: Duration, stop: CancellationToken) -> u64 {
    let mut pace = interval(pace);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while stop.run_until_cancelled(pace.tick()).await.is_some() {
        append(&view, number).await;
        number += 1;
    }
    number
}

/// Appends an entry once. When Redis is killed its reply may be lost, so looks whether it is there before sending it again.
async fn append(view: &View, number: u64) {
    let stream = keys::entries(number % PARTITIONS);
    let fields = encode(&Entry { number }, &TraceContext::root()).unwrap();
    let mut words = vec!["XADD", &stream, "*"];
    words.extend(fields.iter().flat_map(|(name, value)| [name, value.as_str()]));
    if view.ask::<String>(&words).await.is_ok() {
        return;
    }
    eventually("an entry to be appended", LIMIT, || async {
        match view.last_number(&stream).await.map(|last| last == Some(number)) {
            Ok(true) => Ok(()),
            Ok(false) => view.ask::<String>(&words).await.map(drop),
            Err(error) => Err(error),
        }
    })
    .await;
}
