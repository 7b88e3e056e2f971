//! `orderly doctor`: what is wrong is named, with what to do; and once that is done, it is well.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    thread,
    time::Duration,
};

use local_redis::{Cluster, Durability, ReservedPort, Server};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{FaultProxy, System, eventually};
use tokio::process::Command;

use crate::{
    ORDERLY,
    asking::{Said, ask, orderly},
    options, system,
};

/// For anything that a debug build on a busy machine does at once.
const SOON: Duration = Duration::from_secs(30);

/// Sends the words of a command.
async fn send<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> T {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

/// What the doctor says.
#[derive(Debug)]
struct Report {
    code: i32,
    findings: Vec<Value>,
}

impl Report {
    fn read(said: &Said) -> Self {
        let report = said.json().remove(0);
        let findings = report["findings"].as_array().unwrap_or_else(|| panic!("{said:#?}")).clone();
        let count = |verdict: &str| findings.iter().filter(|finding| finding["verdict"] == verdict).count();
        assert_eq!(report["problems"], json!(count("problem")));
        assert_eq!(report["warnings"], json!(count("warning")));
        for finding in &findings {
            let mut names: Vec<&String> = finding.as_object().unwrap().keys().collect();
            names.sort();
            assert_eq!(names, ["check", "fix", "seen", "verdict"]);
            assert_eq!(finding["fix"].is_null(), finding["verdict"] == "ok", "{finding}");
        }
        Self { code: said.code, findings }
    }

    /// All but what is well: check and verdict. Not whether Redis is slow: a machine that runs other tests may be.
    fn amiss(&self) -> Vec<(&str, &str)> {
        let all = self
            .findings
            .iter()
            .filter(|finding| finding["verdict"] != "ok" && finding["check"] != "latency");
        all.map(|finding| (finding["check"].as_str().unwrap(), finding["verdict"].as_str().unwrap()))
            .collect()
    }

    /// The one finding that is amiss, of those of a check; with these texts in what was seen and in what is to be done.
    fn finding(&self, check: &str, seen: &str, fix: &str) -> &Value {
        let of_check = |finding: &&Value| finding["check"] == check && finding["verdict"] != "ok";
        let found: Vec<&Value> = self.findings.iter().filter(of_check).collect();
        let [finding] = found[..] else { panic!("not one {check}: {self:#?}") };
        assert!(finding["seen"].as_str().unwrap().contains(seen), "no {seen:?} in {finding:#}");
        assert!(finding["fix"].as_str().unwrap().contains(fix), "no {fix:?} in {finding:#}");
        finding
    }

    /// What was seen of something that is well.
    fn assert_well(&self, check: &str, seen: &str) {
        let well = |finding: &&Value| finding["check"] == check && finding["verdict"] == "ok";
        let mut texts = self.findings.iter().filter(well).filter_map(|finding| finding["seen"].as_str());
        assert!(texts.any(|text| text.contains(seen)), "{check} does not say {seen:?}: {self:#?}");
    }
}

/// What the doctor is told of the machine: ports and a folder that nobody else uses.
struct Machine {
    port: u16,
    sandbox_port: u16,
    data: PathBuf,
    /// For as long as nobody is to have them.
    _free: [ReservedPort; 2],
    _scratch: TempDir,
}

impl Machine {
    fn new() -> Self {
        let free = [(); 2].map(|()| ReservedPort::free().unwrap());
        let scratch = TempDir::with_prefix("orderly-").unwrap();
        let [port, sandbox_port] = free.each_ref().map(ReservedPort::number);
        Self { port, sandbox_port, data: scratch.path().to_owned(), _free: free, _scratch: scratch }
    }

    /// One on which a system runs.
    fn of(system: &System) -> Self {
        let gateway: SocketAddr = system.gateway().strip_prefix("http://").unwrap().parse().unwrap();
        Self { port: gateway.port(), data: system.data().to_owned(), ..Self::new() }
    }

    fn doctor(&self, url: &str) -> Command {
        let mut command = Command::new(ORDERLY);
        command.args(["doctor", "--json", "--redis-url", url]);
        command.args(["--port", &self.port.to_string(), "--sandbox-port", &self.sandbox_port.to_string()]);
        command.arg("--data-dir").arg(&self.data);
        for name in
            ["LISTEN_HOST", "DURABILITY", "RETENTION_DAYS", "RETENTION_ENTRIES", "ORDERLY_REDIS_SERVER"]
        {
            command.env_remove(name);
        }
        command
    }

    async fn examine(&self, url: &str) -> Report {
        self.examine_with(url, &[]).await
    }

    async fn examine_with(&self, url: &str, more: &[&str]) -> Report {
        Report::read(&ask(self.doctor(url).args(more)).await)
    }

    /// Waits until the doctor finds this amiss and nothing else.
    async fn until_amiss(&self, url: &str, amiss: &[(&str, &str)]) -> Report {
        eventually(&format!("the doctor to find {amiss:?}"), SOON, || async {
            let report = self.examine(url).await;
            if report.amiss() == amiss { Ok(report) } else { Err(format!("{report:#?}")) }
        })
        .await
    }
}

/// A Redis as it should be, with nothing in it.
async fn well_redis() -> Server {
    let adjust = |settings: &mut local_redis::Settings| {
        settings.extra.push(("maxmemory".into(), "100mb".into()));
    };
    Server::ephemeral_with(adjust).await.unwrap()
}

/// Does what a finding says is to be done by `redis-cli -u URL …;`.
async fn follow(finding: &Value, administrator: &str) {
    let fix = finding["fix"].as_str().unwrap();
    let (_, command) = fix.split_once("redis-cli -u ").unwrap_or_else(|| panic!("no command in {fix}"));
    let command = command.split(';').next().unwrap();
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    assert!(command.starts_with(administrator), "{command} is for another than {administrator}");
    send::<()>(administrator, &words).await;
}

const NOTHING_YET: (&str, &str) = ("installation", "warning");

#[tokio::test]
async fn a_setting_by_which_orders_may_be_lost_is_named_with_the_command_that_mends_it() {
    let (machine, redis) = (Machine::new(), well_redis().await);
    let url = redis.url();
    for (setting, wrong, check, right) in [
        ("appendfsync", "everysec", "persistence", "CONFIG SET appendfsync always"),
        ("appendonly", "no", "persistence", "CONFIG SET appendonly yes"),
        ("no-appendfsync-on-rewrite", "yes", "persistence", "CONFIG SET no-appendfsync-on-rewrite no"),
        ("maxmemory-policy", "allkeys-lru", "eviction-policy", "CONFIG SET maxmemory-policy noeviction"),
        ("maxmemory", "1mb", "memory", "CONFIG SET maxmemory 2mb"),
    ] {
        send::<()>(&url, &["CONFIG", "SET", setting, wrong]).await;
        let report = machine.examine(&url).await;
        assert_eq!((report.code, report.amiss()), (1, vec![(check, "problem"), NOTHING_YET]), "{report:#?}");
        let seen = if setting == "maxmemory" { "of 1 MiB are used" } else { wrong };
        follow(report.finding(check, seen, right), &url).await;
        let mended = machine.examine(&url).await;
        assert_eq!((mended.code, mended.amiss()), (0, vec![NOTHING_YET]), "{setting}: {mended:#?}");
    }
    send::<()>(&url, &["CONFIG", "SET", "appendfsync", "everysec"]).await;
    let promised_less = machine.examine_with(&url, &["--durability", "everysec"]).await;
    assert_eq!(promised_less.amiss(), [NOTHING_YET]);
    send::<()>(&url, &["CONFIG", "SET", "maxmemory", "0"]).await;
    let unlimited = machine.examine_with(&url, &["--durability", "none"]).await;
    assert_eq!((unlimited.code, unlimited.amiss()), (0, vec![("memory", "warning"), NOTHING_YET]));
    unlimited.finding("memory", "no limit", "CONFIG SET maxmemory 1gb");
}

/// A user `ann`, by whom the doctor looks, without some permissions.
async fn ann_without(url: &str, permissions: &[&str]) -> String {
    let user = ["ACL", "SETUSER", "ann", "reset", "on", ">secret", "~*", "&*", "+@all"];
    send::<()>(url, &[user.as_slice(), permissions].concat()).await;
    url.replace("redis://", "redis://ann:secret@")
}

#[tokio::test]
async fn what_a_user_may_not_do_is_named_with_the_permission() {
    let (machine, redis) = (Machine::new(), well_redis().await);
    let url = redis.url();
    for (without, seen, permission) in [
        (&["-eval"][..], "may not run scripts", "ACL SETUSER ann +eval +evalsha"),
        (&["-xgroup", "-xclaim"], "may not do XCLAIM, XGROUP", "ACL SETUSER ann +xclaim +xgroup"),
        (&["-publish"], "may not do PUBLISH", "ACL SETUSER ann +publish"),
    ] {
        let ann = ann_without(&url, without).await;
        let report = machine.examine(&ann).await;
        assert_eq!(report.code, 1, "{report:#?}");
        assert_eq!(report.amiss(), [("scripts", "problem"), NOTHING_YET], "{report:#?}");
        let finding = report.finding("scripts", seen, permission);
        assert!(!finding.to_string().contains("secret"), "{finding}");
        follow(finding, &url).await;
        assert_eq!(machine.examine(&ann).await.amiss(), [NOTHING_YET]);
    }

    let elsewhere = ann_without(&url, &["resetkeys", "~other:*"]).await;
    let report = machine.examine(&elsewhere).await;
    assert_eq!((report.code, report.amiss()), (1, vec![("scripts", "problem"), ("installation", "unknown")]));
    report.finding("scripts", "ZSCORE", "it is the keys or channels that are not");
    assert_eq!(machine.examine_with(&elsewhere, &["--key-prefix", "other:"]).await.amiss(), [NOTHING_YET]);

    let ann = ann_without(&url, &["-config", "-info"]).await;
    let report = machine.examine(&ann).await;
    // No problem was seen, and that there is none cannot be said.
    assert_eq!(report.code, 2, "{report:#?}");
    report.finding("persistence", "cannot read its settings", "ACL SETUSER ann +config|get");
    report.finding("redis-version", "INFO is not allowed", "ACL SETUSER ann +info");
}

#[tokio::test]
async fn a_redis_that_lacks_a_command_cannot_run_the_scripts() {
    let adjust = |settings: &mut local_redis::Settings| {
        let extra = [("maxmemory", "100mb"), ("rename-command", "XCLAIM \"\"")];
        settings.extra.extend(extra.map(|(name, value)| (name.into(), value.into())));
    };
    let redis = Server::ephemeral_with(adjust).await.unwrap();
    let report = Machine::new().examine(&redis.url()).await;
    assert_eq!((report.code, report.amiss()), (1, vec![("scripts", "problem"), NOTHING_YET]));
    report.finding("scripts", "does not know XCLAIM", "rename-command");
}

#[tokio::test]
async fn a_replica_is_named_with_its_master() {
    let (machine, master, replica) = (Machine::new(), well_redis().await, well_redis().await);
    send::<()>(&replica.url(), &["REPLICAOF", "127.0.0.1", &master.port().to_string()]).await;
    let report = machine.examine(&replica.url()).await;
    assert!(report.amiss().contains(&("redis-role", "problem")), "{report:#?}");
    let finding = report.finding("redis-role", "a replica", "--redis-url");
    let named = finding["fix"].as_str().unwrap().split_whitespace().last().unwrap().to_owned();
    assert_eq!(named, master.url());
    assert_eq!(machine.examine(&named).await.amiss(), [NOTHING_YET]);
}

#[tokio::test]
async fn a_redis_that_is_far_away_is_slow() {
    let (machine, redis) = (Machine::new(), well_redis().await);
    let proxy = FaultProxy::start((Ipv4Addr::LOCALHOST, redis.port()).into()).await.unwrap();
    proxy.delay(Duration::from_millis(5));
    let report = machine.examine(&proxy.url()).await;
    assert_eq!((report.code, report.amiss()), (0, vec![NOTHING_YET]), "{report:#?}");
    let slow = report.finding("latency", "a round trip takes", "in the same zone");
    assert_eq!(slow["verdict"], "warning");
    report.assert_well("clock", "±");
}

/// Answers each who connects to a port as a program that is no part of the system, until the process ends.
fn stranger(port: u16) -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let accepting = listener.try_clone().unwrap();
    thread::spawn(move || {
        for mut client in accepting.incoming().flatten() {
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
        }
    });
    listener
}

