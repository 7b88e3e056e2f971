//! A process that is kept running until it is told to stop.

use std::{path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{console::Console, plan::Process, restart::restart_pause, target::Target};

/// Longer than a service gives itself to drain.
const STOP_LIMIT: Duration = Duration::from_secs(13);

/// One supervised process.
pub(super) struct Supervisor {
    process: Process,
    target: Target,
    stop: CancellationToken,
    keeper: JoinHandle<()>,
}

impl Supervisor {
    /// Starts the process. Fails if this program cannot be executed again.
    pub(super) fn start(process: Process, console: &Console) -> anyhow::Result<Self> {
        let (target, stop) = (Target::new(&process.label), CancellationToken::new());
        let keeper = Keeper {
            program: own_program().context("cannot find this program's own file")?,
            print: console.service(&process.label, process.colour),
            console: console.clone(),
            process: process.clone(),
            target: target.clone(),
            stop: stop.clone(),
        };
        let first = keeper.spawn()?;
        Ok(Self { process, target, stop, keeper: tokio::spawn(keeper.keep(first)) })
    }

    /// What runs.
    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// Whatever process of it runs now.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Lets the process drain and end, whether it runs, has died, or is about to be restarted.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        // A panic in there has been printed.
        let _ = self.keeper.await;
    }
}

struct Keeper {
    program: PathBuf,
    process: Process,
    print: Arc<dyn Fn(&str) + Send + Sync>,
    console: Console,
    target: Target,
    stop: CancellationToken,
}

impl Keeper {
    fn spawn(&self) -> anyhow::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .arg0("orderly")
            .args(["service", self.process.service.name(), "--supervised"])
            // What `up` itself may have been started with is not for its services.
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_PID")
            .envs(self.process.environment.iter().map(|(name, value)| (name, value)))
            // Through a pipe a service cannot see who reads its log in the end.
            .env(if self.console.colour() { "CLICOLOR_FORCE" } else { "NO_COLOR" }, "1")
            // The other end is held open here: when this process ends, however it does, so does the pipe.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for `up` alone, which stops its services in order.
            .process_group(0)
            .kill_on_drop(true);
        if std::env::var_os("LOG_FORMAT").is_none() {
            command.env("LOG_FORMAT", "pretty");
        }
        if let Some(listening) = &self.process.listening {
            listening.pass_to(&mut command)?;
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.process.label))?;
        self.target.runs_as(child.id());
        if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
            tokio::spawn(follow(out, Arc::clone(&self.print)));
            tokio::spawn(follow(err, Arc::clone(&self.print)));
        }
        Ok(child)
    }

    async fn keep(self, mut child: Child) {
        let mut deaths = 0;
        loop {
            let started = Instant::now();
            // Waiting would close the pipe to the child, which means "stop".
            let stdin = child.stdin.take();
            let Some(exit) = self.stop.run_until_cancelled(child.wait()).await else {
                drop(stdin);
                return self.end(child).await;
            };
            // Before anything else has a turn: its id may be another process's from now on.
            self.target.runs_as(None);
            let label = &self.process.label;
            let status = exit.map_or_else(|error| error.to_string(), |status| status.to_string());
            let mut pause = restart_pause(&mut deaths, started.elapsed());
            self.console.say(&format!("warning: {label} ended ({status}); starting it again in {pause:?}"));
            child = loop {
                if self.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                    return;
                }
                match self.spawn() {
                    Ok(child) => break child,
                    Err(error) => {
                        pause = restart_pause(&mut deaths, Duration::ZERO);
                        self.console.say(&format!("warning: {error:#}; trying again in {pause:?}"));
                    }
                }
            };
        }
    }

    async fn end(&self, mut child: Child) {
        if timeout(STOP_LIMIT, child.wait()).await.is_err() {
            self.console.say(&format!("warning: {} did not stop in time; killing it", self.process.label));
            if let Err(error) = child.kill().await {
                self.console.say(&format!("warning: cannot kill {}: {error}", self.process.label));
            }
        }
        self.target.runs_as(None);
    }
}

/// What to execute so that it is this program again, also after its file was replaced by a new build or removed.
fn own_program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// Prints line by line until the process has closed its end.
async fn follow(stream: impl AsyncRead + Unpin, print: Arc<dyn Fn(&str) + Send + Sync>) {
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        print(&String::from_utf8_lossy(&line));
    }
}
