use std::path::Path;

use common::crash::Point;
use futures_util::future::join_all;
use local_redis::{Durability, Server};
use redis_kit::{Connection, Redis};
use tempfile::TempDir;
use test_support::FaultProxy;
use tokio::time::Instant;

use crate::{
    fault::Strikes,
    outage::Outages,
    provider::Provider,
    slot::{Role, Slot},
};

pub(crate) const PARTITIONS: u16 = 4;

const SANDBOX: &str = "sandbox";

/// Who works on Redis, how many of each, and where each may be told to die.
const SERVICES: [(&str, usize, &[Point]); 5] = [
    ("api-gateway", 2, &[Point::BeforeAccept, Point::AfterAccept]),
    ("order-publisher", 2, &[Point::BeforeAnnounce]),
    ("payment-producer", 2, &[Point::BeforeRequest]),
    ("payment-worker", 3, &[Point::BeforeBegin, Point::AfterBegin, Point::AfterCharge]),
    ("notification-subscriber", 1, &[]),
];

/// Times of a second, so that takeovers and expired locks happen often; and attempts enough for the longest storm.
const SETTINGS: [(&str, &str); 13] = [
    ("LEASE_SECONDS", "1"),
    ("PROVIDER_TIMEOUT_MS", "400"),
    ("PROVIDER_CONNECT_TIMEOUT_MS", "200"),
    ("PAYMENT_RETRY_BASE_MS", "20"),
    ("PAYMENT_RETRY_LIMIT_MS", "1000"),
    ("PAYMENT_CHARGE_ATTEMPTS", "40"),
    ("PAYMENT_ASK_ATTEMPTS", "10"),
    ("RUST_LOG", "info"),
    ("LOG_FORMAT", "json"),
    ("NO_PROXY", "127.0.0.1"),
    // A handful of customers at one address place thousands of orders.
    ("ORDERS_PER_MINUTE", "0"),
    ("GUEST_ORDERS_PER_MINUTE", "0"),
    ("REQUESTS_PER_MINUTE", "0"),
];

/// The whole system, and what may befall it.
pub(crate) struct Shop {
    pub(crate) outages: Outages,
    pub(crate) provider: Provider,
    pub(crate) gateways: Vec<String>,
    pub(crate) sandbox: String,
    slots: Vec<Slot>,
    pub(crate) folder: TempDir,
}

impl Shop {
    pub(crate) async fn open(seed: u64, strikes: &Strikes) -> Self {
        let folder = TempDir::with_prefix("chaos-").unwrap();
        let server = Server::ephemeral(Durability::Always).await.unwrap();
        let provider = role(SANDBOX, SANDBOX.into(), &[], folder.path()).listening();
        let sandbox = format!("http://{}", provider.address());
        let database = format!("sqlite:{}", folder.path().join("orderly.db").display());
        let mut roles = vec![provider];
        for (service, instances, points) in SERVICES {
            for n in 1..=instances {
                let mut role = role(service, format!("{service}-{n}"), points, folder.path());
                role.environment.push(("PROVIDER_URL".into(), sandbox.clone()));
                role.environment.push(("DATABASE_URL".into(), database.clone()));
                roles.push(if service == "api-gateway" { role.listening() } else { role });
            }
        }
        let gateways: Vec<String> = roles
            .iter()
            .filter(|role| role.service == "api-gateway")
            .map(|role| format!("http://{}", role.address()))
            .collect();
        let mut slots = Vec::new();
        for (number, role) in (1..).zip(roles) {
            let redis = ([127, 0, 0, 1], server.port()).into();
            let proxy = if role.service == SANDBOX { None } else { FaultProxy::start(redis).await.ok() };
            slots.push(Slot::start(role, proxy, seed.wrapping_mul(31).wrapping_add(number), strikes));
        }
        Self {
            outages: Outages::of(server, seed, strikes),
            provider: Provider::new(&sandbox, seed, strikes),
            gateways,
            sandbox,
            slots,
            folder,
        }
    }

    /// Straight to Redis.
    pub(crate) fn redis(&self) -> Connection {
        Redis::open(&self.redis_url()).and_then(|redis| redis.commands()).unwrap()
    }

    pub(crate) fn redis_url(&self) -> String {
        self.outages.server.url()
    }

    /// Lets faults follow on each other, overlapping, until `end`; all is well when this returns.
    pub(crate) async fn storm(&mut self, end: Instant) {
        let services = join_all(self.slots.iter_mut().map(|slot| slot.storm(end)));
        tokio::join!(services, self.outages.storm(end), self.provider.storm(end));
    }

    pub(crate) async fn heal(&mut self) {
        join_all(self.slots.iter_mut().map(Slot::heal)).await;
        self.provider.heal().await;
    }

    /// Asks all to stop.
    pub(crate) async fn close(self) -> Result<(), String> {
        // Who asks the provider stops before it does.
        for slot in self.slots.into_iter().rev() {
            slot.stop().await?;
        }
        Ok(())
    }
}

fn role(service: &'static str, instance: String, points: &'static [Point], folder: &Path) -> Role {
    let mut environment: Vec<(String, String)> =
        SETTINGS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    environment.push(("ORDERLY_PARTITIONS".into(), PARTITIONS.to_string()));
    environment.push(("SANDBOX_BOOKS".into(), folder.join("charges.jsonl").display().to_string()));
    let log = folder.join(format!("{instance}.log"));
    Role { service, instance, environment, socket: None, points, log }
}