#[tokio::test]
async fn a_stranger_on_a_port_is_named_with_the_flag_that_chooses_another() {
    let (machine, redis) = (Machine::new(), well_redis().await);
    let _strangers = [stranger(machine.port), stranger(machine.sandbox_port)];
    let report = machine.examine(&redis.url()).await;
    let amiss = [NOTHING_YET, ("gateway-port", "problem"), ("sandbox-port", "warning")];
    assert_eq!((report.code, report.amiss()), (1, amiss.to_vec()), "{report:#?}");
    report.finding("gateway-port", "a stranger listens", "orderly up --port");
    report.finding("sandbox-port", "a stranger listens", "PROVIDER_URL");
    let elsewhere = Machine::new();
    assert_eq!(elsewhere.examine(&redis.url()).await.amiss(), [NOTHING_YET], "another port was chosen");
}

#[tokio::test]
async fn where_there_is_no_redis_it_says_how_to_get_one_and_whether_this_machine_can_run_the_system() {
    let (machine, nobody) = (Machine::new(), ReservedPort::free().unwrap());
    let url = format!("redis://ann:secret@127.0.0.1:{}", nobody.number());
    let report = machine.examine(&url).await;
    assert_eq!(report.code, 1, "{report:#?}");
    let finding =
        report.finding("redis", &format!("cannot reach 127.0.0.1:{}", nobody.number()), "orderly up");
    assert!(!finding.to_string().contains("secret"), "{finding}");
    report.assert_well("data-folder", machine.data.to_str().unwrap());
    report.assert_well("gateway-port", "is free");
    assert_eq!(std::fs::read_dir(&machine.data).unwrap().count(), 0, "it left something behind");

    let file = machine.data.join("file");
    std::fs::write(&file, "").unwrap();
    let machine = Machine { data: file.join("data"), ..machine };
    let mut doctor = machine.doctor(&url);
    doctor.env("ORDERLY_REDIS_SERVER", "/nonexistent/redis-server");
    let report = Report::read(&ask(&mut doctor).await);
    report.finding("data-folder", "file/data", "--data-dir");
    report.finding("server-program", "/nonexistent/redis-server", "install redis-server");

    let said = ask(&mut machine.doctor("localhost")).await;
    said.assert_tells(2, &["redis://[user:password@]host:port", "\"verdict\":\"unknown\""]);
}

