//! What the tests share.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use local_redis::{Finder, ServerBinary, ServerChoice};
use redis::FromRedisValue;

/// The server that the environment chooses.
pub(crate) async fn binary() -> Result<ServerBinary> {
    Ok(Finder::new(ServerChoice::from_env()).find(&|_| ()).await?)
}

/// Asks a server one thing: `ask(url, ["GET", "key"])`.
pub(crate) async fn ask<T: FromRedisValue>(url: &str, words: impl AsRef<[&str]>) -> Result<T> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let mut command = redis::Cmd::new();
    words.as_ref().iter().for_each(|word| {
        command.arg(word);
    });
    command.query_async(&mut connection).await.with_context(|| format!("{:?}", words.as_ref()))
}

/// Whether a server is there.
pub(crate) async fn answers(url: &str) -> bool {
    ask::<String>(url, ["PING"]).await.is_ok()
}

/// Polls until `condition` holds; fails with what was waited for.
pub(crate) async fn eventually(what: impl Debug, mut condition: impl AsyncFnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        if Instant::now() > deadline {
            bail!("waited in vain for: {what:?}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// An executable shell script, written by another process: a file that this one has open for writing as another test's
/// child starts could not be run.
pub(crate) fn script(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod +x "$0""#;
    let status = Command::new("sh").args(["-c", write]).arg(&path).arg(text).status()?;
    anyhow::ensure!(status.success(), "cannot write {}", path.display());
    Ok(path)
}
