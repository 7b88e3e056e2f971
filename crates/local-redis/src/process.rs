//! The server's process, on a leash: it cannot outlive the process that started it.
//!
//! `run.sh` starts the server with a guard beside it that reads a pipe. Nobody writes to that pipe; it ends when its
//! writing end is closed, which the system does when this process ends, whatever ended it. Then the guard ends the
//! server. The writing end closes on exec, so no other child of this process keeps the pipe open.

use std::io::{self, PipeWriter};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::Error;
use crate::log::Log;
use crate::settings::{CONFIG_FILE, Settings};

const RUN: &str = include_str!("sh/run.sh");
const ESCALATE: &str = include_str!("sh/escalate.sh");

/// A server's process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Given up once the server is known to be dead, which sends its guard away.
    leash: Option<PipeWriter>,
    log: Log,
}

impl Process {
    /// Runs `binary` with the configuration file in its directory; `lock` is for the server to hold.
    pub(crate) fn spawn(binary: &Path, settings: &Settings, lock: Stdio) -> Result<Self, Error> {
        let (stdout, log) = Log::open(&settings.directory)?;
        let cannot_start = |source| Error::Process { action: "start", source };
        let (guards_end, leash) = io::pipe().map_err(cannot_start)?;
        let child = Command::new("/bin/sh")
            .args(["-c", RUN, "sh"])
            .args([&settings.linger_seconds().to_string(), ESCALATE])
            .arg(binary)
            .arg(CONFIG_FILE)
            .current_dir(&settings.directory)
            .stdin(guards_end)
            .stdout(stdout)
            .stderr(lock)
            // A Ctrl-C on the terminal is for the owner, which ends its children in the order it sees fit.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot_start)?;
        Ok(Self { child, leash: Some(leash), log })
    }

    /// `None` once the process is known to have ended: its number may be another's by now.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) async fn wait(&mut self) -> Result<ExitStatus, Error> {
        let status = self.child.wait().await.map_err(cannot_wait)?;
        self.leash = None;
        Ok(status)
    }

    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        let status = self.child.try_wait().map_err(cannot_wait)?;
        if status.is_some() {
            self.leash = None;
        }
        Ok(status)
    }

    /// SIGTERM, on which a server finishes its files; SIGKILL if it has not ended within `limit`.
    pub(crate) async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus, Error> {
        // Until it is waited for, the number stays the server's, so the signal hits nobody else.
        if let Some(pid) = self.pid() {
            let sent = signal::kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
            sent.map_err(|errno| Error::Process { action: "stop", source: errno.into() })?;
        }
        if let Ok(ended) = timeout(limit, self.wait()).await {
            return ended;
        }
        tracing::warn!(pid = self.pid(), ?limit, "the server ignores SIGTERM and is killed");
        self.kill().await
    }

    pub(crate) async fn kill(&mut self) -> Result<ExitStatus, Error> {
        self.child.kill().await.map_err(|source| Error::Process { action: "kill", source })?;
        self.wait().await
    }

    pub(crate) async fn last_log_lines(&self) -> String {
        self.log.last_lines().await
    }
}

impl Drop for Process {
    /// Waits for the end of the killed process, a few milliseconds, so that its directory and port are free, and
    /// a temporary directory can be removed, as soon as this returns.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(1);
        let _ = self.child.start_kill();
        while let Ok(None) = self.child.try_wait()
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn cannot_wait(source: io::Error) -> Error {
    Error::Process { action: "wait for", source }
}