#[tokio::test]
async fn a_password_that_is_missing_or_wrong_is_told_from_a_redis_that_is_not_there() {
    let (machine, redis) = (Machine::new(), well_redis().await);
    send::<()>(&redis.url(), &["CONFIG", "SET", "requirepass", "secret"]).await;
    for url in [redis.url(), redis.url().replace("redis://", "redis://:wrong@")] {
        let report = machine.examine(&url).await;
        report.finding("redis", "cannot reach", "give the right user and password");
    }
    let right = redis.url().replace("redis://", "redis://:secret@");
    assert_eq!(machine.examine(&right).await.amiss(), [NOTHING_YET]);
}

#[tokio::test]
async fn each_node_of_a_cluster_is_looked_at() {
    let (machine, mut cluster) = (Machine::new(), Cluster::ephemeral(Durability::Always).await.unwrap());
    for url in cluster.urls() {
        send::<()>(&url, &["CONFIG", "SET", "maxmemory", "100mb"]).await;
    }
    let report = machine.examine(&cluster.url()).await;
    assert_eq!((report.code, report.amiss()), (0, vec![NOTHING_YET]), "{report:#?}");
    report.assert_well("redis", "a cluster with 3 masters");
    for check in ["redis-version", "cluster-state", "persistence", "scripts", "clock", "latency"] {
        for node in cluster.nodes() {
            report.assert_well(check, &format!("127.0.0.1:{}: ", node.port()));
        }
    }
    let weak = &cluster.nodes()[1];
    send::<()>(&weak.url(), &["CONFIG", "SET", "appendfsync", "no"]).await;
    let report = machine.examine(&cluster.urls()[0]).await;
    assert_eq!((report.code, report.amiss()), (1, vec![("persistence", "problem"), NOTHING_YET]));
    let seen = format!("127.0.0.1:{}: appendfsync no", weak.port());
    follow(report.finding("persistence", &seen, "CONFIG SET appendfsync always"), &weak.url()).await;
    assert_eq!(machine.examine(&cluster.url()).await.code, 0);

    let url = cluster.urls().swap_remove(0);
    let dead = &mut cluster.nodes_mut()[1];
    dead.kill().await.unwrap();
    let seen = format!("127.0.0.1:{}: does not answer", dead.port());
    machine.examine(&url).await.finding("redis", &seen, "start it again");
}

