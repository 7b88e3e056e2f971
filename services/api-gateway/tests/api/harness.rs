//! A gateway in this process on a Redis of its own, and what its clients and its operators do with it.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::Duration,
};

use api_gateway::Config;
use clap::Parser;
use common::{messages::OrderId, names::Names, partition::Partitions};
use local_redis::{Durability, Server};
use redis_kit::{Connection, Redis};
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{eventually, postgres};
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Long enough for a busy machine: only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How many partitions the data is in unless a test says otherwise.
pub(crate) const PARTITIONS: u16 = 4;

/// A ready gateway and its Redis.
pub(crate) struct Shop {
    // Dropped first to last: the gateway goes before its Redis.
    pub(crate) gateway: Gateway,
    pub(crate) store: Store,
    pub(crate) redis: Server,
    pub(crate) database: Database,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::with_flags(&[]).await
    }

    /// With more flags, as on the command line.
    pub(crate) async fn with_flags(flags: &[&str]) -> Self {
        let redis = Server::ephemeral(Durability::Always).await.unwrap();
        let store = Store::of(&redis.url());
        let database = Database::new().await;
        let gateway = Gateway::start(&redis.url(), &database, flags).await;
        gateway.until_ready().await;
        Self { gateway, store, redis, database }
    }
}

/// An empty SQL database of the kind that `ORDERLY_TEST_DATABASE` names: `sqlite`, which is the default, or `postgres`.
pub(crate) struct Database {
    pub(crate) url: String,
    _folder: Option<TempDir>,
}

impl Database {
    pub(crate) async fn new() -> Self {
        match std::env::var("ORDERLY_TEST_DATABASE").as_deref() {
            Ok("postgres") => Self { url: postgres().await.unwrap(), _folder: None },
            Err(_) | Ok("sqlite") => {
                let folder = TempDir::new().unwrap();
                let url = format!("sqlite:{}", folder.path().join("gateway.db").display());
                Self { url, _folder: Some(folder) }
            }
            other => panic!("ORDERLY_TEST_DATABASE is {other:?}; it can be sqlite or postgres"),
        }
    }
}

/// A gateway that runs in a thread of this process, as it does in one of its own; asked to stop when dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    client: Client,
    shutdown: DropGuard,
    end: oneshot::Receiver<anyhow::Result<()>>,
}

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    config: Config,
}

impl Gateway {
    /// Listens, and may not be ready yet.
    pub(crate) async fn start(redis_url: &str, database: &Database, flags: &[&str]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().into_std().unwrap();
        let address = listener.local_addr().unwrap();
        let given = ["api-gateway", "--redis-url", redis_url, "--database-url", &database.url];
        // Tests place many orders, and few of them are about limits.
        let unlimited = ["--orders-per-minute", "--guest-orders-per-minute", "--requests-per-minute"];
        let unlimited =
            unlimited.into_iter().filter(|flag| !flags.contains(flag)).flat_map(|flag| [flag, "0"]);
        let command_line = given.into_iter().chain(unlimited).chain(flags.iter().copied());
        let CommandLine { config } = CommandLine::try_parse_from(command_line).unwrap();
        let shutdown = CancellationToken::new();
        let (ended, end) = oneshot::channel();
        let stop = shutdown.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // Nobody may be left to hear of its end.
            let _ = ended.send(runtime.block_on(async {
                let listener = TcpListener::from_std(listener)?;
                api_gateway::serve(listener, config, stop).await
            }));
        });
        let client = Client::builder().no_proxy().build().unwrap();
        Self { address, client, shutdown: shutdown.drop_guard(), end }
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        drop(self.shutdown);
        timeout(PATIENCE, self.end).await.expect("the gateway does not stop").unwrap()
    }

    /// Waits for an end that nobody asked for.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        timeout(PATIENCE, self.end).await.expect("the gateway does not end").unwrap()
    }

    pub(crate) async fn until_ready(&self) {
        eventually("the gateway to be ready", PATIENCE, || self.readiness(StatusCode::OK)).await;
    }

    pub(crate) async fn until_not_ready(&self) {
        eventually("the gateway to be not ready", PATIENCE, || {
            self.readiness(StatusCode::SERVICE_UNAVAILABLE)
        })
        .await;
    }

    async fn readiness(&self, wanted: StatusCode) -> Result<(), String> {
        let answer = self.get("/readyz").await;
        if answer.status == wanted { Ok(()) } else { Err(answer.text()) }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request("GET", path)).await
    }

    /// An order, still to be sent.
    #[expect(clippy::needless_pass_by_value, reason = "a body is written where it is sent")]
    pub(crate) fn order(&self, body: impl ToString) -> RequestBuilder {
        let request = self.request("POST", "/orders").header(header::CONTENT_TYPE, "application/json");
        request.body(body.to_string())
    }

    pub(crate) async fn post(&self, body: impl ToString) -> Answer {
        Answer::to(self.order(body)).await
    }

    pub(crate) async fn post_with_key(&self, key: &str, body: impl ToString) -> Answer {
        Answer::to(self.order(body).header("idempotency-key", key)).await
    }

    /// An order that must be accepted.
    pub(crate) async fn place(&self) -> OrderId {
        self.post(two_books()).await.order_id()
    }
}

