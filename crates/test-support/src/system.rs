use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, anyhow};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use redis::aio::MultiplexedConnection;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use crate::eventually;

/// How long a system may take to become ready, on a machine that runs other tests at the same time.
const READY: Duration = Duration::from_secs(30);

/// How long a stop may take: each of four groups of services gets its grace period.
const STOPPED: Duration = Duration::from_mins(1);

/// The whole system, run by `orderly up` in real processes on free ports, with a data folder of its own. Dropped, it
/// goes as after a `kill -9` of `up`.
pub struct System {
    up: Child,
    pid: u32,
    http: Client,
    log: Arc<Mutex<Vec<String>>>,
    gateway: String,
    redis: String,
    sandbox: String,
    // Removed last.
    data: Arc<TempDir>,
}

/// How a system is to be started.
#[derive(Clone, Debug)]
pub struct Options {
    orderly: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    data: Arc<TempDir>,
}

impl Options {
    /// With `orderly` as the program (tests of that crate have it as `CARGO_BIN_EXE_orderly`), in a new data folder.
    ///
    /// # Panics
    /// If no folder can be created.
    pub fn new(orderly: impl AsRef<Path>) -> Self {
        let data = TempDir::with_prefix("orderly-").expect("a temporary folder can be created");
        // Takeovers within a second, so that tests that kill need not wait long.
        let environment = [
            ("LEASE_SECONDS", "2"),
            ("PROVIDER_TIMEOUT_MS", "1000"),
            ("NO_COLOR", "1"),
            // A handful of customers place thousands of orders.
            ("ORDERS_PER_MINUTE", "0"),
        ];
        Self {
            orderly: orderly.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: environment.map(|(name, value)| (name.into(), value.into())).into(),
            data: Arc::new(data),
        }
    }

    /// Adds arguments to `orderly up`.
    #[must_use]
    pub fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.arguments.extend(arguments.into_iter().map(str::to_owned));
        self
    }

    /// Sets a variable for `up` and so for every service.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Takes a variable out of what `up` is given.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.environment.retain(|(other, _)| other != name);
        self
    }

    /// The data folder, which lives for as long as these options or a system that was started by them.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The command, with a free port for the gateway unless the arguments name one.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.orderly);
        command.arg("up").args(["--data-dir".as_ref(), self.data.path().as_os_str()]);
        if !self.arguments.iter().any(|argument| argument == "--port") {
            command.args(["--port", "0"]);
        }
        command.args(&self.arguments);
        // What a developer's shell may hold must not reach the tests.
        for name in [
            "REDIS_URL",
            "DATABASE_URL",
            "PORT",
            "PROVIDER_URL",
            "RUST_LOG",
            "LOG_FORMAT",
            "ORDERLY_KEY_PREFIX",
        ] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

impl System {
    /// Starts a system and waits until it says that it is ready.
    ///
    /// # Panics
    /// If it does not become ready in time; with its log.
    pub async fn start(options: &Options) -> Self {
        let mut up = options.command().spawn().expect("orderly can be started");
        let log = Arc::new(Mutex::new(Vec::new()));
        let streams = (up.stdout.take().expect("piped"), up.stderr.take().expect("piped"));
        tokio::spawn(follow(streams.0, Arc::clone(&log)));
        tokio::spawn(follow(streams.1, Arc::clone(&log)));
        let pid = up.id().expect("it has just been started");
        let mut system = Self {
            up,
            pid,
            http: Client::new(),
            log,
            gateway: String::new(),
            redis: String::new(),
            sandbox: String::new(),
            data: Arc::clone(&options.data),
        };
        system.wait_for_log("the whole system to be ready", READY, "Ctrl-C stops everything").await;
        system.gateway = system.announced("gateway");
        system.redis = system.announced("redis");
        system.sandbox = system.announced("sandbox");
        system
    }

    /// The gateway's base URL; empty if none was started.
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// The URL of its Redis.
    pub fn redis_url(&self) -> &str {
        &self.redis
    }

    /// The sandbox's base URL; empty if none was started.
    pub fn sandbox(&self) -> &str {
        &self.sandbox
    }

    /// An HTTP client.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// The process id of `up` itself.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where the system keeps its data.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Everything printed so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Waits for a line that holds `text`, and returns the first.
    pub async fn wait_for_log(&self, what: &str, limit: Duration, text: &str) -> String {
        eventually(what, limit, || async {
            let log = self.log();
            let found = log.iter().find(|line| line.contains(text)).cloned();
            found.ok_or_else(|| format!("no line has {text:?}; the log:\n{}", log.join("\n")))
        })
        .await
    }

