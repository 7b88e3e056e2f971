use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Caller, Sandbox, until};

/// What one call with this key comes to.
async fn outcome(caller: &Caller, key: &str) -> String {
    match caller.try_charge(key, "5.00").await {
        Ok(answer) => format!("{} {}", answer.status, answer.replayed),
        Err(error) if error.is_timeout() => "timeout".to_owned(),
        Err(_) => "connection lost".to_owned(),
    }
}

#[tokio::test]
async fn a_world_is_perfect_unless_told_otherwise() {
    let sandbox = Sandbox::start().await;
    let nothing = json!({
        "seed": 0, "latency": {"kind": "none"}, "decline_rate": 0.0, "error_rate": 0.0,
        "error_after_charge_rate": 0.0, "timeout_rate": 0.0, "reset_rate": 0.0, "reset_after_charge_rate": 0.0, "twice_rate": 0.0,
    });
    assert_eq!(sandbox.caller.get("/faults").await.json(), nothing);
}

#[tokio::test]
async fn latency_is_felt_by_charges_and_lookups() {
    for latency in [
        json!({"kind": "fixed", "ms": 100}),
        json!({"kind": "uniform", "min_ms": 100, "max_ms": 110}),
        json!({"kind": "log_normal", "median_ms": 100, "p99_ms": 100}),
    ] {
        let sandbox = Sandbox::start_with(json!({"latency": latency})).await;
        let start = Instant::now();
        assert_eq!(sandbox.caller.charge("key-1", "5.00").await.status, StatusCode::CREATED);
        assert_eq!(sandbox.caller.get("/charges/key-1").await.status, StatusCode::OK);
        assert_eq!(sandbox.caller.get("/users/1").await.status, StatusCode::OK);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(300), "{latency}: {took:?}");
    }
}

