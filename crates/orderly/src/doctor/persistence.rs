//! Whether a server keeps what it confirmed.

use common::store::{Durability, Settings, Weakness};

use super::{
    finding::Finding,
    node::{Info, Node},
};

const CHECK: &str = "persistence";

pub(super) async fn examine(node: &mut Node, promise: Durability) -> Vec<Finding> {
    let mut findings = match Settings::read(&mut node.redis).await {
        _ if promise == Durability::None => {
            vec![Finding::ok(CHECK, "the gateway promises nothing (--durability none)")]
        }
        Ok(settings) => judge(node, &settings, promise),
        Err(error) => {
            let seen = format!(
                "cannot read its settings ({error}): whether an accepted order may be lost is unknown, and gateways accept none"
            );
            let allow = node.allow("+config|get").await;
            let fix = format!(
                "{allow}. Where nobody may ask, look at the provider's console for appendonly yes, appendfsync always, \
                 no-appendfsync-on-rewrite no, and start gateways with --durability none"
            );
            vec![Finding::unknown(CHECK, seen, fix)]
        }
    };
    findings.extend(failed_writes(&node.info, &node.say("INFO persistence")));
    findings
}

fn judge(node: &Node, settings: &Settings, promise: Durability) -> Vec<Finding> {
    let weaknesses = settings.weaknesses(promise);
    // Memory is another matter, and told by more than this setting.
    let mut weak = weaknesses.iter().filter(|weakness| weakness.setting != "maxmemory-policy").peekable();
    if weak.peek().is_none() {
        return vec![Finding::ok(CHECK, settings.to_string())];
    }
    weak.map(|Weakness { setting, found, wanted }| {
        let seen = format!("{setting} {found}: {}. Gateways accept no orders", what_follows(setting, found));
        let fix = format!(
            "{}. Or promise less: --durability of the gateways, and of this command",
            node.set(setting, wanted)
        );
        Finding::problem(CHECK, seen, fix)
    })
    .collect()
}

fn what_follows(setting: &str, found: &str) -> &'static str {
    match (setting, found) {
        ("appendonly", _) => "what it confirmed is gone when it dies",
        ("appendfsync", "everysec") => "about a second of what it confirmed is gone when the machine dies",
        ("appendfsync", _) => "what it confirmed lately is gone when the machine dies",
        _ => "while its file is rewritten, what it confirms is gone when the machine dies",
    }
}

/// What went wrong on the disk.
fn failed_writes(info: &Info, look: &str) -> Vec<Finding> {
    let failed = |name| !matches!(info.text(name), "" | "ok");
    let mut findings = Vec::new();
    if failed("aof_last_write_status") {
        let seen = "its last write to the append-only file failed, and it refuses writes: the disk may be full or broken";
        let fix = format!(
            "see its log and `df -h` on its machine, and make room; then `{look}` says aof_last_write_status:ok"
        );
        findings.push(Finding::problem(CHECK, seen, fix));
    }
    if failed("rdb_last_bgsave_status") {
        let seen = "its last snapshot failed, and it may refuse writes (MISCONF)";
        let fix = "see its log, and make room on its disk; or take no snapshots (CONFIG SET save \"\"), as the append-only file is what counts";
        findings.push(Finding::problem(CHECK, seen, fix));
    }
    if failed("aof_last_bgrewrite_status") {
        let seen = "its last rewrite of the append-only file failed: the file grows until one succeeds";
        let fix = "see its log; a rewrite wants room on the disk and in memory. BGREWRITEAOF begins another";
        findings.push(Finding::warning(CHECK, seen, fix));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_on_the_disk_is_told_and_what_was_never_tried_is_not() {
        let failed =
            "aof_last_write_status:err\r\nrdb_last_bgsave_status:err\r\naof_last_bgrewrite_status:err";
        assert_eq!(failed_writes(&failed.into(), "INFO").len(), 3);
        for fine in ["aof_last_write_status:ok\r\nrdb_last_bgsave_status:ok", ""] {
            assert_eq!(failed_writes(&fine.into(), "INFO"), []);
        }
    }
}