const OF_ORDERS: [&str; 6] = [
    "order-publisher",
    "payment-producer",
    "order-view",
    "order-archive",
    "order-boards",
    "notification-subscriber",
];
const ORDERS: &str = "orders-stream:{0}";
const PAYMENTS: &str = "payments-stream:{0}";

/// What an installation of one partition leaves behind that has been stopped.
async fn stopped_installation(url: &str) {
    send::<()>(url, &["SET", "partitions", "1"]).await;
    for group in OF_ORDERS {
        send::<()>(url, &["XGROUP", "CREATE", ORDERS, group, "0", "MKSTREAM"]).await;
    }
    send::<()>(url, &["XGROUP", "CREATE", PAYMENTS, "payment-workers", "0", "MKSTREAM"]).await;
}

#[tokio::test]
async fn what_is_left_undone_in_an_installation_is_named() {
    const STOPPED: (&str, &str) = ("groups-without-consumers", "warning");
    let (machine, redis) = (Machine::new(), well_redis().await);
    let url = redis.url();
    stopped_installation(&url).await;
    let report = machine.examine(&url).await;
    assert_eq!((report.code, report.amiss()), (0, vec![STOPPED]), "{report:#?}");
    report.finding("groups-without-consumers", "no service of this installation runs", "start the system");

    // It was given up.
    let letter = ["origin", "1-0", "reason", "no", "attempts", "1", "history", "[]"];
    let dead = format!("{PAYMENTS}:dead:payment-workers");
    send::<()>(&url, &[&["XADD", &dead, "*"], letter.as_slice()].concat()).await;
    send::<()>(&url, &["HSET", "payments-parked:{0}", "a", "{}", "b", "{}"]).await;
    let report = machine.examine(&url).await;
    let amiss = [STOPPED, ("dead-letters", "problem"), ("parked-payments", "warning")];
    assert_eq!((report.code, report.amiss()), (1, amiss.to_vec()), "{report:#?}");
    report.finding(
        "dead-letters",
        "payment-workers has given up 1",
        "orderly dlq list --group payment-workers",
    );
    report.finding("parked-payments", "2 payments", "orderly payments parked");
    send::<()>(&url, &["DEL", &dead, "payments-parked:{0}"]).await;

    // It waits for a group, and has waited for an hour.
    let (seconds, _): (u64, u64) = send(&url, &["TIME"]).await;
    let an_hour_ago = format!("{}000-0", seconds - 3600);
    send::<()>(&url, &["XADD", PAYMENTS, &an_hour_ago, "type", "payment.requested"]).await;
    let report = machine.examine(&url).await;
    let amiss = [("groups-without-consumers", "problem"), ("groups-late", "warning")];
    assert_eq!((report.code, report.amiss()), (1, amiss.to_vec()), "{report:#?}");
    report.finding("groups-without-consumers", "1 entry waits", "start the system");
    report.finding("groups-late", "payment-workers for 60 min", "payment-worker");
    // In somebody's hand it is as late.
    let read = ["XREADGROUP", "GROUP", "payment-workers", "somebody", "STREAMS", PAYMENTS, ">"];
    send::<redis::Value>(&url, &read).await;
    assert_eq!(machine.examine(&url).await.amiss(), amiss);
    send::<()>(&url, &["XACK", PAYMENTS, "payment-workers", &an_hour_ago]).await;
    assert_eq!(machine.examine(&url).await.amiss(), [STOPPED]);

    send::<()>(&url, &["XGROUP", "DESTROY", ORDERS, "order-view"]).await;
    let report = machine.examine(&url).await;
    assert_eq!(report.amiss(), [("groups-missing", "problem"), STOPPED], "{report:#?}");
    report.finding("groups-missing", "order-view", "start api-gateway");
}

