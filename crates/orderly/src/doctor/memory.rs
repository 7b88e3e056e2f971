//! Whether a server has room, and what it does where it has none.

use common::store::is_nearly_full;

use super::{
    finding::Finding,
    node::{Info, Node},
};

const MEBIBYTE: u64 = 1 << 20;

pub(super) fn examine(node: &Node) -> Vec<Finding> {
    if !node.info.is_known() {
        let fix = node.say("INFO memory");
        return vec![Finding::unknown("memory", "INFO is not allowed: it does not say how full it is", fix)];
    }
    vec![policy(node), room(node)]
}

fn policy(node: &Node) -> Finding {
    match node.info.text("maxmemory_policy") {
        "noeviction" => Finding::ok("eviction-policy", "noeviction"),
        policy => Finding::problem(
            "eviction-policy",
            format!(
                "maxmemory-policy {policy}: orders vanish when memory is full. Gateways accept no orders"
            ),
            format!(
                "{}. Cache entries may be evicted from a Redis of their own (REDIS_CACHE_URL)",
                node.set("maxmemory-policy", "noeviction")
            ),
        ),
    }
}

fn room(node: &Node) -> Finding {
    let (used, allowed) = figures(&node.info);
    if allowed == 0 {
        let seen = format!(
            "{} MiB are used, and there is no limit (maxmemory 0): the system may kill it when memory runs out",
            used / MEBIBYTE
        );
        let fix = format!(
            "set a limit well below the memory of its machine or container, such as half: {}",
            node.set("maxmemory", "1gb")
        );
        return Finding::warning("memory", seen, fix);
    }
    let seen = format!("{} of {} MiB are used", used / MEBIBYTE, allowed / MEBIBYTE);
    if is_nearly_full(used, allowed) {
        let fix = format!(
            "raise the limit, if its machine has memory: {}. See too what retention says here",
            node.set("maxmemory", &format!("{}mb", (2 * allowed / MEBIBYTE).max(1)))
        );
        return Finding::problem(
            "memory",
            format!("{seen}: gateways accept no orders beyond four fifths"),
            fix,
        );
    }
    Finding::ok("memory", seen)
}

fn figures(info: &Info) -> (u64, u64) {
    let number = |name| info.number(name).unwrap_or_default();
    (number("used_memory"), number("maxmemory"))
}
