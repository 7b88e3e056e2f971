use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tracing::{error, warn};

use crate::{
    Backoff, Connection, Error, patiently,
    stream::{Message, Page, StreamId, end, read_after},
};

/// How many entries of one partition are read at a time.
pub(super) const PAGE: usize = 128;

/// The streams behind a channel.
pub(super) struct Journal {
    commands: Connection,
    streams: Vec<String>,
    /// By partition: whether the last attempt to read it failed.
    failing: Box<[AtomicBool]>,
}

impl Journal {
    pub(super) fn new(commands: Connection, streams: &[String]) -> Self {
        let failing = streams.iter().map(|_| AtomicBool::new(false)).collect();
        Self { commands, streams: streams.into(), failing }
    }

    /// Fails with the reason while a partition cannot be read.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.failing.iter().position(|failing| failing.load(Ordering::Relaxed)) {
            Some(partition) => Err(format!("cannot read the journal of partition {partition}")),
            None => Ok(()),
        }
    }

    /// Where the streams end now. Waits for Redis.
    pub(super) async fn ends(&self) -> Result<Vec<StreamId>, Error> {
        let mut ends = Vec::with_capacity(self.streams.len());
        for stream in &self.streams {
            ends.push(patiently(async || end(&mut self.commands.clone(), stream).await).await?);
        }
        Ok(ends)
    }

    /// Reads the page after `after`, for as long as that takes: errors that waiting does not cure are tried again too,
    /// because an operator may cure them.
    pub(super) async fn read<M: Message>(
        self: Arc<Self>,
        partition: usize,
        after: StreamId,
    ) -> (usize, Page<M>) {
        let (stream, failing) = (&self.streams[partition], &self.failing[partition]);
        let mut failures = 0;
        loop {
            match read_after(&mut self.commands.clone(), stream, after, PAGE).await {
                Ok(page) => {
                    failing.store(false, Ordering::Relaxed);
                    return (partition, page);
                }
                Err(error) => {
                    failing.store(true, Ordering::Relaxed);
                    failures += 1;
                    if failures == 1 {
                        report(&error, stream);
                    }
                    Backoff::wait_to_reconnect(failures).await;
                }
            }
        }
    }
}

fn report(error: &Error, stream: &str) {
    if error.is_transient() {
        warn!(%error, stream, "cannot read the journal yet; waiting for Redis");
    } else {
        error!(%error, stream, "Redis refuses to show the journal; trying again");
    }
}