#[tokio::test]
async fn entries_that_ought_to_be_gone_are_told_with_who_keeps_them() {
    let (machine, redis) = (Machine::new(), well_redis().await);
    let url = redis.url();
    stopped_installation(&url).await;
    let append = "for i = 1, 500 do redis.call('XADD', KEYS[1], i .. '-0', 'type', 'order.placed') end";
    send::<redis::Value>(&url, &["EVAL", append, "1", ORDERS]).await;
    for group in OF_ORDERS {
        send::<()>(&url, &["XGROUP", "SETID", ORDERS, group, "$"]).await;
    }
    let report = machine.examine(&url).await;
    assert_eq!(report.amiss(), [("groups-without-consumers", "warning"), ("retention", "warning")]);
    report.finding("retention", "500 entries", "start order-publisher");
    send::<()>(&url, &["XGROUP", "CREATE", ORDERS, "strangers", "0"]).await;
    let report = machine.examine(&url).await;
    let fix = "XGROUP DESTROY 'orders-stream:{0}' 'strangers'";
    report.finding("retention", "strangers needs them", fix);
    // As retention does once the stranger is gone.
    send::<()>(&url, &["XGROUP", "DESTROY", ORDERS, "strangers"]).await;
    send::<()>(&url, &["XTRIM", ORDERS, "MAXLEN", "100"]).await;
    assert_eq!(machine.examine(&url).await.amiss(), [("groups-without-consumers", "warning")]);
    let fewer = machine.examine_with(&url, &["--retention-entries", "1"]).await;
    assert_eq!(fewer.amiss(), [("groups-without-consumers", "warning")], "whole nodes go");
}

