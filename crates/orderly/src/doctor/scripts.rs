//! Whether a server runs what our scripts are made of, and lets this user do it.

use common::names::Names;
use redis_kit::{RedisResult, cmd};

use super::{finding::Finding, node::Node};

const CHECK: &str = "scripts";

/// Every command that services and their scripts cannot do without, as it might be said to the key `%`. None is carried out. INFO and
/// CONFIG are not among them: that these are not allowed is told where something is asked by them.
const COMMANDS: [&str; 50] = [
    "APPEND % value",
    "DEL %",
    "EVAL script 1 %",
    "EVALSHA hash 1 %",
    "EXISTS %",
    "EXPIRE % 1",
    "GET %",
    "HDEL % field",
    "HEXISTS % field",
    "HGET % field",
    "HGETALL %",
    "HINCRBY % field 1",
    "HMGET % field",
    "HSET % field value",
    "HSETNX % field value",
    "MEMORY USAGE %",
    "MGET %",
    "PEXPIRE % 1",
    "PEXPIREAT % 1",
    "PING",
    "PTTL %",
    "PUBLISH % message",
    "RENAME % %",
    "SET % value",
    "SUBSCRIBE %",
    "TIME",
    "TYPE %",
    "UNLINK %",
    "XACK % group 1-0",
    "XADD % * field value",
    "XCLAIM % group consumer 0 1-0",
    "XDEL % 1-0",
    "XGROUP CREATE % group 0",
    "XINFO STREAM %",
    "XLEN %",
    "XPENDING % group",
    "XRANGE % - +",
    "XREAD STREAMS % 0",
    "XREADGROUP GROUP group consumer STREAMS % >",
    "XREVRANGE % + -",
    "XTRIM % MAXLEN 0",
    "ZADD % 1 member",
    "ZCARD %",
    "ZCOUNT % 0 1",
    "ZINCRBY % 1 member",
    "ZMSCORE % member",
    "ZRANGE % 0 1",
    "ZREM % member",
    "ZREMRANGEBYSCORE % 0 1",
    "ZSCORE % member",
];

/// What the script says: commands that are not there, and those that are not allowed.
type Lacks = (Vec<String>, Vec<String>);

pub(super) async fn examine(node: &Node, names: &Names) -> Vec<Finding> {
    let findings = match ask(node, names).await {
        Ok((missing, forbidden)) => {
            vec![missing_commands(&missing), forbidden_commands(node, &forbidden).await]
        }
        Err(error) if error.code() == Some("NOPERM") => {
            let seen = "this user may not run scripts (EVAL), and everything is done by scripts";
            let fix = node.allow("+eval +evalsha").await;
            vec![Some(Finding::problem(CHECK, seen, fix))]
        }
        Err(error) => {
            let seen = format!("it does not run our scripts: {error}");
            let fix = "use a Redis of 7.0 or newer, or Valkey, that allows EVAL; some proxies in front of one do not";
            vec![Some(Finding::problem(CHECK, seen, fix))]
        }
    };
    let findings: Vec<Finding> = findings.into_iter().flatten().collect();
    if !findings.is_empty() {
        return findings;
    }
    vec![Finding::ok(CHECK, format!("they run, and all {} commands they need are allowed", COMMANDS.len()))]
}

async fn ask(node: &Node, names: &Names) -> RedisResult<Lacks> {
    let mut eval = cmd("EVAL");
    eval.arg(include_str!("scripts.lua")).arg(0);
    eval.arg(COMMANDS.map(|command| command.replace('%', &names.nothing())).as_slice());
    eval.query_async(&mut node.redis.clone()).await
}

fn missing_commands(names: &[String]) -> Option<Finding> {
    let seen = || format!("it does not know {}", names.join(", "));
    let fix =
        "take these out of rename-command in its redis.conf, and restart it; or use a server that has them";
    (!names.is_empty()).then(|| Finding::problem(CHECK, seen(), fix))
}

async fn forbidden_commands(node: &Node, names: &[String]) -> Option<Finding> {
    if names.is_empty() {
        return None;
    }
    let seen =
        format!("this user may not do {}, or not on this installation's keys and channels", names.join(", "));
    let rules: Vec<String> = names.iter().map(|name| format!("+{}", name.to_lowercase())).collect();
    let fix = node.allow(&rules.join(" ")).await;
    let fix =
        format!("{fix}. If these are allowed, it is the keys or channels that are not: ~PREFIX* &PREFIX*");
    Some(Finding::problem(CHECK, seen, fix))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    /// Every script below a folder.
    fn scripts_in(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let scripts = entries.flat_map(|path| if path.is_dir() { scripts_in(&path) } else { vec![path] });
        scripts.filter(|path| path.extension().is_some_and(|extension| extension == "lua")).collect()
    }

    /// The commands that a script calls.
    fn called_by(script: &str) -> impl Iterator<Item = &str> {
        script.split("call('").skip(1).filter_map(|rest| rest.split('\'').next())
    }

    #[test]
    fn every_command_that_a_script_calls_is_asked_about() {
        let asked: BTreeSet<&str> =
            COMMANDS.iter().filter_map(|command| command.split(' ').next()).chain(["INFO"]).collect();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let scripts: Vec<PathBuf> =
            ["crates", "services"].iter().flat_map(|folder| scripts_in(&root.join(folder))).collect();
        assert!(scripts.len() > 40, "{scripts:?}");
        for script in scripts {
            let text = fs::read_to_string(&script).unwrap();
            let forgotten: Vec<&str> = called_by(&text).filter(|command| !asked.contains(command)).collect();
            assert!(forgotten.is_empty(), "{}: {forgotten:?}", script.display());
        }
    }
}
