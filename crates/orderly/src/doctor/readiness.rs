//! Which instances of the services live, and whether each is ready.

use std::net::SocketAddr;

use common::{instances::Instance, probe::ask_ready};
use tokio::task::spawn_blocking;

use super::finding::{Finding, counted};

const CHECK: &str = "service-readiness";

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
    let fix =
        format!("mend what it names; the log of {name} tells more. If it has just been started, ask again");
    let reason = match address {
        None => "its log tells why".to_owned(),
        Some(address) => reason(*address).await,
    };
    Finding::problem(CHECK, format!("{name} is not ready: {reason}"), fix)
}

/// What it says for itself.
async fn reason(address: SocketAddr) -> String {
    match spawn_blocking(move || ask_ready(address)).await {
        Ok(Ok(Err(reason))) => reason,
        // Meanwhile it is, or it cannot be reached from here.
        _ => format!("http://{address}/readyz tells why, where that can be reached"),
    }
}