#[tokio::test]
async fn a_healthy_system_has_no_problem_and_what_becomes_wrong_is_named_until_it_is_mended() {
    let system = system().await;
    let (machine, url) = (Machine::of(&system), system.redis_url());
    let order = system.place_order().await;
    system.wait_for_status(&order, "paid", SOON).await;
    // A private Redis has no limit.
    let report = machine.until_amiss(url, &[("memory", "warning")]).await;
    assert_eq!(report.code, 0);
    follow(report.finding("memory", "no limit", "CONFIG SET maxmemory"), url).await;
    let report = machine.until_amiss(url, &[]).await;
    report.assert_well("gateway-port", "api-gateway of this system");
    report.assert_well("service-readiness", "6 instances");
    report.assert_well("groups", "7 groups");
    let said = orderly(&system, &["doctor", "--port", "0", "--sandbox-port", "0"]).await;
    said.assert_tells(0, &["OK\n  redis  ", "0 problems, 0 warnings, "]);

    let paused = orderly(&system, &["groups", "pause", "order-boards", "--why", "we look at it"]).await;
    paused.assert_tells(0, &["order-boards: paused"]);
    let report = machine.until_amiss(url, &[("groups-paused", "warning")]).await;
    report.finding("groups-paused", "paused by ann since", "orderly groups resume order-boards");
    report.finding("groups-paused", "we look at it", "");
    orderly(&system, &["groups", "resume", "order-boards"]).await.assert_tells(0, &["resumed"]);

    let broken = ["XADD", "payments-stream:{1}", "*", "type", "payment.unheard-of", "data", "{}"];
    send::<String>(url, &broken).await;
    let report = machine.until_amiss(url, &[("dead-letters", "problem")]).await;
    report.finding("dead-letters", "payment-workers has given up 1", "orderly dlq list");
    let drop = ["dlq", "drop", "--group", "payment-workers", "--why", "a test", "--yes"];
    orderly(&system, &drop).await.assert_tells(0, &["dropped 1"]);

    send::<()>(url, &["CONFIG", "SET", "appendfsync", "everysec"]).await;
    let amiss = [("persistence", "problem"), ("service-readiness", "problem")];
    let report = machine.until_amiss(url, &amiss).await;
    assert_eq!(report.code, 1);
    report.finding(
        "service-readiness",
        "api-gateway is not ready: durability: Redis may lose",
        "log of api-gateway",
    );
    follow(report.finding("persistence", "everysec", "CONFIG SET"), url).await;
    machine.until_amiss(url, &[]).await;

    // Who asks the wrong Redis is told of the one that runs here.
    let nobody = ReservedPort::free().unwrap();
    let report = machine.examine(&format!("redis://127.0.0.1:{}", nobody.number())).await;
    report.finding("redis", "cannot reach", &format!("orderly doctor --redis-url {url}"));
    report.assert_well("data-folder", "an `orderly up` runs in");
}

