//! A gateway as its own program, and what it writes.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Client;
use test_support::eventually;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::harness::{Answer, PATIENCE};

/// The program, to be given its flags and its environment.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_api-gateway"))
}

/// A gateway in a process of its own that listens; killed when dropped.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    process: Child,
    output: Output,
}

impl Program {
    /// Runs it on a port of its own.
    pub(crate) async fn start(command: &mut Command) -> Self {
        let (process, output) = run(command);
        let address = Mutex::new(None);
        eventually("the gateway to listen", PATIENCE, || async {
            let written = output.text();
            *address.lock().unwrap() = address_in(&written);
            if address.lock().unwrap().is_some() { Ok(()) } else { Err(written) }
        })
        .await;
        let address = address.into_inner().unwrap().unwrap();
        Self { address, process, output }
    }

    /// Asks whether it lives, over a new connection.
    pub(crate) async fn answer(&self) -> Answer {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Answer::to(client.get(format!("http://{}/livez", self.address))).await
    }

    /// All that it has written so far.
    pub(crate) fn written(&self) -> String {
        self.output.text()
    }

    /// Asks it to stop; tells all that it has written.
    pub(crate) async fn stop(self) -> String {
        let pid = self.process.id().expect("it runs").cast_signed();
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        ended(self.process, self.output).await
    }
}

/// All that the program writes until it ends by itself.
pub(crate) async fn output_of(command: &mut Command) -> String {
    let (process, output) = run(command);
    ended(process, output).await
}

fn run(command: &mut Command) -> (Child, Output) {
    let command = command.args(["--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.kill_on_drop(true).spawn().unwrap();
    let output = Output::of(process.stdout.take().unwrap(), process.stderr.take().unwrap());
    (process, output)
}

async fn ended(mut process: Child, output: Output) -> String {
    timeout(PATIENCE, process.wait()).await.expect("the gateway ends").unwrap();
    for reader in output.readers {
        timeout(PATIENCE, reader).await.expect("its output ends").unwrap();
    }
    output.text.lock().unwrap().clone()
}

/// What a process writes, read all the time: a pipe that is full would stop it.
struct Output {
    text: Arc<Mutex<String>>,
    readers: [JoinHandle<()>; 2],
}

impl Output {
    fn of(
        out: impl AsyncRead + Unpin + Send + 'static,
        err: impl AsyncRead + Unpin + Send + 'static,
    ) -> Self {
        let text = Arc::<Mutex<String>>::default();
        let readers = [tokio::spawn(keep(out, text.clone())), tokio::spawn(keep(err, text.clone()))];
        Self { text, readers }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }
}

async fn keep(from: impl AsyncRead + Unpin, text: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await.unwrap() > 0 {
        text.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
}

/// From what it logs first, in either format.
fn address_in(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("starting"))?;
    let (_, behind) = line.split_once("address")?.1.split_once("127.0.0.1:")?;
    let port: String = behind.chars().take_while(char::is_ascii_digit).collect();
    Some(([127, 0, 0, 1], port.parse().ok()?).into())
}