#[tokio::test]
async fn a_drawn_decline_sticks_to_its_key_even_when_the_faults_are_gone() {
    let sandbox = Sandbox::start_with(json!({"decline_rate": 1})).await;
    let declined = sandbox.caller.charge("key-1", "5.00").await;
    assert_eq!(declined.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(declined.json()["decline_code"], "card_declined");
    sandbox.caller.set_faults(&json!({})).await;
    assert_eq!(sandbox.caller.charge("key-1", "5.00").await.body, declined.body);
    assert_eq!(sandbox.caller.charge("key-2", "5.00").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_error_comes_before_the_charge_or_after_it() {
    for (faults, charged) in
        [(json!({"error_rate": 1}), false), (json!({"error_after_charge_rate": 1}), true)]
    {
        let sandbox = Sandbox::start_with(faults).await;
        let answer = sandbox.caller.charge("key-1", "5.00").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.content_type, "application/problem+json");
        assert_eq!(sandbox.caller.has_charged("key-1").await, charged);
        sandbox.caller.set_faults(&json!({})).await;
        assert_eq!(sandbox.caller.charge("key-1", "5.00").await.replayed, charged);
    }
}

#[tokio::test]
async fn a_timed_out_call_has_charged() {
    let sandbox = Sandbox::start_with(json!({"timeout_rate": 1})).await;
    assert_eq!(outcome(&sandbox.caller.impatient(), "key-1").await, "timeout");
    assert_eq!(sandbox.caller.get("/charges/key-1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_withheld_answer_does_not_hold_up_the_stop() {
    let sandbox = Sandbox::start_with(json!({"timeout_rate": 1})).await;
    let caller = sandbox.caller.clone();
    let waiting = tokio::spawn(async move { outcome(&caller, "key-1").await });
    until("the charge is in the books", async || sandbox.caller.has_charged("key-1").await).await;
    sandbox.stop().await;
    assert_eq!(waiting.await.unwrap(), "connection lost");
}

#[tokio::test]
async fn a_reset_comes_before_the_charge_or_after_it() {
    for (faults, charged) in
        [(json!({"reset_rate": 1}), false), (json!({"reset_after_charge_rate": 1}), true)]
    {
        let sandbox = Sandbox::start_with(faults).await;
        assert_eq!(outcome(&sandbox.caller, "key-1").await, "connection lost");
        assert_eq!(sandbox.caller.has_charged("key-1").await, charged);
    }
}

#[tokio::test]
async fn a_reset_is_one_on_the_wire_without_a_byte_of_an_answer() {
    let sandbox = Sandbox::start_with(json!({"reset_rate": 1})).await;
    let error = exchange(&sandbox, &raw_charge("key-1", "")).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

fn raw_charge(key: &str, header: &str) -> String {
    let body = r#"{"amount":"5.00","currency":"EUR","reference":"order-1"}"#;
    let head = format!("POST /charges HTTP/1.1\r\nhost: sandbox\r\nidempotency-key: {key}\r\n");
    let headers = format!("content-type: application/json\r\ncontent-length: {}\r\n{header}", body.len());
    format!("{head}{headers}\r\n{body}")
}

/// Sends calls over a connection of its own, and returns all that came.
async fn exchange(sandbox: &Sandbox, calls: &str) -> std::io::Result<Vec<u8>> {
    let address = sandbox.caller.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(calls.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let result = stream.read_to_end(&mut answer).await;
    assert!(result.is_ok() || answer.is_empty(), "not a byte of an answer comes before a reset");
    result.map(|_| answer)
}

#[tokio::test]
async fn an_answer_that_is_sent_twice_comes_again_before_the_next_one() {
    let sandbox = Sandbox::start_with(json!({"twice_rate": 1})).await;
    let mut calls = raw_charge("key-1", "");
    calls.push_str(&raw_charge("key-2", "connection: close\r\n"));
    let answers = String::from_utf8(exchange(&sandbox, &calls).await.unwrap()).unwrap();
    let keys: Vec<&str> =
        answers.match_indices(r#""key":""#).map(|(at, _)| &answers[at + 7..at + 12]).collect();
    assert_eq!(keys, ["key-1", "key-1", "key-2"], "{answers}");
    assert_eq!(sandbox.caller.get("/charges").await.json()["count"], 2);
}

#[tokio::test]
async fn lookups_fail_as_well_but_the_books_the_faults_and_the_probes_never() {
    let latency = json!({"kind": "fixed", "ms": 50_000});
    let sandbox = Sandbox::start_with(json!({"error_rate": 1})).await;
    for path in ["/charges/key-1", "/users/1"] {
        assert_eq!(sandbox.caller.get(path).await.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    sandbox.caller.set_faults(&json!({"error_rate": 1, "latency": latency})).await;
    for path in ["/charges", "/faults", "/livez", "/readyz", "/metrics"] {
        assert_eq!(sandbox.caller.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(sandbox.caller.set_faults(&json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_seed_repeats_a_run_whatever_the_order_of_its_calls() {
    let faults = json!({
        "seed": 7, "decline_rate": 0.2, "error_rate": 0.2, "error_after_charge_rate": 0.2, "reset_rate": 0.2,
        "reset_after_charge_rate": 0.2,
    });
    let keys: Vec<String> = (0..60).map(|number| format!("key-{number}")).collect();
    let calls = |caller: Caller, key: String| async move {
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            outcomes.push(outcome(&caller, &key).await);
        }
        outcomes
    };
    let one = Sandbox::start_with(faults.clone()).await;
    let mut in_turn = Vec::new();
    for key in &keys {
        in_turn.push(calls(one.caller.clone(), key.clone()).await);
    }
    let other = Sandbox::start_with(faults.clone()).await;
    let backwards = keys.iter().rev().map(|key| calls(other.caller.clone(), key.clone()));
    let mut at_once = join_all(backwards).await;
    at_once.reverse();
    assert_eq!(in_turn, at_once);

    let mut reseeded = faults;
    reseeded["seed"] = Value::from(8);
    let third = Sandbox::start_with(reseeded).await;
    let different = join_all(keys.iter().map(|key| calls(third.caller.clone(), key.clone()))).await;
    assert_ne!(in_turn, different);
}

#[tokio::test]
async fn setting_the_same_faults_again_repeats_the_run() {
    let faults = json!({"seed": 3, "error_rate": 0.5});
    let sandbox = Sandbox::start_with(faults.clone()).await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        sandbox.caller.set_faults(&faults).await;
        let mut struck = Vec::new();
        for _ in 0..20 {
            struck.push(sandbox.caller.charge("key-1", "5.00").await.status.is_server_error());
        }
        runs.push(struck);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&true) && runs[0].contains(&false));
}

#[tokio::test]
async fn a_spell_ends_by_itself_and_leaves_what_was_on() {
    let sandbox = Sandbox::start_with(json!({"latency": {"kind": "fixed", "ms": 1}})).await;
    let caller = &sandbox.caller;
    let before = caller.get("/faults").await.json();
    for spell in [
        json!({"seconds": 1, "share": 1.0, "faults": {"error_rate": 1}}),
        json!({"seconds": 2, "share": 1.0, "faults": {"error_rate": 1}}),
    ] {
        let begun = caller.send("POST", "/faults/spells", &[], &spell.to_string()).await.unwrap();
        assert_eq!(begun.status, StatusCode::CREATED);
    }
    assert_eq!(caller.charge("key-1", "5.00").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(caller.get("/charges/key-1").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(caller.get("/users/1").await.status, StatusCode::OK, "the directory is somebody else's");
    assert_eq!(caller.get("/faults").await.json(), before);
    assert_eq!(caller.get("/faults/spells").await.json().as_array().unwrap().len(), 2);
    until("both are over", async || caller.get("/faults/spells").await.json() == json!([])).await;
    assert_eq!(caller.charge("key-1", "5.00").await.status, StatusCode::CREATED);
    assert_eq!(caller.get("/faults").await.json(), before);
}

#[tokio::test]
async fn whoever_sets_the_faults_ends_the_spells() {
    let sandbox = Sandbox::start().await;
    let spell = json!({"seconds": 3600, "share": 1.0, "faults": {"error_rate": 1}});
    sandbox.caller.send("POST", "/faults/spells", &[], &spell.to_string()).await.unwrap();
    sandbox.caller.set_faults(&json!({})).await;
    assert_eq!(sandbox.caller.get("/faults/spells").await.json(), json!([]));
    assert_eq!(sandbox.caller.charge("key-1", "5.00").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_spell_without_meaning_is_refused() {
    let sandbox = Sandbox::start().await;
    let endless = json!({"seconds": 3601, "share": 0.2, "faults": {}}).to_string();
    let refused = sandbox.caller.send("POST", "/faults/spells", &[], &endless).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/seconds");
}
