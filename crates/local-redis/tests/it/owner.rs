//! A server does not outlive its owner, not even one that is killed.
//!
//! Each test starts itself again as another process, which owns a server, and kills that.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use local_redis::{Server, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::tempdir;

use crate::support::{answers, ask, binary, eventually};

/// Tells the process that it is the owner, and of which directory.
const OWNED: &str = "LOCAL_REDIS_TEST_OWNED_DIRECTORY";

#[tokio::test]
async fn a_server_ends_when_its_owner_is_killed_though_a_sibling_lives() -> Result<()> {
    if let Ok(directory) = std::env::var(OWNED) {
        return own(Settings::new(directory)).await;
    }
    let directory = tempdir()?;
    let test = "owner::a_server_ends_when_its_owner_is_killed_though_a_sibling_lives";
    let mut owner = Owner::start(test, directory.path())?;
    assert!(answers(&owner.url).await);

    owner.process.kill()?;
    owner.process.wait()?;
    eventually("the server to end", async || !answers(&owner.url).await).await?;
    kill(owner.sibling, None).context("the sibling was to outlive the server")?;
    Ok(())
}

#[tokio::test]
async fn a_lingering_server_serves_on_and_the_next_owner_waits_for_its_end() -> Result<()> {
    if let Ok(directory) = std::env::var(OWNED) {
        return own(Settings { linger: Duration::from_secs(3), ..Settings::new(directory) }).await;
    }
    let directory = tempdir()?;
    let test = "owner::a_lingering_server_serves_on_and_the_next_owner_waits_for_its_end";
    let mut owner = Owner::start(test, directory.path())?;
    owner.process.kill()?;
    owner.process.wait()?;

    ask::<()>(&owner.url, ["SET", "last", "words"]).await?;
    let next = Server::start(&binary().await?, Settings::new(directory.path())).await?;
    assert!(!answers(&owner.url).await, "two servers had one directory");
    assert_eq!(ask::<String>(&next.url(), ["GET", "last"]).await?, "words");
    Ok(())
}

/// The owner's part: it starts a server and a sibling of it, tells of them, and waits to be killed.
async fn own(settings: Settings) -> Result<()> {
    let server = Server::start(&binary().await?, settings).await?;
    // Started after the server, so that it would inherit whatever a child can inherit.
    let sibling = Command::new("sleep").arg("60").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    println!("\nowner {} {}", server.url(), sibling.id());
    std::future::pending().await
}

struct Owner {
    process: Child,
    url: String,
    sibling: Pid,
}

impl Owner {
    fn start(test: &str, directory: &Path) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--exact", test, "--nocapture"])
            .env(OWNED, directory)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().context("piped")?;
        let told =
            BufReader::new(output).lines().map_while(Result::ok).find(|line| line.starts_with("owner "));
        let told = told.context("the owner ended before its server was ready")?;
        let mut words = told.split(' ').skip(1);
        let url = words.next().context(told.clone())?.to_owned();
        let sibling = Pid::from_raw(words.next().context(told.clone())?.parse()?);
        Ok(Self { process, url, sibling })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = kill(self.sibling, Signal::SIGKILL);
    }
}
