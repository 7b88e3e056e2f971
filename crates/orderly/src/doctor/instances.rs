//! Which instances of the services live, and whether each is ready.

use std::net::SocketAddr;

use common::{names::services, probe::ask_ready};
use redis_kit::{RedisResult, cmd, stream::GroupKeys};
use tokio::task::spawn_blocking;

use super::finding::{Finding, counted};
use crate::installation::Installation;

const CHECK: &str = "service-readiness";

/// A running service, as it described itself within the last seconds.
pub(super) struct Instance {
    pub(super) service: &'static str,
    pub(super) name: String,
    pub(super) address: SocketAddr,
    is_ready: bool,
}

/// Every instance that lives. No key is looked for: that would take a walk over all there are.
pub(super) async fn find(installation: &Installation) -> RedisResult<Vec<Instance>> {
    let mut instances = Vec::new();
    for service in services::ALL {
        for name in candidates(installation, service).await? {
            instances.extend(describe(installation, service, name).await?);
        }
    }
    Ok(instances)
}

/// The names of instances that live or lived lately: each carries out what operators ask for, as a consumer by its name with
/// digits behind it, new for each time it joined.
async fn candidates(installation: &Installation, service: &str) -> RedisResult<Vec<String>> {
    let leases = GroupKeys::new(&installation.names.control_stream(), service).lease;
    let consumers: Vec<String> =
        cmd("HKEYS").arg(leases).query_async(&mut installation.redis.clone()).await?;
    let name = |consumer: &String| Some(consumer.rsplit_once('-')?.0.to_owned());
    let mut names: Vec<String> = consumers.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// What it says of itself; `None` if it has said nothing for some seconds.
async fn describe(
    installation: &Installation,
    service: &'static str,
    name: String,
) -> RedisResult<Option<Instance>> {
    let mut get = cmd("HMGET");
    get.arg(installation.names.service(service, &name)).arg("address").arg("ready");
    let (address, ready): (Option<String>, Option<u8>) =
        get.query_async(&mut installation.redis.clone()).await?;
    let address = address.and_then(|address| address.parse().ok());
    Ok(address.map(|address| Instance { service, name, address, is_ready: ready == Some(1) }))
}

/// What is to be thought of those that live. That none of a service does is its groups' matter.
pub(super) async fn examine(instances: &[Instance]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for instance in instances.iter().filter(|instance| !instance.is_ready) {
        findings.push(unready(instance).await);
    }
    if findings.is_empty() && !instances.is_empty() {
        findings
            .push(Finding::ok(CHECK, format!("{} run and are ready", counted(instances.len(), "instance"))));
    }
    findings
}

async fn unready(Instance { name, address, .. }: &Instance) -> Finding {
    let asked = *address;
    let reason = match spawn_blocking(move || ask_ready(asked)).await {
        Ok(Ok(Err(reason))) => reason,
        // Meanwhile it is, or it cannot be reached from here.
        _ => format!("http://{address}/readyz tells why, where that can be reached"),
    };
    let fix =
        format!("mend what it names; the log of {name} tells more. If it has just been started, ask again");
    Finding::problem(CHECK, format!("{name} is not ready: {reason}"), fix)
}
