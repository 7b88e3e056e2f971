use std::{
    fs::OpenOptions,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use common::crash::Point;
use fastrand::Rng;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use test_support::{Cut, FaultProxy};
use tokio::{
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::fault::{Fault, Strikes, millis};

/// Longer than a service gives itself to drain.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What always runs in one place, in one process after the other.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) service: &'static str,
    pub(crate) instance: String,
    pub(crate) environment: Vec<(String, String)>,
    /// The socket on which it is to listen, if others must know its port.
    pub(crate) socket: Option<Arc<TcpListener>>,
    /// Where it may be told to die.
    pub(crate) points: &'static [Point],
    pub(crate) log: PathBuf,
}

/// A place in which one process after the other has the same role.
pub(crate) struct Slot {
    role: Role,
    /// In front of Redis, for a service that works on it.
    proxy: Option<FaultProxy>,
    random: Rng,
    strikes: Strikes,
    process: Process,
}

struct Process {
    child: Child,
    /// Held for as long as the process is to live, should this program end without a word.
    _leash: ChildStdin,
    /// Where it dies by itself, if it comes there often enough.
    doom: Option<Point>,
}

impl Role {
    /// Has a socket of its own, so that its port is the same in every process.
    pub(crate) fn listening(mut self) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("a socket");
        self.socket = Some(Arc::new(socket));
        self
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.as_ref().expect("a role that listens").local_addr().expect("its address")
    }

    fn start(&self, doom: Option<(Point, u32)>) -> Process {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderly"));
        command
            .args(["service", self.service, "--supervised"])
            .env_clear()
            .envs(self.environment.iter().cloned())
            .env("ORDERLY_INSTANCE", &self.instance)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .kill_on_drop(true);
        match &self.socket {
            Some(socket) => {
                let parent_fd = OwnedFd::from(socket.try_clone().expect("a socket"));
                command.env("LISTEN_FDS", "1");
                command.fd_mappings(vec![FdMapping { parent_fd, child_fd: 3 }]).expect("one mapping");
            }
            None => drop(command.env("PORT", "0")),
        }
        if let Some((point, times)) = doom {
            command.env("ORDERLY_CRASH_AT", format!("{}:{times}", point.name()));
        }
        let mut child = command.spawn().expect("orderly can be started");
        // Waiting for the child's end would close it.
        let leash = child.stdin.take().expect("piped");
        Process { child, _leash: leash, doom: doom.map(|(point, _)| point) }
    }
}

impl Slot {
    /// Starts the first process. One that works on Redis is given the way to it through `proxy`.
    pub(crate) fn start(mut role: Role, proxy: Option<FaultProxy>, seed: u64, strikes: &Strikes) -> Self {
        if let Some(proxy) = &proxy {
            role.environment.push(("REDIS_URL".into(), proxy.url()));
        }
        let process = role.start(None);
        Self { role, proxy, random: Rng::with_seed(seed), strikes: strikes.clone(), process }
    }

    /// Lets one fault after the other befall the service, until `end`.
    pub(crate) async fn storm(&mut self, end: Instant) {
        loop {
            let next = Instant::now() + millis(self.random.u64(200..3500));
            tokio::select! {
                () = sleep_until(next.min(end)) => {}
                status = self.process.child.wait() => {
                    self.died(status.unwrap());
                    continue;
                }
            }
            if Instant::now() >= end {
                return;
            }
            let fault = Fault::draw(&mut self.random);
            if self.suffer(fault).await {
                self.strikes.note(fault.kind());
            }
        }
    }

    /// False if there is nothing that it could strike.
    async fn suffer(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Kill => self.end(Signal::SIGKILL).await,
            Fault::KillUnanswered(time) => {
                let Some(proxy) = &self.proxy else { return false };
                proxy.drop_replies();
                sleep(time).await;
                self.end(Signal::SIGKILL).await;
                self.mend(Cut::LoseReplies);
            }
            Fault::Stop => self.end(Signal::SIGTERM).await,
            Fault::Freeze(time) => {
                self.send(Signal::SIGSTOP);
                sleep(time).await;
                self.send(Signal::SIGCONT);
            }
            Fault::Cut(cut, time) => {
                let Some(proxy) = &self.proxy else { return false };
                cut.strike(proxy);
                sleep(time).await;
                self.mend(cut);
            }
        }
        true
    }

    fn mend(&self, cut: Cut) {
        if let Some(proxy) = &self.proxy {
            cut.mend(proxy);
        }
    }

    /// Ends the process and starts the next one.
    async fn end(&mut self, signal: Signal) {
        self.send(signal);
        let ended = timeout(STOP_LIMIT, self.process.child.wait()).await;
        let status =
            ended.unwrap_or_else(|_| panic!("{} did not end by {signal}", self.role.instance)).unwrap();
        assert!(
            signal != Signal::SIGTERM || status.success() || self.was_doomed(status),
            "{} stopped with {status}",
            self.role.instance
        );
        self.restart();
    }

    /// The process ended by itself, as it may only where it was told to.
    fn died(&mut self, status: ExitStatus) {
        let point = self.process.doom.filter(|_| self.was_doomed(status));
        let Some(point) = point else { panic!("{} ended by itself: {status}", self.role.instance) };
        self.restart();
        self.strikes.note(format!("died {}", point.name()));
    }

    fn was_doomed(&self, status: ExitStatus) -> bool {
        use std::os::unix::process::ExitStatusExt;
        self.process.doom.is_some() && status.signal() == Some(Signal::SIGABRT as i32)
    }

    /// Every second process is told to die somewhere.
    fn restart(&mut self) {
        let mut doom = None;
        if !self.role.points.is_empty() && self.random.bool() {
            let point = self.role.points[self.random.usize(..self.role.points.len())];
            doom = Some((point, self.random.u32(1..40)));
        }
        self.process = self.role.start(doom);
    }

    /// Sends a signal, unless the process has ended and nobody has looked yet.
    fn send(&mut self, signal: Signal) {
        if let Some(pid) = self.process.child.id() {
            // Not waited for yet, so the number is still its own.
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        }
    }

    /// Puts a process here that nothing befalls any more.
    pub(crate) async fn heal(&mut self) {
        if self.process.doom.is_some() {
            self.send(Signal::SIGKILL);
            self.process.child.wait().await.unwrap();
            self.process = self.role.start(None);
        }
    }

    /// Asks the process to stop, for good.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        self.send(Signal::SIGTERM);
        let name = &self.role.instance;
        let ended = timeout(STOP_LIMIT, self.process.child.wait()).await;
        let status = ended.map_err(|_| format!("{name} did not stop"))?.map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("{name} stopped with {status}")) }
    }
}
