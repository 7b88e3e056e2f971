//! How a person, or whoever started the command, ends it.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Ctrl-C, SIGTERM, and the terminal's end.
pub(crate) struct Signals {
    /// Cancelled by the first.
    pub(crate) stop: CancellationToken,
    /// Cancelled by the second; but a terminal that closes may well say so twice, and means nothing by it.
    pub(crate) kill: CancellationToken,
}

impl Signals {
    /// Listens, inside a Tokio runtime, for as long as that lives.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let mut signals = signal(kind).context("cannot listen for signals")?;
            let (stop, kill) = (stop.clone(), kill.clone());
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    if stop.is_cancelled() && kind != SignalKind::hangup() {
                        kill.cancel();
                    }
                    stop.cancel();
                }
            });
        }
        Ok(Self { stop, kill })
    }
}
