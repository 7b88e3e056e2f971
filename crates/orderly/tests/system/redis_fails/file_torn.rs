//! The append-only file is damaged at its end while the services live on.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;
use test_support::{System, eventually, send};

use super::{SOON, all_were_told_to_try_later, redis_said, report, troubled, until_promised};
use crate::{
    books::reckon,
    clients::{Clients, ask},
    options,
    wrapper::Wrapper,
};

/// As commands and transactions begin and end in the file.
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// A server that waits to be started for as long as there is a file `hold`, and says so by a file `held`.
const HELD: &str = "while [ -e \"$folder/hold\" ]; do : >\"$folder/held\"; sleep 0.05; done";

/// As a crash leaves it: the last write had begun, and nobody had an answer to it. Redis drops what is not
/// complete (`aof-load-truncated yes`), and nothing is lost.
#[tokio::test]
async fn a_write_that_a_crash_cut_short_costs_nothing() {
    let server = Wrapper::new(HELD).await;
    let system = start_on(&server).await;
    let clients = Clients::new("torn");
    clients
        .order_during(&system, async {
            until_promised(&clients, 60).await;
            restart_redis_after(&server, &system, |file| {
                let written = fs::read(file).unwrap();
                let begin = last(&written, MULTI).unwrap();
                let whole = &written[begin..];
                let end = begin + first(whole, EXEC).unwrap();
                let torn = &written[begin..begin.midpoint(end)];
                OpenOptions::new().append(true).open(file).unwrap().write_all(torn).unwrap();
            })
            .await;
            until_promised(&clients, clients.promises().len() + 40).await;
        })
        .await;
    assert!(redis_said(&system).contains("aof-load-truncated"), "{}", redis_said(&system));
    let tally = reckon(&system, &clients.promises()).await;
    report("the last write cut short", &clients, &tally);
    assert!(tally.is_whole() && tally.dead == 0, "{tally}");
    all_were_told_to_try_later(&clients);
}

/// No crash does this to a Redis that syncs before it answers: a disk that lied about syncing does, or a
/// person. What then holds:
///
/// - Redis starts with what is left, and so does everything else by itself. Nothing has to be repaired.
/// - Exactly those orders are lost whose acceptance stood in what was cut off. Nobody in the system works on
///   them any more; the witnesses are the clients, where they were charged already the provider, and the
///   archive as far as it had read. `orderly verify` compares with the first two.
/// - Every order that is left is finished. What had become of it may have been cut off too; then it is done
///   once more, and the provider, asked with the same key, does not charge it a second time.
/// - With an order its idempotency record is lost. Whoever repeats the request makes a new order, and pays
///   for that one too: the first charge is then one without an order, and a person has to refund it.
#[tokio::test]
async fn a_file_that_lost_its_end_costs_exactly_what_stood_there() {
    let server = Wrapper::new(HELD).await;
    let system = start_on(&server).await;
    let clients = Clients::new("cut");
    let (mut left, mut cut_off) = (Vec::new(), 0);
    let known_before = clients
        .order_during(&system, async {
            until_promised(&clients, 100).await;
            restart_redis_after(&server, &system, |file| {
                left = fs::read(file).unwrap();
                let length = left.len();
                // Within the acceptance of an order, with others behind it.
                let order = &clients.promises()[90].order_id;
                left.truncate(first(&left, order.as_bytes()).unwrap());
                cut_off = length - left.len();
                File::options().write(true).open(file).unwrap().set_len(left.len() as u64).unwrap();
            })
            .await;
            let known_before = clients.promises().len();
            until_promised(&clients, known_before + 40).await;
            known_before
        })
        .await;
    let promises = clients.promises();
    let tally = reckon(&system, &promises).await;
    report(&format!("the append-only file without its last {} KB", cut_off / 1024), &clients, &tally);
    let begun = last(&left, MULTI).filter(|begin| first(&left[*begin..], EXEC).is_none());
    left.truncate(begun.unwrap_or(left.len()));
    let gone = |id: &str| first(&left, id.as_bytes()).is_none();
    let lost: Vec<_> = promises[..known_before].iter().filter(|promise| gone(&promise.order_id)).collect();
    assert!(lost.iter().any(|promise| promise.order_id == promises[90].order_id), "{lost:?}");
    for promise in &lost {
        // The archive may have read of it before, and of what became of it.
        if let Err(error) = system.order(&promise.order_id).await {
            assert!(error.to_string().contains("404"), "{error}");
        }
    }
    assert_eq!(tally.lost, lost.len(), "{tally}");
    assert_eq!(tally.promised, tally.paid + tally.declined + tally.parked + tally.lost, "{tally}");
    assert!(tally.orphaned_charges <= tally.lost && tally.dead == 0, "{tally}");
    let again = ask(&system, &lost[0].key).await.unwrap();
    assert_ne!(again.order_id, lost[0].order_id);
    all_were_told_to_try_later(&clients);
}

async fn start_on(server: &Wrapper) -> System {
    let options = options().args(["--redis-server", server.program()]);
    System::start(&troubled(options)).await
}

/// Kills Redis, and lets it be started again once `damage` is done to its file.
async fn restart_redis_after(server: &Wrapper, system: &System, damage: impl FnOnce(&Path)) {
    let hold = server.folder().join("hold");
    let about_to_start = server.folder().join("held");
    fs::write(&hold, "").unwrap();
    let pid = system.redis_pid().await.unwrap();
    send(pid, Signal::SIGKILL);
    eventually("Redis to be about to start again", SOON, || async {
        if about_to_start.exists() { Ok(()) } else { Err("it is not") }
    })
    .await;
    damage(&append_only_file(system));
    fs::remove_file(hold).unwrap();
    eventually("Redis to be back", SOON, || system.redis_pid()).await;
}

/// The file that is written to.
fn append_only_file(system: &System) -> PathBuf {
    let folder = fs::read_dir(system.data().join("redis/appendonlydir")).unwrap();
    let mut files = folder.map(|file| file.unwrap().path());
    files.find(|file| file.to_string_lossy().ends_with(".incr.aof")).unwrap()
}

fn first(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn last(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).rposition(|window| window == needle)
}
