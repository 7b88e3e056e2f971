//! Starting, stopping, and being stopped.

use std::{process::Stdio, time::Duration};

use local_redis::ReservedPort;
use nix::sys::signal::Signal;
use test_support::{Options, System, eventually, is_running, send};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::{ORDERLY, options, system};

const SETTLED: Duration = Duration::from_secs(20);

/// Every process of a system besides `up` itself and the sandbox.
async fn processes(system: &System) -> Vec<u32> {
    let mut pids: Vec<u32> = system.services().await.unwrap().into_values().collect();
    pids.push(system.redis_pid().await.unwrap());
    pids
}

async fn all_gone(pids: &[u32]) {
    eventually("every process to be gone", SETTLED, || async {
        match pids.iter().find(|pid| is_running(**pid)) {
            None => Ok(()),
            Some(pid) => Err(format!("{pid} still runs")),
        }
    })
    .await;
}

async fn stops_everything_on(signal: Signal) {
    let mut system = system().await;
    let id = system.place_order().await;
    system.wait_for_status(&id, "paid", SETTLED).await;
    let pids = processes(&system).await;
    let sandbox = system.sandbox().to_owned();
    let status = system.stop(signal).await;
    assert!(status.success(), "{status}; the log:\n{}", system.log().join("\n"));
    // `up` has waited for all of them, so they are gone by now.
    assert!(pids.iter().all(|pid| !is_running(*pid)), "{pids:?}");
    assert!(reqwest::get(format!("{sandbox}/livez")).await.is_err());
    let log = system.log().join("\n");
    assert!(!log.contains("did not stop in time") && !log.contains("warning:"), "{log}");
}

#[tokio::test]
async fn ctrl_c_drains_and_stops_everything() {
    stops_everything_on(Signal::SIGINT).await;
}

#[tokio::test]
async fn sigterm_drains_and_stops_everything() {
    stops_everything_on(Signal::SIGTERM).await;
}

#[tokio::test]
async fn stopping_works_while_a_service_is_dead() {
    let mut system = system().await;
    let pids = processes(&system).await;
    send(system.service("order-publisher").await.unwrap(), Signal::SIGKILL);
    let status = system.stop(Signal::SIGTERM).await;
    assert!(status.success(), "{status}");
    assert!(pids.iter().all(|pid| !is_running(*pid)), "{pids:?}");
}

#[tokio::test]
async fn nothing_survives_when_up_itself_is_killed() {
    let mut system = system().await;
    let pids = processes(&system).await;
    let sandbox = system.sandbox().to_owned();
    system.stop(Signal::SIGKILL).await;
    all_gone(&pids).await;
    eventually("the sandbox to be gone", SETTLED, || async {
        match reqwest::get(format!("{sandbox}/livez")).await {
            Err(_) => Ok(()),
            Ok(answer) => Err(format!("it answers {}", answer.status())),
        }
    })
    .await;
}

#[tokio::test]
async fn a_service_that_dies_is_started_again_with_a_warning() {
    let system = system().await;
    let pid = system.service("payment-producer").await.unwrap();
    send(pid, Signal::SIGKILL);
    system.wait_for_log("a warning", SETTLED, "warning: payment-producer ended").await;
    let id = system.place_order().await;
    system.wait_for_status(&id, "paid", SETTLED).await;
    assert_ne!(system.service("payment-producer").await.unwrap(), pid);
}

#[tokio::test]
async fn a_service_is_started_again_after_the_program_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let orderly = folder.path().join("orderly");
    // By another process: what this one has open for writing as another test starts a child could not be run.
    let copied = tokio::process::Command::new("cp").arg(ORDERLY).arg(&orderly).status().await.unwrap();
    assert!(copied.success());
    let system = System::start(&Options::new(&orderly)).await;
    std::fs::remove_file(&orderly).unwrap();
    let pid = system.service("payment-producer").await.unwrap();
    send(pid, Signal::SIGKILL);
    let id = system.place_order().await;
    system.wait_for_status(&id, "paid", SETTLED).await;
    assert_ne!(system.service("payment-producer").await.unwrap(), pid);
}

#[tokio::test]
async fn a_second_signal_kills_what_has_not_stopped() {
    let mut system = system().await;
    let pids = processes(&system).await;
    // It cannot drain.
    send(system.service("payment-worker-1").await.unwrap(), Signal::SIGSTOP);
    send(system.pid(), Signal::SIGINT);
    system.wait_for_log("up to be stopping", SETTLED, "| stopping").await;
    let status = system.stop(Signal::SIGINT).await;
    assert_eq!(status.code(), Some(1), "{status}");
    all_gone(&pids).await;
    system.wait_for_log("up to say so", SETTLED, "a second time").await;
    let log = system.log().join("\n");
    assert!(!log.contains("did not stop in time"), "{log}");
}

