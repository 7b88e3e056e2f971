//! When a service is asked to stop: by SIGTERM, by SIGINT, or by its supervisor's end.
//!
//! Everything that runs takes the [`CancellationToken`] made here, and drains when it is cancelled.

use std::io::Read;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// A token that is cancelled by the first SIGTERM or SIGINT and, for a `supervised` process, as soon as its
/// standard input ends: the supervisor holds the other end of that pipe, so it ends even when the supervisor
/// is killed with -9, and no service outlives it.
///
/// Must be called inside a Tokio runtime. Fails if signal handlers cannot be installed.
pub fn listen(supervised: bool) -> std::io::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let on_signal = shutdown.clone();
    tokio::spawn(async move {
        let reason = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(reason, "stopping");
        on_signal.cancel();
    });
    if supervised {
        let on_end = shutdown.clone();
        // A plain thread: a pending read of Tokio's stdin would keep the runtime from shutting down.
        std::thread::Builder::new().name("supervisor-pipe".into()).spawn(move || {
            // Whatever is written is ignored, and an error means that the pipe is gone just as an end does.
            let _ = std::io::copy(&mut std::io::stdin().lock().by_ref(), &mut std::io::sink());
            on_end.cancel();
        })?;
    }
    Ok(shutdown)
}