/// The order that tests place when it does not matter which.
pub(crate) fn two_books() -> Value {
    json!({ "customer_id": "42", "items": [{ "sku": "BOOK-1", "quantity": 2 }] })
}

/// As it can stand in a path or a query, every byte of it.
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes().flat_map(|byte| ['%', hex_digit(byte >> 4), hex_digit(byte & 15)]).collect()
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap()
}

/// An answer that has come whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.expect("a whole body").to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The order that this answer accepted.
    #[track_caller]
    pub(crate) fn order_id(&self) -> OrderId {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.text());
        self.json()["id"].as_str().unwrap().parse().unwrap()
    }

    /// The problem document, after checking that it is a complete one of this status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["title"], self.status.canonical_reason().unwrap());
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
        let retry_after = self.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
        assert_eq!(retry_after.is_some(), [429, 503].contains(&status), "{:?}", self.headers);
        problem
    }

    /// The fields that a 422 complains of, each with its complaint.
    #[track_caller]
    pub(crate) fn field_errors(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let errors = self.problem(422)["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["pointer"]), text(&error["detail"]))).collect()
    }
}

/// What an operator sees and does in Redis.
#[derive(Clone)]
pub(crate) struct Store {
    connection: Connection,
    pub(crate) names: Names,
    pub(crate) partitions: Partitions,
}

/// An entry of a stream: its id, and its fields in order.
pub(crate) type Entry = (String, Vec<(String, String)>);

impl Store {
    pub(crate) fn of(url: &str) -> Self {
        Self {
            connection: Redis::open(url).unwrap().commands().unwrap(),
            names: Names::default(),
            partitions: Partitions::new(PARTITIONS),
        }
    }

    /// Says one thing to Redis, word by word.
    pub(crate) async fn say<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis_kit::cmd(words[0]);
        command.arg(&words[1..]);
        let said = command.query_async(&mut self.connection.clone()).await;
        said.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) async fn configure(&self, name: &str, value: &str) {
        self.say::<()>(&["CONFIG", "SET", name, value]).await;
    }

    pub(crate) fn journal_of(&self, order: OrderId) -> String {
        self.names.orders_stream(self.partitions.of_order(order))
    }

    /// Appends to a stream, full or not, as the services' own scripts do; tells the entry's id.
    pub(crate) async fn append(&self, stream: &str, fields: &[(&str, String)]) -> String {
        let script = "#!lua flags=allow-oom\nreturn redis.call('XADD', KEYS[1], '*', unpack(ARGV))";
        let fields = fields.iter().flat_map(|(name, value)| [name, value.as_str()]);
        let words: Vec<&str> = ["EVAL", script, "1", stream].into_iter().chain(fields).collect();
        self.say(&words).await
    }

    /// The journals of all partitions, one after the other.
    pub(crate) async fn journal(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for stream in self.names.orders_streams(self.partitions) {
            entries.extend(self.say::<Vec<Entry>>(&["XRANGE", &stream, "-", "+"]).await);
        }
        entries
    }

    /// The hash of an order; empty if there is none.
    pub(crate) async fn order(&self, order: OrderId) -> BTreeMap<String, String> {
        self.say(&["HGETALL", &self.names.order(self.partitions.of_order(order), order)]).await
    }

    pub(crate) async fn keys(&self, pattern: &str) -> Vec<String> {
        self.say(&["KEYS", pattern]).await
    }

    /// What orders have left behind: every key but the instances' own descriptions, the stream of what operators ask for and
    /// what is cached, and how long the journals are.
    pub(crate) async fn traces(&self) -> (Vec<String>, usize) {
        let mut keys = self.keys("*").await;
        keys.retain(|key| {
            !["service:", "instances", "control-stream:", "product"]
                .iter()
                .any(|other| key.trim_start_matches('{').starts_with(other))
        });
        keys.sort();
        (keys, self.journal().await.len())
    }
}