#[tokio::test]
async fn a_reader_that_stalls_stops_nobody() {
    let reserved = ReservedPort::free().unwrap();
    let port = reserved.number();
    let mut up = options().args(["--port", &port.to_string()]).command().spawn().unwrap();
    let client = reqwest::Client::new();
    let order = serde_json::json!({"customer_id": "42", "items": [{"sku": "BOOK-1", "quantity": 2}]});
    let place = || async {
        let request = client.post(format!("http://127.0.0.1:{port}/orders")).json(&order);
        request.timeout(SETTLED).send().await?.error_for_status()
    };
    eventually("the gateway to take orders", SETTLED, place).await;
    // Their log lines are several times what a pipe holds.
    for _ in 0..600 {
        place().await.unwrap();
    }
    send(up.id().unwrap(), Signal::SIGTERM);
    let ended = tokio::time::timeout(SETTLED, up.wait()).await;
    assert!(ended.expect("up ends though nobody reads").unwrap().success());
    assert!(place().await.is_err());
    let mut shown = Vec::new();
    up.stdout.take().unwrap().read_to_end(&mut shown).await.unwrap();
    let shown = String::from_utf8_lossy(&shown);
    assert!(!shown.contains("| stopped"), "the pipe held everything, so this tests nothing");
}

#[tokio::test]
async fn a_second_up_finds_the_data_of_the_first() {
    let options = options();
    let mut first = System::start(&options).await;
    let id = first.place_order().await;
    first.wait_for_status(&id, "paid", SETTLED).await;
    first.stop(Signal::SIGINT).await;
    let second = System::start(&options).await;
    assert_eq!(second.order(&id).await.unwrap()["status"], "paid");
    assert_eq!(second.charges().await.len(), 1);
    let id = second.place_order().await;
    second.wait_for_status(&id, "paid", SETTLED).await;
}

#[tokio::test]
async fn an_order_that_was_under_way_is_finished_by_the_next_up() {
    let options = options();
    // Nobody charges, so the order stays accepted.
    let mut first = System::start(&options.clone().args(["--only", "api-gateway,payment-producer"])).await;
    let id = first.place_order().await;
    first.stop(Signal::SIGKILL).await;
    let second = System::start(&options).await;
    second.wait_for_status(&id, "paid", SETTLED).await;
    assert_eq!(second.charges().await.len(), 1);
}

#[tokio::test]
async fn two_ups_cannot_share_a_data_folder() {
    let options = options();
    let _first = System::start(&options).await;
    let second = options.command().stdout(Stdio::piped()).output().await.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(error.contains("in use") && error.contains("--data-dir"), "{error}");
    assert!(!error.contains("port"), "{error}");
}

#[tokio::test]
async fn only_a_part_can_be_started() {
    let system = System::start(&options().args(["--only", "api-gateway"])).await;
    let services: Vec<String> = system.services().await.unwrap().into_keys().collect();
    assert_eq!(services, ["api-gateway"]);
    assert_eq!(system.sandbox(), "");
    system.place_order().await;
}

#[tokio::test]
async fn lines_carry_their_service_and_no_colour_when_nobody_watches() {
    let mut system = system().await;
    let id = system.place_order().await;
    system.wait_for_status(&id, "paid", SETTLED).await;
    system.stop(Signal::SIGTERM).await;
    let log = system.log();
    assert!(log.iter().any(|line| line.starts_with("payment-worker-2        | ")), "{}", log.join("\n"));
    assert!(!log.iter().any(|line| line.contains('\u{1b}')), "{}", log.join("\n"));
}

#[tokio::test]
async fn colour_can_be_insisted_on() {
    let mut options = options().env("CLICOLOR_FORCE", "1");
    options = options.unset("NO_COLOR");
    let system = System::start(&options).await;
    let log = system.log().join("\n");
    assert!(log.contains("\u{1b}["), "{log}");
}

#[tokio::test]
async fn a_given_redis_that_may_lose_orders_is_named_as_what_up_waits_for() {
    let weak = local_redis::Server::ephemeral(local_redis::Durability::Volatile).await.unwrap();
    assert_waits_for_durability(&options().args(["--redis-url", &weak.url()]), "appendonly").await;
}

/// Starts `up`, which does not become ready but says that it waits for the gateway, because of Redis's `setting`.
pub(super) async fn assert_waits_for_durability(options: &Options, setting: &str) {
    let mut up = options.command().spawn().unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    let told = tokio::time::timeout(SETTLED, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            assert!(!line.contains("Orderly is ready"), "{line}");
            if line.contains("waiting: api-gateway") && line.contains(setting) {
                return line;
            }
        }
        panic!("up ended");
    });
    let line = told.await.unwrap();
    assert!(line.contains("--durability"), "{line}");
    send(up.id().unwrap(), Signal::SIGTERM);
    assert!(up.wait().await.unwrap().success());
}