#[tokio::test]
async fn work_that_waits_for_a_service_which_does_not_run_is_a_problem_until_it_runs() {
    let others = "api-gateway,order-publisher,payment-producer,notification-subscriber,sandbox";
    let options = options();
    let mut system = System::start(&options.clone().args(["--only", others])).await;
    let (machine, url) = (Machine::of(&system), system.redis_url().to_owned());
    let url = url.as_str();
    send::<()>(url, &["CONFIG", "SET", "maxmemory", "1gb"]).await;
    let amiss = [("groups-missing", "problem"), ("groups-without-consumers", "warning")];
    let report = machine.until_amiss(url, &amiss).await;
    report.finding("groups-missing", "payment-workers", "start payment-worker");
    for partition in 0..4 {
        let stream = format!("payments-stream:{{{partition}}}");
        send::<()>(url, &["XGROUP", "CREATE", &stream, "payment-workers", "0", "MKSTREAM"]).await;
    }
    let order = system.place_order().await;
    let report = machine.until_amiss(url, &[("groups-without-consumers", "problem")]).await;
    assert_eq!(report.code, 1);
    let seen = "no payment-worker runs, whose groups are payment-workers, and 1 entry waits";
    report.finding("groups-without-consumers", seen, "orderly service payment-worker");
    system.stop(Signal::SIGTERM).await;

    let system = System::start(&options).await;
    system.wait_for_status(&order, "paid", SOON).await;
    Machine::of(&system).until_amiss(system.redis_url(), &[("memory", "warning")]).await;
}
