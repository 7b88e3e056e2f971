use std::{sync::LazyLock, time::Duration};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::warn;

use crate::{
    Backoff, Connection, Error,
    lua::{Lua, lua},
    patiently,
    stream::StreamId,
};

static KEEP_POSITION: LazyLock<Lua> = lua!("lua/keep_position.lua");

/// Positions are saved at most so often, whatever the number of messages.
const EVERY: Duration = Duration::from_millis(100);

/// How long the last save may take when the subscription is stopped.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// Keeps a durable subscriber's positions in Redis, in the background. Dropped, it still saves what it was told last.
pub(super) struct Keeper {
    settled: watch::Sender<Vec<StreamId>>,
    saving: JoinHandle<()>,
}

impl Keeper {
    /// Waits for Redis, and returns the positions that are kept there; `0-0` where there was none yet.
    pub(super) async fn start(
        redis: Connection,
        name: &str,
        streams: &[String],
    ) -> Result<(Self, Vec<StreamId>), Error> {
        let mut kept = Vec::with_capacity(streams.len());
        for stream in streams {
            kept.push(patiently(|| keep(redis.clone(), stream, name, StreamId::ZERO)).await?);
        }
        let (settled, positions) = watch::channel(kept.clone());
        let saver = Saver {
            redis,
            name: name.into(),
            streams: streams.into(),
            saved: kept.clone(),
            settled: positions,
        };
        Ok((Self { settled, saving: tokio::spawn(saver.run()) }, kept))
    }

    /// Everything in this partition up to `id` is done.
    pub(super) fn settle(&self, partition: usize, id: StreamId) {
        self.settled.send_if_modified(|settled| std::mem::replace(&mut settled[partition], id) != id);
    }

    /// Saves what is settled, and ends.
    pub(super) async fn stop(self) {
        drop(self.settled);
        if timeout(STOP_LIMIT, self.saving).await.is_err() {
            warn!("could not save the positions in time; what was done since the last time will be repeated");
        }
    }
}

/// The background half of a [`Keeper`].
struct Saver {
    redis: Connection,
    name: String,
    streams: Vec<String>,
    saved: Vec<StreamId>,
    settled: watch::Receiver<Vec<StreamId>>,
}

impl Saver {
    /// Saves until the other half is gone and its last word is saved.
    async fn run(mut self) {
        let mut failures = 0;
        while self.settled.changed().await.is_ok() {
            if let Err(error) = self.save().await {
                failures += 1;
                if failures == 1 {
                    warn!(%error, name = self.name, "cannot save the positions yet; trying again");
                }
                self.settled.mark_changed();
                Backoff::wait_to_reconnect(failures).await;
            } else {
                failures = 0;
                self.pause().await;
            }
        }
    }

    async fn save(&mut self) -> Result<(), Error> {
        let settled = self.settled.borrow_and_update().clone();
        for (partition, id) in settled.into_iter().enumerate() {
            if id != self.saved[partition] {
                keep(self.redis.clone(), &self.streams[partition], &self.name, id).await?;
                self.saved[partition] = id;
            }
        }
        Ok(())
    }

    /// Waits until it is time for the next save, or there will be no other.
    async fn pause(&mut self) {
        let mut settled = self.settled.clone();
        let ended = async { while settled.changed().await.is_ok() {} };
        tokio::select! {
            () = sleep(EVERY) => {}
            () = ended => {}
        }
    }
}

/// Moves the position forward to `id`; returns where it is now.
async fn keep(mut redis: Connection, stream: &str, name: &str, id: StreamId) -> Result<StreamId, Error> {
    let mut call = KEEP_POSITION.call([stream]);
    call.arg(name).arg(id);
    Ok(KEEP_POSITION.run(&mut redis, &call).await?)
}
