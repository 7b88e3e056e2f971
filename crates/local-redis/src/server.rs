//! A private server: started, watched, stopped, started again.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::lock::{DirectoryLock, is_taken};
use crate::port::{ReservedPort, is_free};
use crate::probe::{Readiness, readiness};
use crate::process::Process;
use crate::settings::{CONFIG_FILE, Settings};
use crate::{Error, ServerBinary};

/// Between two questions whether a starting server is ready: at first, and at most. Each is a connection of its own, and
/// a server that loads for minutes must not use up the system's ports.
const POLL: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// How long one such question may take.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// How long a server may take to finish its files when asked to stop.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running server of one's own, on 127.0.0.1.
///
/// It lives in a process group of its own, so a Ctrl-C for its owner does not reach it, and it does not outlive its
/// owner: dropped, it is killed; and if the owner is killed, it is ended after [`Settings::linger`].
#[derive(Debug)]
pub struct Server {
    // Fields are dropped from first to last: the process ends before its directory is another's, or removed.
    process: Process,
    lock: DirectoryLock,
    scratch: Option<TempDir>,
    binary: ServerBinary,
    settings: Settings,
    port: u16,
    /// `None` for a port that was given, if whoever gave it has reserved it.
    _reserved: Option<ReservedPort>,
}

impl Server {
    /// Starts a server and returns when it answers with all its data, which takes some ten milliseconds.
    ///
    /// A directory whose last owner was killed is waited for until its lingering server is gone.
    ///
    /// # Errors
    /// [`Error::PortInUse`] and [`Error::DirectoryInUse`] if it cannot have what [`Settings`] name; [`Error::Died`] and
    /// [`Error::Late`], with the end of the server's log, if it did not get ready.
    pub async fn start(binary: &ServerBinary, settings: Settings) -> Result<Self, Error> {
        let given = settings.directory.clone();
        let unusable = |source| Error::Directory { path: given, source };
        let settings = settings.with_absolute_directory().map_err(unusable)?;
        create(&settings.directory)?;
        let lock = DirectoryLock::take(&settings.directory, settings.ready_within).await?;
        let (port, reserved) = if let Some(given @ 1..) = settings.port {
            (given, ReservedPort::of(given))
        } else {
            let free = ReservedPort::free()?;
            (free.number(), Some(free))
        };
        let process = launch(binary, &settings, &lock, port).await?;
        let binary = binary.clone();
        Ok(Self { process, lock, scratch: None, binary, settings, port, _reserved: reserved })
    }

    /// Keeps a temporary directory until after the server's end.
    pub(crate) fn keeping(mut self, scratch: TempDir) -> Self {
        self.scratch = Some(scratch);
        self
    }

    /// Where clients connect to. It stays the same over a [`Server::restart`].
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The port on 127.0.0.1. It stays the same over a [`Server::restart`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process; `None` once it is known to have ended, because the number may then be another's.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// The data directory, as an absolute path.
    pub fn directory(&self) -> &Path {
        &self.settings.directory
    }

    /// The server that runs.
    pub fn binary(&self) -> &ServerBinary {
        &self.binary
    }

    pub(crate) async fn last_log_lines(&self) -> String {
        self.process.last_log_lines().await
    }

    /// Waits for the server's end, which a supervisor did not ask for. May be dropped and called again.
    ///
    /// # Errors
    /// [`Error::Process`] if the system will not tell.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.process.wait().await
    }

    /// Lets the server finish its files and end; kills it if that takes more than ten seconds. One that has ended
    /// already stays so.
    ///
    /// # Errors
    /// [`Error::Process`] if the system refuses.
    pub async fn stop(&mut self) -> Result<ExitStatus, Error> {
        self.process.terminate(STOP_LIMIT).await
    }

    /// Kills the server (SIGKILL) and waits for its end: a crash, for tests.
    ///
    /// # Errors
    /// [`Error::Process`] if the system refuses.
    pub async fn kill(&mut self) -> Result<ExitStatus, Error> {
        self.process.kill().await
    }

    /// Starts the server again, on the same port and directory, after stopping it if it still runs. A durable one has
    /// all its data again when this returns.
    ///
    /// # Errors
    /// As for [`Server::start`]. The server is then down, and this may be called again.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await?;
        self.process = launch(&self.binary, &self.settings, &self.lock, self.port).await?;
        Ok(())
    }
}

/// Where the server listens that somebody runs in this data directory; `None` if nobody does.
pub fn running_in(directory: &Path) -> Option<String> {
    if !is_taken(directory) {
        return None;
    }
    let config = fs::read_to_string(directory.join(CONFIG_FILE)).ok()?;
    let port: u16 = config.lines().find_map(|line| line.strip_prefix("port ")?.parse().ok())?;
    Some(url(port))
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

/// For its owner's eyes only: it will hold customers' data.
fn create(directory: &Path) -> Result<(), Error> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    created.map_err(|source| Error::Directory { path: directory.to_owned(), source })
}

async fn launch(
    binary: &ServerBinary,
    settings: &Settings,
    lock: &DirectoryLock,
    port: u16,
) -> Result<Process, Error> {
    // Asked before, because a server that cannot bind is only known by its exit.
    if !is_free(port) {
        return Err(Error::PortInUse { port });
    }
    let config = settings.directory.join(CONFIG_FILE);
    fs::write(&config, settings.config_file(port))
        .map_err(|source| Error::Directory { path: config, source })?;
    let share = lock.share().map_err(|source| Error::Process { action: "start", source })?;
    let mut process = Process::spawn(binary.path(), settings, share)?;
    until_ready(&mut process, port, settings.ready_within).await?;
    Ok(process)
}

async fn until_ready(process: &mut Process, port: u16, limit: Duration) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        if let Some(status) = process.try_wait()? {
            return Err(why_it_died(process, port, status).await);
        }
        let reason = match readiness(port, process.pid(), PROBE_LIMIT).await {
            Readiness::Ready => return Ok(()),
            Readiness::Stranger => return Err(Error::PortInUse { port }),
            Readiness::NotYet(reason) => reason,
        };
        if started.elapsed() > limit {
            return Err(Error::Late { limit, reason, log: process.last_log_lines().await });
        }
        sleep((started.elapsed() / 10).clamp(POLL.0, POLL.1)).await;
    }
}

async fn why_it_died(process: &Process, port: u16, status: ExitStatus) -> Error {
    if is_free(port) {
        Error::Died { status, log: process.last_log_lines().await }
    } else {
        // It lost its port to another process between our question and its start.
        Error::PortInUse { port }
    }
}
