use std::{fs, io::Write};

use reqwest::StatusCode;
use tempfile::TempDir;

use crate::harness::{Process, Sandbox, until};

#[tokio::test]
async fn the_books_survive_a_restart() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("books.jsonl");
    let sandbox = Sandbox::start_on(&file).await;
    let paid = sandbox.caller.charge("key-1", "99.00").await;
    let declined = sandbox.caller.charge("key-2", "1000000.00").await;
    sandbox.stop().await;

    let sandbox = Sandbox::start_on(&file).await;
    for (key, amount, before) in [("key-1", "99.00", paid), ("key-2", "1000000.00", declined)] {
        let after = sandbox.caller.charge(key, amount).await;
        assert!(after.replayed);
        assert_eq!((after.status, after.body), (before.status, before.body));
    }
    assert_eq!(sandbox.caller.charge("key-3", "5.00").await.json()["id"], "ch_000000000003");
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_the_books_go_on_from_there() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("books.jsonl");
    let sandbox = Sandbox::start_on(&file).await;
    sandbox.caller.charge("key-1", "99.00").await;
    sandbox.stop().await;
    let whole = fs::read(&file).unwrap();
    fs::File::options().append(true).open(&file).unwrap().write_all(&whole[..whole.len() / 2]).unwrap();

    let sandbox = Sandbox::start_on(&file).await;
    assert_eq!(fs::read(&file).unwrap(), whole);
    assert_eq!(sandbox.caller.charge("key-2", "5.00").await.status, StatusCode::CREATED);
    sandbox.stop().await;
    let sandbox = Sandbox::start_on(&file).await;
    assert_eq!(sandbox.caller.get("/charges").await.json()["count"], 2);
}

#[tokio::test]
async fn any_other_broken_line_stops_the_start_and_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("books.jsonl");
    let sandbox = Sandbox::start_on(&file).await;
    sandbox.caller.charge("key-1", "99.00").await;
    sandbox.stop().await;
    let good = fs::read_to_string(&file).unwrap();

    let out_of_turn = good.replace("key-1", "key-2").replace("ch_000000000001", "ch_000000000003");
    for (second_line, reason) in [
        ("garbage\n", "line 2 is no charge"),
        (&good, "out of turn"),
        (&out_of_turn, "line 2 does not follow"),
    ] {
        let books = format!("{good}{second_line}");
        fs::write(&file, &books).unwrap();
        let error = Sandbox::fail_on(&file).await;
        assert!(error.contains(reason) && error.contains("books.jsonl"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), books, "what cannot be read must not be touched");
    }
}

#[tokio::test]
async fn two_sandboxes_never_write_the_same_books() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("books.jsonl");
    let sandbox = Sandbox::start_on(&file).await;
    let error = Sandbox::fail_on(&file).await;
    assert!(error.contains("another process"), "{error}");
    sandbox.stop().await;
    Sandbox::start_on(&file).await;
}

#[tokio::test]
async fn no_answered_charge_is_lost_when_the_process_is_killed_at_work() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("books.jsonl");
    let process = Process::start(&file);
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let client = process.caller.clone();
            tokio::spawn(async move {
                let mut answered = Vec::new();
                loop {
                    let key = format!("key-{caller}-{}", answered.len());
                    let Ok(answer) = client.try_charge(&key, "5.00").await else { return answered };
                    answered.push((key, answer));
                }
            })
        })
        .collect();
    until("it is in the midst of its work", async || {
        process.caller.get("/charges?limit=1").await.json()["count"].as_u64().unwrap() >= 200
    })
    .await;
    process.kill();

    let process = Process::start(&file);
    for caller in callers {
        for (key, answer) in caller.await.unwrap() {
            let again = process.caller.charge(&key, "5.00").await;
            assert!(again.replayed, "{key} was charged again");
            assert_eq!(again.body, answer.body);
        }
    }
}