    /// A connection to the system's Redis.
    pub async fn redis(&self) -> anyhow::Result<MultiplexedConnection> {
        let client = redis::Client::open(self.redis.as_str())?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    /// Sends an order of one book, with an idempotency key if one is given.
    pub async fn post_order(&self, customer: &str, key: Option<&str>) -> reqwest::Result<Response> {
        self.post(&json!({"customer_id": customer, "items": [{"sku": "BOOK-1", "quantity": 2}]}), key).await
    }

    /// Sends any order.
    pub async fn post(&self, order: &Value, key: Option<&str>) -> reqwest::Result<Response> {
        let mut request = self.http.post(format!("{}/orders", self.gateway)).json(order);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        request.timeout(Duration::from_secs(10)).send().await
    }

    /// Places an order of one book and returns its id.
    ///
    /// # Panics
    /// If it is not accepted.
    pub async fn place_order(&self) -> String {
        let answer = self.post_order("42", None).await.expect("the gateway answers");
        assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
        let order: Value = answer.json().await.expect("an order is JSON");
        order["id"].as_str().expect("an order has an id").to_owned()
    }

    /// What the gateway shows of an order.
    pub async fn order(&self, id: &str) -> anyhow::Result<Value> {
        let answer = self.http.get(format!("{}/orders/{id}", self.gateway)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Waits until an order has a status, and returns it.
    ///
    /// # Panics
    /// If it takes longer than `limit`; with the log.
    pub async fn wait_for_status(&self, id: &str, status: &str, limit: Duration) -> Value {
        eventually(&format!("order {id} to be {status}"), limit, || async {
            let order = self.order(id).await?;
            let found = order["status"] == status;
            if found { Ok(order) } else { Err(anyhow!("it is {order}; the log:\n{}", self.log().join("\n"))) }
        })
        .await
    }

    /// The provider's books: every charge, by idempotency key.
    pub async fn charges(&self) -> Vec<Value> {
        let url = format!("{}/charges?limit=10000", self.sandbox);
        let answer = self.http.get(url).send().await.expect("the sandbox answers");
        let books: Value = answer.json().await.expect("the books are JSON");
        books["charges"].as_array().expect("the books list charges").clone()
    }

    /// The process ids of all running services, by instance, as they tell them in Redis. The sandbox, which is no part of the
    /// system, is not among them, and neither is the supervisor, which is `up` itself.
    pub async fn services(&self) -> anyhow::Result<HashMap<String, u32>> {
        let mut redis = self.redis().await?;
        let keys: Vec<String> = redis::cmd("KEYS").arg("service:*").query_async(&mut redis).await?;
        let mut services = HashMap::new();
        for key in keys.into_iter().filter(|key| !key.starts_with("service:supervisor:")) {
            let mut get = redis::cmd("HMGET");
            get.arg(&key).arg("instance").arg("pid");
            let (instance, pid): (String, u32) = get.query_async(&mut redis).await?;
            services.insert(instance, pid);
        }
        Ok(services)
    }

    /// The process id of one service instance, such as `payment-worker-1`.
    pub async fn service(&self, instance: &str) -> anyhow::Result<u32> {
        let services = self.services().await?;
        services.get(instance).copied().with_context(|| format!("{instance} is not among {services:?}"))
    }

    /// The process id of the sandbox, which is no part of the system, so that only its parent knows it: a child of `up` that was
    /// started as it.
    pub async fn sandbox_pid(&self) -> anyhow::Result<u32> {
        let children = Command::new("ps").args(["-eo", "pid=,ppid=,args="]).output().await?;
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        let line = children.lines().find(|line| {
            let mut words = line.split_whitespace().skip(1);
            words.next() == Some(&self.pid.to_string()) && line.contains(" service sandbox ")
        });
        let pid = line.and_then(|line| line.split_whitespace().next());
        Ok(pid.with_context(|| format!("no sandbox among\n{children}"))?.parse()?)
    }

    /// The process id of the Redis server.
    pub async fn redis_pid(&self) -> anyhow::Result<u32> {
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut self.redis().await?).await?;
        let pid = info.lines().find_map(|line| line.strip_prefix("process_id:"));
        Ok(pid.context("INFO tells the process id")?.trim().parse()?)
    }

    /// Asks `up` to stop, and waits for its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn stop(&mut self, signal: Signal) -> ExitStatus {
        send(self.pid, signal);
        let ended = tokio::time::timeout(STOPPED, self.up.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("up did not stop; its log:\n{}", self.log().join("\n")));
        ended.expect("its exit status can be read")
    }

    fn announced(&self, what: &str) -> String {
        let log = self.log();
        let mut lines = log.iter().filter_map(|line| line.strip_prefix("  ")?.strip_prefix(what));
        lines.find_map(|rest| rest.split_whitespace().next()).unwrap_or_default().to_owned()
    }
}

/// Sends a signal to one process.
///
/// # Panics
/// If there is no such process any more.
pub fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id"));
    kill(pid, signal).unwrap_or_else(|error| panic!("cannot send {signal} to {pid}: {error}"));
}

/// Whether a process runs.
pub fn is_running(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    kill(Pid::from_raw(pid), None).is_ok() && !is_zombie(pid)
}

/// A process that has ended but whose parent has not asked for its status is as good as gone. Where there is no /proc
/// it is told from the others by nothing that is portable, and its parent will ask soon.
fn is_zombie(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('Z'))
}

async fn follow(stream: impl AsyncRead + Unpin, log: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
    }
}
