//! A supervised process as something that signals are sent to.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Whatever process runs under a name now. Cheap to clone; clones mean the same.
#[derive(Clone, Debug)]
pub(super) struct Target {
    label: Arc<str>,
    /// 0 while none runs.
    pid: Arc<AtomicU32>,
    is_frozen: Arc<AtomicBool>,
}

/// A process that is stopped (`SIGSTOP`) until this is dropped, whatever becomes of whoever holds it. Should this program
/// be killed meanwhile, the system has the process go on and tells it to end: it is then in an orphaned process group.
#[derive(Debug)]
pub(super) struct Frozen {
    target: Target,
    pid: u32,
}

impl Target {
    pub(super) fn new(label: &str) -> Self {
        Self { label: label.into(), pid: Arc::default(), is_frozen: Arc::default() }
    }

    /// Its name among the instances of its service.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// The id of the process that runs now.
    pub(super) fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// It runs as another process from now on, or as none.
    pub(super) fn runs_as(&self, pid: Option<u32>) {
        self.pid.store(pid.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Stops the process. `None` if none runs, or if somebody else has stopped it already.
    pub(super) fn freeze(&self) -> Option<Frozen> {
        let pid = self.pid()?;
        if self.is_frozen.swap(true, Ordering::Relaxed) {
            return None;
        }
        let frozen = Frozen { target: self.clone(), pid };
        frozen.send(Signal::SIGSTOP).then_some(frozen)
    }
}

impl Frozen {
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The id of the process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the process, which is not asked.
    pub(super) fn kill(self) -> bool {
        self.send(Signal::SIGKILL)
    }

    /// Not to a process that has taken its place since.
    fn send(&self, signal: Signal) -> bool {
        let is_there = self.target.pid() == Some(self.pid);
        let pid = i32::try_from(self.pid).map(Pid::from_raw);
        is_there && pid.is_ok_and(|pid| kill(pid, signal).is_ok())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.send(Signal::SIGCONT);
        self.target.is_frozen.store(false, Ordering::Relaxed);
    }
}
