//! Whether everything is ready, as the services themselves tell it.

use std::net::SocketAddr;

use common::{names::Names, probe::ask_ready};
use redis_kit::{Connection, Redis};
use tokio::task::spawn_blocking;

use super::supervisor::Supervisor;
use crate::services::Service;

/// Reads what services say of themselves.
pub(super) struct Readiness {
    redis: Connection,
    names: Names,
}

impl Readiness {
    /// Fails if the URL is none.
    pub(super) fn new(redis_url: &str) -> anyhow::Result<Self> {
        let prefix = std::env::var("ORDERLY_KEY_PREFIX").unwrap_or_default();
        Ok(Self { redis: Redis::open(redis_url)?.commands()?, names: Names::new(prefix) })
    }

    /// Why each process that is not ready is not.
    pub(super) async fn of(&self, supervisors: &[Supervisor]) -> Vec<String> {
        let mut waiting = Vec::new();
        for supervisor in supervisors {
            let process = supervisor.process();
            let state = match (process.service, &process.listening) {
                // It is no part of the system, and knows no Redis.
                (Service::Sandbox, Some(listening)) => ask(listening.address).await,
                _ => self.service(supervisor).await,
            };
            if let Err(reason) = state {
                waiting.push(format!("{} {reason}", process.label));
            }
        }
        waiting
    }

    /// A service describes itself in Redis; what an earlier process of that name said does not count.
    async fn service(&self, supervisor: &Supervisor) -> Result<(), String> {
        let process = supervisor.process();
        let key = self.names.service(process.service.name(), &process.label);
        let mut get = redis_kit::cmd("HMGET");
        get.arg(key).arg("pid").arg("ready").arg("address");
        let reply = get.query_async(&mut self.redis.clone()).await;
        let (pid, ready, address): (Option<u32>, Option<u8>, Option<String>) =
            reply.map_err(|error| format!("cannot be asked for: {error}"))?;
        let address = address.and_then(|address| address.parse().ok());
        match (pid, ready, address) {
            (Some(pid), _, _) if Some(pid) != supervisor.target().pid() => {
                Err("has just been restarted".into())
            }
            (Some(_), Some(1), _) => Ok(()),
            (Some(_), _, Some(address)) => ask(address).await,
            _ => Err("has not started yet".into()),
        }
    }
}

async fn ask(address: SocketAddr) -> Result<(), String> {
    match spawn_blocking(move || ask_ready(address)).await {
        Ok(Ok(state)) => state.map_err(|reason| format!("is not ready: {reason}")),
        Ok(Err(error)) => Err(format!("does not answer at {address}: {error}")),
        Err(error) => Err(error.to_string()),
    }
}
