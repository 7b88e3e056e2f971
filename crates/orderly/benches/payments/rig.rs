use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    str::FromStr,
    time::{Duration, Instant},
};

use common::{
    messages::{PaymentId, PaymentTask},
    money::Money,
    names::Names,
    partition::Partitions,
};
use local_redis::{Durability, Server};
use redis_kit::{Connection, Redis, cmd, stream::Producer, trace::TraceContext};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{PARTITIONS, WORKERS};

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) payments: u32,
    /// How long the provider takes.
    pub(crate) latency_ms: u32,
    /// How many payments of one partition a worker has in hand.
    pub(crate) concurrency: u16,
}

/// A Redis, and processes beside it.
pub(crate) struct Rig {
    // Ended before their Redis is, which they would miss.
    processes: Vec<Process>,
    load: Load,
    server: Server,
    redis: Connection,
    provider: String,
}

/// Killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn number<T: FromStr>(name: &str, default: T) -> T {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Rig {
    /// Starts Redis and the provider.
    pub(crate) async fn start(load: Load) -> Self {
        let server = Server::ephemeral(Durability::Always).await.expect("a Redis server");
        let redis = Redis::open(&server.url()).and_then(|redis| redis.commands()).expect("its URL");
        let mut sandbox = service("sandbox");
        if load.latency_ms > 0 {
            let faults = format!(r#"{{"latency":{{"kind":"fixed","ms":{}}}}}"#, load.latency_ms);
            sandbox.env("SANDBOX_FAULTS", faults);
        }
        // That it listens, and where, but not each charge.
        sandbox.env("RUST_LOG", "warn,sandbox=info,sandbox::provider=warn").stdout(Stdio::piped());
        let mut sandbox = sandbox.spawn().expect("the sandbox");
        let mut log = BufReader::new(sandbox.stdout.take().expect("piped")).lines();
        let address = log.by_ref().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            Some(line["address"].as_str()?.to_owned())
        });
        std::thread::spawn(move || log.for_each(drop));
        let provider = format!("http://{}", address.expect("the sandbox listens"));
        Self { load, server, redis, provider, processes: vec![Process(sandbox)] }
    }

    /// Requests all payments, before anybody is there to settle them.
    pub(crate) async fn fill(&self) {
        let (names, partitions) = (Names::default(), Partitions::new(PARTITIONS));
        let mut tasks: Vec<Vec<PaymentTask>> = vec![Vec::new(); PARTITIONS.into()];
        for _ in 0..self.load.payments {
            let order_id = Uuid::new_v4();
            let task = PaymentTask::Requested {
                payment_id: PaymentId::of(order_id),
                order_id,
                customer_id: "42".into(),
                amount: Money::parse("49.80", "EUR").expect("an amount"),
                taken: None,
            };
            tasks[usize::from(partitions.of_order(order_id))].push(task);
        }
        for (partition, tasks) in partitions.all().zip(&tasks) {
            let producer = Producer::new(self.redis.clone(), names.payments_stream(partition));
            producer.append_all(tasks, &TraceContext::root()).await.expect("a full stream");
        }
    }

    /// Has the workers settle all of them; returns how many a second.
    pub(crate) async fn settle(&mut self) -> f64 {
        for _ in 0..WORKERS {
            let worker = service("payment-worker")
                .env("REDIS_URL", self.server.url())
                .env("PROVIDER_URL", &self.provider)
                .env("PAYMENT_CONCURRENCY", self.load.concurrency.to_string())
                .env("RUST_LOG", "warn")
                .spawn();
            self.processes.push(Process(worker.expect("a worker")));
        }
        // From the first outcome on, not to measure how long a process takes to start.
        let (mut begun, mut at_first) = (Instant::now(), 0);
        loop {
            let settled = self.settled().await;
            if at_first == 0 && settled > 0 {
                (begun, at_first) = (Instant::now(), settled);
            }
            if settled >= self.load.payments {
                return f64::from(settled - at_first) / begun.elapsed().as_secs_f64();
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn settled(&mut self) -> u32 {
        let mut settled = 0;
        for partition in Partitions::new(PARTITIONS).all() {
            let stream = Names::default().orders_stream(partition);
            settled += cmd("XLEN").arg(stream).query_async::<u32>(&mut self.redis).await.expect("a length");
        }
        settled
    }
}

fn service(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderly"));
    command
        .args(["service", name])
        .env_clear()
        .envs([("PORT", "0"), ("LOG_FORMAT", "json"), ("NO_PROXY", "127.0.0.1")])
        .env("ORDERLY_PARTITIONS", PARTITIONS.to_string());
    command
}
