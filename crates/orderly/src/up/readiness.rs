//! Whether everything is ready, as the services themselves tell it.

use common::{names::Names, process::ask_ready};
use redis_kit::{Connection, Redis};

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
            let state = match supervisor.process().service {
                // It is no part of the system, and knows no Redis.
                Service::Sandbox => sandbox(supervisor.process().port).await,
                _ => self.service(supervisor).await,
            };
            if let Err(reason) = state {
                waiting.push(format!("{} {reason}", supervisor.process().label));
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
        match (pid, ready) {
            (Some(pid), _) if pid != supervisor.pid() => Err("has just been restarted".into()),
            (Some(_), Some(1)) => Ok(()),
            (Some(_), _) => {
                Err(format!("is not ready; http://{}/readyz says why", address.unwrap_or_default()))
            }
            (None, _) => Err("has not started yet".into()),
        }
    }
}

async fn sandbox(port: Option<u16>) -> Result<(), String> {
    let port = port.unwrap_or_default();
    let asked = tokio::task::spawn_blocking(move || ask_ready(port)).await;
    match asked {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(format!("is not ready; http://127.0.0.1:{port}/readyz says why")),
        Ok(Err(error)) => Err(format!("does not answer on port {port}: {error}")),
        Err(error) => Err(error.to_string()),
    }
}
