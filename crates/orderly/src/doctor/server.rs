//! Which server it is, and whether it serves.

use redis_kit::{Error, check_version, cmd};

use super::{DoctorArgs, finding::Finding, node::Node};

pub(super) fn reached(address: &str, nodes: usize) -> Finding {
    let seen = match nodes {
        1 => format!("{address} answers"),
        nodes => format!("{address} answers: a cluster with {nodes} masters"),
    };
    Finding::ok("redis", seen)
}

pub(super) fn unreachable(address: &str, error: &Error, args: &DoctorArgs) -> Finding {
    let code = if let Error::Redis(error) = error { error.code() } else { None };
    let fix = match code {
        Some("NOAUTH" | "WRONGPASS") => {
            "give the right user and password: --redis-url redis://USER:PASSWORD@HOST:PORT (REDIS_URL)".into()
        }
        Some("LOADING") => "it loads its data; wait, and ask again".into(),
        _ => elsewhere(args).unwrap_or_else(|| {
            "start a Redis there (redis-server deploy/redis.conf), or name another with --redis-url (REDIS_URL). `orderly up` \
             without REDIS_URL starts one of its own, and prints where"
                .into()
        }),
    };
    Finding::problem("redis", format!("cannot reach {address}: {error}"), fix)
}

/// One node of several.
pub(super) fn silent(error: &Error) -> Finding {
    let fix = "start it again, or let a replica take its place; what is in its slots waits meanwhile";
    Finding::problem("redis", format!("does not answer: {error}"), fix)
}

/// The Redis of the `up` that runs on this machine is at any port, and so easily missed.
fn elsewhere(args: &DoctorArgs) -> Option<String> {
    let url = local_redis::running_in(&args.data_dir.redis().ok()?)?;
    Some(format!(
        "an `orderly up` runs here with a Redis of its own; ask that one: orderly doctor --redis-url {url}"
    ))
}

pub(super) async fn examine(node: &Node) -> Vec<Finding> {
    if !node.info.is_known() {
        let fix = node.allow("+info").await;
        return vec![Finding::unknown(
            "redis-version",
            "INFO is not allowed: it does not say what it is",
            fix,
        )];
    }
    let mut findings = vec![version(node).await, role(node)];
    findings.extend(loading(node));
    if node.info.mode() == "cluster" {
        findings.push(cluster(node).await);
    }
    findings
}

async fn version(node: &Node) -> Finding {
    let info = &node.info;
    let name = match info.text("valkey_version") {
        "" => format!("Redis {}", info.text("redis_version")),
        version => format!("Valkey {version}"),
    };
    match check_version(node.redis.clone()).await {
        Ok(()) => Finding::ok("redis-version", format!("{name}, {}", info.mode())),
        Err(error @ Error::TooOld { .. }) => {
            let fix = "install redis-server 7.0 or newer, or valkey-server, and start it on the same data";
            Finding::problem("redis-version", error.to_string(), fix)
        }
        Err(error) => Finding::unknown("redis-version", error.to_string(), "ask again"),
    }
}

fn role(node: &Node) -> Finding {
    let info = &node.info;
    if info.mode() == "sentinel" {
        let fix = "name the master that it watches with --redis-url (REDIS_URL)";
        return Finding::problem("redis-role", "it is a Sentinel, which holds no data", fix);
    }
    match info.text("role") {
        "slave" => Finding::problem(
            "redis-role",
            "it is a replica, which takes no writes: nothing can be accepted or carried out",
            format!(
                "name its master with --redis-url (REDIS_URL): redis://{}:{}",
                info.text("master_host"),
                info.text("master_port")
            ),
        ),
        role => Finding::ok("redis-role", format!("{role}, with {} replicas", info.text("connected_slaves"))),
    }
}

fn loading(node: &Node) -> Option<Finding> {
    let is_loading = node.info.number("loading").is_some_and(|loading| loading > 0);
    let left = node.info.text("loading_eta_seconds");
    let seen =
        || format!("it still loads its data, for another {left} s or so, and answers nothing until then");
    is_loading.then(|| Finding::problem("redis-loading", seen(), "wait, and ask again"))
}

async fn cluster(node: &Node) -> Finding {
    let told: Result<String, _> = cmd("CLUSTER").arg("INFO").query_async(&mut node.redis.clone()).await;
    let look = || format!("{} names the nodes that failed; start them again", node.say("CLUSTER NODES"));
    match told {
        Err(error) => Finding::unknown("cluster-state", error.to_string(), node.say("CLUSTER INFO")),
        Ok(told) if told.lines().any(|line| line == "cluster_state:ok") => {
            Finding::ok("cluster-state", "all slots are served")
        }
        Ok(_) => Finding::problem("cluster-state", "slots are not served, and what is in them waits", look()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_still_loads_or_holds_no_data_is_a_problem() {
        let still = loading(&Node::saying("loading:1\nloading_eta_seconds:40")).unwrap();
        assert!(still.seen.contains("another 40 s"), "{still:?}");
        assert_eq!(loading(&Node::saying("loading:0")), None);
        for sentinel in ["redis_mode:sentinel", "server_mode:sentinel"] {
            let finding = role(&Node::saying(sentinel));
            assert!(finding.fix.as_deref().unwrap_or_default().contains("--redis-url"), "{finding:?}");
        }
    }
}
