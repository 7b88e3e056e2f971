//! One sandbox in this process, and one as a process of its own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::http::HttpLimits;
use reqwest::{Client, Error, Response, StatusCode};
use sandbox::{FaultSettings, World};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a condition, and fails with its name if it does not come true.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A client of one sandbox.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) url: String,
    client: Client,
}

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) replayed: bool,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Answer {
    async fn read(response: Response) -> Result<Self, Error> {
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let replayed = header("idempotent-replayed") == "true";
        let (status, content_type) = (response.status(), header("content-type"));
        Ok(Self { status, replayed, content_type, body: response.text().await? })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Caller {
    pub(crate) fn new(url: String) -> Self {
        Self { url, client: Client::builder().no_proxy().timeout(PATIENCE).build().unwrap() }
    }

    /// A client that gives up sooner.
    pub(crate) fn impatient(&self) -> Self {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(1)).build().unwrap();
        Self { url: self.url.clone(), client }
    }

    pub(crate) async fn try_charge(&self, key: &str, amount: &str) -> Result<Answer, Error> {
        let body = json!({"amount": amount, "currency": "EUR", "reference": format!("order of {key}")});
        self.send("POST", "/charges", &[("idempotency-key", key)], &body.to_string()).await
    }

    pub(crate) async fn charge(&self, key: &str, amount: &str) -> Answer {
        self.try_charge(key, amount).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::read(self.client.get(format!("{}{path}", self.url)).send().await.unwrap()).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "").await.unwrap()
    }

    pub(crate) async fn set_faults(&self, faults: &Value) -> Answer {
        self.send("PUT", "/faults", &[], &faults.to_string()).await.unwrap()
    }

    /// Whether the books have this key. Asking the books, not for the key, because no fault strikes them.
    pub(crate) async fn has_charged(&self, key: &str) -> bool {
        let books = self.get("/charges?limit=10000").await.json();
        books["charges"].as_array().unwrap().iter().any(|charge| charge["key"] == key)
    }

    /// Sends JSON, unless `headers` say that it is something else.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, Error> {
        let url = format!("{}{path}", self.url);
        let mut request = self.client.request(method.parse().unwrap(), url).body(body.to_owned());
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.send().await?).await
    }
}

/// A sandbox inside this process.
pub(crate) struct Sandbox {
    pub(crate) caller: Caller,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Sandbox {
    /// A perfect world, in memory.
    pub(crate) async fn start() -> Self {
        Self::start_as(World::default()).await
    }

    pub(crate) async fn start_with(faults: Value) -> Self {
        let faults: FaultSettings = serde_json::from_value(faults).unwrap();
        Self::start_as(World { faults, ..World::default() }).await
    }

    pub(crate) async fn start_on(books: &Path) -> Self {
        Self::start_as(World { books: Some(books.to_owned()), ..World::default() }).await
    }

    async fn start_as(world: World) -> Self {
        let sandbox = Self::spawn(world).await;
        until("the sandbox is ready", async || {
            assert!(!sandbox.task.is_finished(), "the sandbox ended instead of getting ready");
            sandbox.caller.get("/readyz").await.status == StatusCode::OK
        })
        .await;
        sandbox
    }

    async fn spawn(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let caller = Caller::new(format!("http://{}", listener.local_addr().unwrap()));
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(sandbox::serve(listener, HttpLimits::default(), world, shutdown.clone()));
        Self { caller, shutdown, task }
    }

    /// Starts on books that cannot be used, and tells why.
    pub(crate) async fn fail_on(books: &Path) -> String {
        let world = World { books: Some(books.to_owned()), ..World::default() };
        let task = Self::spawn(world).await.task;
        let outcome = tokio::time::timeout(PATIENCE, task).await.expect("the sandbox still runs");
        format!("{:#}", outcome.unwrap().expect_err("the sandbox stopped as if all were well"))
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the sandbox still runs").unwrap().unwrap();
    }
}

/// A sandbox that is a process, as it is in production. Killed on drop.
pub(crate) struct Process {
    pub(crate) caller: Caller,
    child: Child,
}

impl Process {
    pub(crate) fn start(books: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sandbox"))
            .args(["--port", "0", "--log", "info", "--log-format", "json", "--books"])
            .arg(books)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = log.by_ref().find_map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            line["address"].as_str().map(str::to_owned)
        });
        // Its log must be read, or it stops when the pipe is full.
        std::thread::spawn(move || log.for_each(drop));
        let url = format!("http://{}", address.expect("the sandbox ended without listening"));
        Self { caller: Caller::new(url), child }
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
