//! What the tests share: a server or a cluster of their own, jobs on a stream, and workers that can be stopped or killed.

use std::{
    collections::HashMap,
    fmt::Debug,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use local_redis::{Durability, Server};
use redis_kit::{
    Backoff, Connection, Redis,
    stream::{
        Commit, Delivery, Failure, Handler, Message, Mode, Pause, StreamId, Worker, WorkerOptions,
        WorkerStatus, encode,
    },
    trace::TraceContext,
};
use serde::{Deserialize, Serialize};
use test_support::{FaultProxy, eventually};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::topology::Topology;

pub(crate) const STREAM: &str = "jobs:{t}";
pub(crate) const GROUP: &str = "workers";
/// Who in the group has a lease.
pub(crate) const LEASE: &str = "jobs:{t}:lease:workers";
/// Where handlers append what they did.
pub(crate) const DONE: &str = "done:{t}";

/// How long anything may take, however busy the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A time that no test reaches: as a lease, nobody takes an entry over.
pub(crate) const NEVER: Duration = Duration::from_hours(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Job {
    #[serde(rename = "job.wanted")]
    Wanted { name: String },
    #[serde(rename = "job.done")]
    Done { name: String },
}

impl Message for Job {
    const TYPES: &'static [&'static str] = &["job.wanted", "job.done"];

    fn message_type(&self) -> &'static str {
        match self {
            Self::Wanted { .. } => "job.wanted",
            Self::Done { .. } => "job.done",
        }
    }
}

impl Job {
    pub(crate) fn wanted(name: &str) -> Self {
        Self::Wanted { name: name.into() }
    }

    pub(crate) fn name(&self) -> &str {
        let (Self::Wanted { name } | Self::Done { name }) = self;
        name
    }
}

/// Options that make a test fast. Nothing is taken over; a test about that sets its own lease.
pub(crate) fn options() -> WorkerOptions {
    WorkerOptions {
        mode: Mode::Competing,
        concurrency: 4,
        block: Duration::from_millis(50),
        lease: NEVER,
        claim_interval: Duration::from_millis(20),
        max_attempts: Some(3),
        backoff: Backoff { base: Duration::from_millis(2), limit: Duration::from_millis(10) },
        tips: None,
        pause: Pause::default(),
        rest: 0,
        gather: Duration::ZERO,
        grace: LIMIT,
        skip_unknown: false,
    }
}

/// The same with a short lease, for tests about entries that must be taken over.
pub(crate) fn options_with_takeover() -> WorkerOptions {
    WorkerOptions { lease: Duration::from_secs(1), ..options() }
}

/// A handler that is a function.
struct FromFn<F>(F);

impl<F, Handling> Handler for FromFn<F>
where
    F: Fn(Delivery<Job>) -> Handling + Send + Sync + 'static,
    Handling: Future<Output = Result<Commit, Failure>> + Send + 'static,
{
    type Message = Job;

    fn handle(&self, delivery: Delivery<Job>) -> impl Future<Output = Result<Commit, Failure>> + Send {
        (self.0)(delivery)
    }
}

/// One entry of a group's pending list.
#[derive(Debug, PartialEq)]
pub(crate) struct Pending {
    pub(crate) id: String,
    pub(crate) consumer: String,
    pub(crate) deliveries: u64,
}

