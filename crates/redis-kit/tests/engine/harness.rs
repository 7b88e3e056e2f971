//! What the tests share: a server of their own, jobs on a stream, and workers that can be stopped or killed.

use std::{collections::HashMap, fmt::Debug, time::Duration};

use local_redis::{Durability, Server};
use redis_kit::{
    Backoff, Connection, Redis,
    stream::{
        Commit, Delivery, Failure, Handler, Message, StreamId, Worker, WorkerOptions, WorkerStatus, encode,
    },
    trace::TraceContext,
};
use serde::{Deserialize, Serialize};
use test_support::eventually;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

pub(crate) const STREAM: &str = "jobs:{t}";
pub(crate) const GROUP: &str = "workers";
/// Where handlers append what they did.
pub(crate) const DONE: &str = "done:{t}";

/// How long anything may take, however busy the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// An idle time that no test reaches: nobody takes an entry over.
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

/// Options that make a test fast. Nothing is taken over; a test about that sets its own idle time.
pub(crate) fn options() -> WorkerOptions {
    WorkerOptions {
        concurrency: 4,
        block: Duration::from_millis(50),
        claim_idle: NEVER,
        claim_interval: Duration::from_millis(20),
        max_attempts: Some(3),
        backoff: Backoff { base: Duration::from_millis(2), limit: Duration::from_millis(10) },
        grace: LIMIT,
        skip_unknown: false,
    }
}

/// The same with a short idle time, for tests about entries that must be taken over.
pub(crate) fn options_with_takeover() -> WorkerOptions {
    WorkerOptions { claim_idle: Duration::from_millis(200), ..options() }
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

/// A server and a client.
pub(crate) struct Bench {
    pub(crate) server: Server,
    redis: Redis,
    commands: Connection,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::on(Durability::Volatile).await
    }

    pub(crate) async fn durable() -> Self {
        Self::on(Durability::Always).await
    }

    async fn on(durability: Durability) -> Self {
        let server = Server::ephemeral(durability).await.unwrap();
        let redis = Redis::open(&server.url()).unwrap();
        Self { commands: redis.commands().unwrap(), redis, server }
    }

    /// Kills the server (SIGKILL).
    pub(crate) async fn crash(&mut self) {
        self.server.kill().await.unwrap();
    }

    /// Starts the server again. The test's own connection has to come back too, and its first command may find that out.
    pub(crate) async fn restart(&mut self) {
        self.server.restart().await.unwrap();
        eventually("Redis to answer", LIMIT, || self.try_run::<String>(&["PING"])).await;
    }

    pub(crate) fn commands(&self) -> Connection {
        self.commands.clone()
    }

    /// Runs one command, given as words.
    pub(crate) async fn run<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run(words).await.unwrap()
    }

    pub(crate) async fn try_run<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis_kit::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut self.commands()).await
    }

    /// Appends jobs to [`STREAM`] and returns their ids.
    pub(crate) async fn want(&self, names: &[&str]) -> Vec<String> {
        let mut appends = redis_kit::pipe();
        for name in names {
            let fields = encode(&Job::wanted(name), &TraceContext::root()).unwrap();
            appends.cmd("XADD").arg(STREAM).arg("*").arg(fields.as_slice());
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

    /// The names of the group's consumers.
    pub(crate) async fn consumers(&self) -> Vec<String> {
        let consumers: Vec<HashMap<String, redis::Value>> =
            self.run(&["XINFO", "CONSUMERS", STREAM, GROUP]).await;
        let name = |consumer: &HashMap<String, redis::Value>| {
            redis::from_redis_value_ref::<String>(&consumer["name"]).unwrap()
        };
        let mut names: Vec<String> = consumers.iter().map(name).collect();
        names.sort();
        names
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

    /// Starts a worker on [`STREAM`] over the direct connection.
    pub(crate) async fn work<F, Handling>(&self, consumer: &str, options: WorkerOptions, handle: F) -> Working
    where
        F: Fn(Delivery<Job>) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<Commit, Failure>> + Send + 'static,
    {
        Working::start(&self.redis, &[STREAM], consumer, options, handle).await
    }
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

/// For [`eventually`]: success if both are the same, and otherwise both.
pub(crate) fn same<A: PartialEq<B> + Debug, B: Debug>(expected: &A, found: &B) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("it is {found:?} and not {expected:?}")) }
}

/// The id of an entry as a number pair.
pub(crate) fn id(text: &str) -> StreamId {
    text.parse().unwrap()
}
