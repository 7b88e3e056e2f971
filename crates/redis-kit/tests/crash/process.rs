use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, ChildStdin, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::{witness::Witness, worker::Settings};

/// How long a worker may take to stop: its last read may have to be given up first, and its leaving after it.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running worker process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// Held for as long as the worker is to live, should this program end without a word.
    _leash: ChildStdin,
    pub(crate) instance: String,
    hearing: JoinHandle<()>,
}

impl Process {
    /// Starts this very program as a worker.
    pub(crate) fn start(settings: &Settings, witness: &Witness) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["worker", &serde_json::to_string(settings).unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // Waiting for the child's end would close it.
        let leash = child.stdin.take().unwrap();
        let hearing = witness.listen(child.stdout.take().unwrap());
        Self { child, _leash: leash, instance: settings.instance.clone(), hearing }
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the process has ended by itself, which no fault is a reason for.
    pub(crate) fn send(&mut self, signal: Signal) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended by itself: {status}", self.instance);
        }
        // Not waited for yet, so the number is still its own.
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed());
        kill(pid, signal).unwrap();
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub(crate) async fn kill(mut self) {
        self.send(Signal::SIGKILL);
        self.child.wait().await.unwrap();
        self.hearing.await.unwrap();
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.send(Signal::SIGTERM);
        let ended = timeout(STOP_LIMIT, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("{} did not stop", self.instance)).unwrap();
        assert!(status.success(), "{} stopped with {status}", self.instance);
        self.hearing.await.unwrap();
    }
}