/// A single server or a cluster, and clients.
///
/// On a cluster "the server" is the node that holds the tag `{t}`, which all keys of most tests carry. The test's own
/// commands go straight to it, past any proxy, and those on keys of other nodes straight to these.
pub(crate) struct Bench {
    pub(crate) topology: Topology,
    redis: Redis,
    /// Straight to each node, the server first.
    nodes: Vec<Connection>,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::on(Durability::Volatile).await
    }

    pub(crate) async fn durable() -> Self {
        Self::on(Durability::Always).await
    }

    async fn on(durability: Durability) -> Self {
        let topology = Topology::start(durability).await;
        let redis = Redis::open(&topology.url()).unwrap();
        let direct = |url: &str| Redis::open_node(url).unwrap().commands().unwrap();
        let nodes = topology.urls().iter().map(|url| direct(url)).collect();
        Self { topology, redis, nodes }
    }

    /// The server that holds the tag `{t}`.
    pub(crate) fn server(&self) -> &Server {
        self.topology.server()
    }

    /// What leads to all of it.
    pub(crate) fn redis(&self) -> Redis {
        self.redis.clone()
    }

    /// A proxy in front of the server, and a client that goes through it to whatever that server holds.
    pub(crate) async fn through_proxy(&self) -> (FaultProxy, Redis) {
        let target = (Ipv4Addr::LOCALHOST, self.server().port()).into();
        let proxy = FaultProxy::start(target).await.unwrap();
        self.topology.announce(proxy.address().port()).await;
        let redis = Redis::open(&proxy.url()).unwrap();
        (proxy, redis)
    }

    /// Kills the server (SIGKILL); on a cluster, all of its nodes.
    pub(crate) async fn crash(&mut self) {
        self.topology.crash().await;
    }

    /// Kills the server, and no other node of a cluster.
    pub(crate) async fn crash_server(&mut self) {
        self.topology.crash_server().await;
    }

    /// Starts again what was killed. The test's own connections have to come back too, and the first command on each may
    /// find that out.
    pub(crate) async fn restart(&mut self) {
        self.topology.restart().await;
        for node in &self.nodes {
            let ping = async || redis_kit::cmd("PING").exec_async(&mut node.clone()).await;
            eventually("Redis to answer", LIMIT, ping).await;
        }
    }

    pub(crate) fn commands(&self) -> Connection {
        self.nodes[0].clone()
    }

    /// Straight to the node that holds this key.
    pub(crate) async fn commands_at(&self, key: &str) -> Connection {
        for node in &self.nodes {
            let exists = redis_kit::cmd("EXISTS").arg(key).exec_async(&mut node.clone()).await;
            if !is_moved(&exists) {
                return node.clone();
            }
        }
        panic!("no node holds {key}")
    }

    /// Runs one command, given as words.
    pub(crate) async fn run<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run(words).await.unwrap()
    }

    pub(crate) async fn try_run<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis_kit::cmd(words[0]);
        command.arg(&words[1..]);
        let mut answer = command.query_async(&mut self.commands()).await;
        for node in &self.nodes[1..] {
            if !is_moved(&answer) {
                break;
            }
            answer = command.query_async(&mut node.clone()).await;
        }
        answer
    }

    /// Appends jobs to [`STREAM`] and returns their ids.
    pub(crate) async fn want(&self, names: &[&str]) -> Vec<String> {
        self.want_on(STREAM, names).await
    }

    /// The same to any stream.
    pub(crate) async fn want_on(&self, stream: &str, names: &[&str]) -> Vec<String> {
        let mut appends = redis_kit::pipe();
        for name in names {
            let fields = encode(&Job::wanted(name), &TraceContext::root()).unwrap();
            appends.cmd("XADD").arg(stream).arg("*").arg(fields.as_slice());
        }
        appends.query_async(&mut self.commands()).await.unwrap()
    }

    /// The jobs that were done, in the order in which they were.
    pub(crate) async fn done(&self) -> Vec<String> {
        let entries = self.entries(DONE).await;
        let name = |data: &String| serde_json::from_str::<Job>(data).unwrap().name().to_owned();
        entries.iter().map(|entry| name(&entry["data"])).collect()
    }

    /// The dead letters of [`STREAM`], each as its first value of every field.
    pub(crate) async fn dead_letters(&self) -> Vec<HashMap<String, String>> {
        self.entries(&format!("{STREAM}:dead:{GROUP}")).await
    }

    async fn entries(&self, stream: &str) -> Vec<HashMap<String, String>> {
        type Fields = Vec<(Vec<u8>, Vec<u8>)>;
        let entries: Vec<(String, Fields)> = self.run(&["XRANGE", stream, "-", "+"]).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let first_of_each =
            |fields: Fields| fields.iter().rev().map(|(name, value)| (text(name), text(value))).collect();
        entries.into_iter().map(|(_, fields)| first_of_each(fields)).collect()
    }

    /// What is pending in the group, oldest first.
    pub(crate) async fn pending(&self) -> Vec<Pending> {
        let page: Vec<(String, String, u64, u64)> =
            self.run(&["XPENDING", STREAM, GROUP, "-", "+", "10000"]).await;
        let entry = |(id, consumer, _idle, deliveries)| Pending { id, consumer, deliveries };
        page.into_iter().map(entry).collect()
    }

    /// The consumers of the group, by the names they were started with.
    pub(crate) async fn consumers(&self) -> Vec<String> {
        let consumers: Vec<HashMap<String, redis::Value>> =
            self.run(&["XINFO", "CONSUMERS", STREAM, GROUP]).await;
        let name = |consumer: &HashMap<String, redis::Value>| {
            redis::from_redis_value_ref::<String>(&consumer["name"]).unwrap()
        };
        // Each has digits of its own behind its name. What waits belongs to a consumer that is none.
        let names = consumers.iter().map(name).filter(|name| name != "waiting");
        let mut names: Vec<String> =
            names.map(|name| name.rsplit_once('-').map_or(name.clone(), |(name, _)| name.into())).collect();
        names.sort();
        names
    }

    /// Changes what everybody may do, the test too.
    pub(crate) async fn permit(&self, rules: &[&str]) {
        self.run::<()>(&[&["ACL", "SETUSER", "default"], rules].concat()).await;
    }

    /// How often the server has been sent a command.
    pub(crate) async fn calls(&self, command: &str) -> u64 {
        let stats: String = self.run(&["INFO", "commandstats"]).await;
        let calls = |line: &str| {
            line.strip_prefix(&format!("cmdstat_{command}:calls="))?.split_once(',')?.0.parse().ok()
        };
        stats.lines().find_map(calls).unwrap_or(0)
    }

    /// Waits until the server has been sent a command so often from now on.
    pub(crate) async fn until_called(&self, command: &str, times: u64) {
        let before = self.calls(command).await;
        eventually(&format!("{command} to be sent"), LIMIT, || async {
            let sent = self.calls(command).await - before;
            if sent >= times { Ok(()) } else { Err(format!("it was {sent} times")) }
        })
        .await;
    }

    /// Fails if somebody asks the server again and again without a pause.
    pub(crate) async fn assert_no_hot_loop(&self) {
        let processed = || async {
            let stats: String = self.run(&["INFO", "stats"]).await;
            let count = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
            count.unwrap().trim().parse::<u64>().unwrap()
        };
        let (started, before) = (Instant::now(), processed().await);
        tokio::time::sleep(Duration::from_secs(1)).await;
        // A busy machine sleeps longer.
        let calls_per_second = u128::from(processed().await - before) * 1000 / started.elapsed().as_millis();
        assert!(calls_per_second < 500, "{calls_per_second} commands in a second");
    }

    /// The full names of those that have a lease in the group.
    pub(crate) async fn leases(&self) -> Vec<String> {
        let mut names: Vec<String> = self.run(&["HKEYS", LEASE]).await;
        names.sort();
        names
    }

    /// What the server's clock says, in Unix milliseconds.
    pub(crate) async fn time(&self) -> f64 {
        let (seconds, micros): (f64, f64) = self.run(&["TIME"]).await;
        seconds * 1000.0 + micros / 1000.0
    }

    /// Waits until exactly these jobs are done, in any order, and nothing is pending.
    pub(crate) async fn finished(&self, mut names: Vec<&str>) {
        names.sort_unstable();
        eventually("the jobs to be done", LIMIT, || async {
            let mut done = self.done().await;
            done.sort_unstable();
            same(&names, &done)
        })
        .await;
        self.settled().await;
    }

    /// Waits until no entry is pending and none is undelivered.
    pub(crate) async fn settled(&self) {
        eventually("every entry to be settled", LIMIT, || async {
            // In this order: what is read between the two questions is seen by the second.
            let unread = self.unread().await;
            let pending = self.pending().await;
            if pending.is_empty() && unread == 0 {
                Ok(())
            } else {
                Err(format!("{unread} are unread and {pending:?} are pending"))
            }
        })
        .await;
    }

    /// How many entries nobody has read.
    pub(crate) async fn unread(&self) -> usize {
        let groups: Vec<HashMap<String, redis::Value>> = self.run(&["XINFO", "GROUPS", STREAM]).await;
        let last: String = redis::from_redis_value_ref(&groups[0]["last-delivered-id"]).unwrap();
        let unread: Vec<redis::Value> = self.run(&["XRANGE", STREAM, &format!("({last}"), "+"]).await;
        unread.len()
    }

    pub(crate) async fn dead(&self, count: usize) -> Vec<HashMap<String, String>> {
        eventually("dead letters", LIMIT, || async {
            let letters = self.dead_letters().await;
            if letters.len() == count { Ok(letters) } else { Err(format!("there are {letters:?}")) }
        })
        .await
    }

    /// Starts a worker that stops dead in the middle of the first handler it calls, heartbeats and all, as a frozen process
    /// does. Once thawed, its handlers return what `outcome` says.
    pub(crate) async fn frozen<F>(&self, consumer: &'static str, options: WorkerOptions, outcome: F) -> Frozen
    where
        F: Fn(&Delivery<Job>) -> Result<Commit, Failure> + Send + Sync + 'static,
    {
        let (thaw, frozen) = std::sync::mpsc::channel::<()>();
        let (frozen, stop) = (std::sync::Mutex::new(frozen), CancellationToken::new());
        let started = CancellationToken::new();
        let (stopping, starting, redis) = (stop.clone(), started.clone(), self.redis.clone());
        let work = async move {
            let handle = move |job: Delivery<Job>| {
                started.cancel();
                // An error says that it was thawed for good.
                let _ = frozen.lock().unwrap().recv();
                let outcome = outcome(&job);
                async { outcome }
            };
            let worker = Working::start(&redis, &[STREAM], consumer, options, handle).await;
            stopping.cancelled().await;
            worker.stop().await;
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::thread::spawn(move || runtime.block_on(work));
        timeout(LIMIT, starting.cancelled()).await.expect("an entry to freeze at");
        Frozen { thaw, stop, thread }
    }

    /// Starts a worker on [`STREAM`] over the direct connection.
    pub(crate) async fn work<F, Handling>(&self, consumer: &str, options: WorkerOptions, handle: F) -> Working
    where
        F: Fn(Delivery<Job>) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<Commit, Failure>> + Send + 'static,
    {
        self.work_on(&[STREAM], consumer, options, handle).await
    }

    /// The same on any streams.
    pub(crate) async fn work_on<F, Handling>(
        &self,
        streams: &[&str],
        consumer: &str,
        options: WorkerOptions,
        handle: F,
    ) -> Working
    where
        F: Fn(Delivery<Job>) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<Commit, Failure>> + Send + 'static,
    {
        Working::start(&self.redis, streams, consumer, options, handle).await
    }
}

/// Whether a node says that the key is another's.
fn is_moved<T>(answer: &redis::RedisResult<T>) -> bool {
    matches!(answer, Err(error) if error.code() == Some("MOVED"))
}

/// A running worker.
pub(crate) struct Working {
    stop: CancellationToken,
    pub(crate) status: WorkerStatus,
    task: JoinHandle<()>,
}

impl Working {
    pub(crate) async fn start<F, Handling>(
        redis: &Redis,
        streams: &[&str],
        consumer: &str,
        options: WorkerOptions,
        handle: F,
    ) -> Self
    where
        F: Fn(Delivery<Job>) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<Commit, Failure>> + Send + 'static,
    {
        let streams: Vec<String> = streams.iter().map(ToString::to_string).collect();
        let worker = Worker::start(redis, &streams, GROUP, consumer, FromFn(handle), options).await.unwrap();
        let (stop, status) = (CancellationToken::new(), worker.status());
        let task = tokio::spawn(worker.run(stop.clone()));
        Self { stop, status, task }
    }

    /// Asks it to stop, and does not wait.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(LIMIT, self.task).await.expect("the worker stops in time").unwrap();
    }

    /// Ends it as a crash would: it leaves everything as it is.
    pub(crate) async fn die(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// A worker that cannot do anything at all.
pub(crate) struct Frozen {
    thaw: std::sync::mpsc::Sender<()>,
    stop: CancellationToken,
    thread: std::thread::JoinHandle<()>,
}

impl Frozen {
    /// Lets it go on with what it was doing, and waits for its end.
    pub(crate) async fn thaw(self) {
        self.stop.cancel();
        drop(self.thaw);
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap();
    }
}

/// For [`eventually`]: success if both are the same, and otherwise both.
pub(crate) fn same<A: PartialEq<B> + Debug, B: Debug>(expected: &A, found: &B) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("it is {found:?} and not {expected:?}")) }
}

/// The id of an entry as a number pair.
pub(crate) fn id(text: &str) -> StreamId {
    text.parse().unwrap()
}
