//! `orderly dlq`: what was given up is shown by its causes, and comes back or goes as somebody decides.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::{System, eventually};
use uuid::Uuid;

use crate::{
    asking::{Said, orderly},
    options, system,
};

/// For anything that a debug build on a busy machine does at once.
const SOON: Duration = Duration::from_secs(30);

const STREAM: &str = "payments-stream:{1}";
const DEAD: &str = "payments-stream:{1}:dead:payment-workers";

async fn run<T: redis::FromRedisValue>(system: &System, words: &[&str]) -> T {
    let (name, arguments) = words.split_first().unwrap();
    redis::cmd(name).arg(arguments).query_async(&mut system.redis().await.unwrap()).await.unwrap()
}

/// Appends what no payment-worker can read, each time for another reason of the same kind: its order is a number.
async fn append_broken(system: &System) -> String {
    let (id, number) = (Uuid::new_v4().to_string(), Uuid::new_v4().as_fields().0);
    let data = json!({"type": "payment.requested", "payment_id": id, "order_id": number}).to_string();
    let fields =
        ["type", "payment.requested", "id", &id, "occurred_at", "2026-01-31T12:00:00Z", "data", &data];
    run(system, &[&["XADD", STREAM, "*"], fields.as_slice()].concat()).await
}

/// Appends what only a newer payment-worker knows.
async fn append_unknown(system: &System) -> String {
    run(system, &["XADD", STREAM, "*", "type", "payment.\u{1b}[2Jrefunded", "data", "{}"]).await
}

/// Waits until the command lists so many letters, and returns what it lists.
async fn listed(system: &System, arguments: &[&str], count: usize) -> Vec<Value> {
    let words = [&["dlq", "list", "--letters", "--json"], arguments].concat();
    eventually("the letters", SOON, || async {
        let letters = orderly(system, &words).await.json();
        if letters.len() == count { Ok(letters) } else { Err(format!("there are {letters:#?}")) }
    })
    .await
}

async fn audit(system: &System) -> Vec<Value> {
    orderly(system, &["audit", "--json"]).await.json()
}

#[tokio::test]
async fn letters_are_listed_by_their_causes_and_each_is_shown_with_all_there_is() {
    let system = system().await;
    orderly(&system, &["dlq", "list"]).await.assert_tells(0, &["No dead letters."]);
    let broken = [append_broken(&system).await, append_broken(&system).await];
    append_unknown(&system).await;
    let letters = listed(&system, &[], 3).await;
    assert!(letters.iter().all(|letter| letter["group"] == "payment-workers"), "{letters:#?}");

    let causes = orderly(&system, &["dlq", "list", "--json"]).await.json();
    let counts: Vec<(&Value, &Value)> =
        causes.iter().map(|cause| (&cause["type"], &cause["count"])).collect();
    let unknown = json!("payment.\u{1b}[2Jrefunded");
    assert_eq!(counts, [(&json!("payment.requested"), &json!(2)), (&unknown, &json!(1))], "{causes:#?}");
    let reason = causes[0]["reason"].as_str().unwrap();
    assert!(reason.contains("invalid type: integer `…`"), "{reason}");
    let for_people = orderly(&system, &["dlq", "list"]).await;
    let example = causes[0]["example"].as_str().unwrap();
    for_people.assert_tells(0, &["2 × payment.requested, given up by payment-workers", example, "3 in all."]);
    assert!(!for_people.out.contains('\u{1b}'), "it writes on the terminal: {for_people:#?}");

    let only_unknown = listed(&system, &["--reason", "unknown to this version"], 1).await;
    assert_eq!(only_unknown[0]["type"], unknown);
    listed(&system, &["--group", "order-view"], 0).await;
    listed(&system, &["--since", "10m", "--type", "payment.requested"], 2).await;
    listed(&system, &["--since", "2999-01-01T00:00:00Z"], 0).await;

    let without_group = example.strip_prefix("payment-workers/").unwrap();
    let shown = orderly(&system, &["dlq", "show", without_group, "--json"]).await.json();
    // Two workers may have given them up in either order.
    let origin = shown[0]["origin"].as_str().unwrap().to_owned();
    assert!(broken.contains(&origin) && shown[0]["stream"] == STREAM, "{shown:#?}");
    let told = [example, &origin, "because   `data` does not fit", "\"type\": \"payment.requested\""];
    orderly(&system, &["dlq", "show", example]).await.assert_tells(0, &told);
    let fields = shown[0]["fields"].as_array().unwrap();
    assert_eq!(fields[0], json!({"name": "type", "value": "payment.requested"}));
    orderly(&system, &["dlq", "show", "1/5-0"]).await.assert_tells(1, &["there is no letter 1/5-0"]);
}

/// What every command would find changed.
async fn everything(system: &System) -> (u64, u64, u64) {
    let length = async |stream| run(system, &["XLEN", stream]).await;
    (length(STREAM).await, length(DEAD).await, length("control-stream:{control}").await)
}

async fn settle(system: &System, arguments: &[&str]) -> Said {
    orderly(system, &[&["dlq"], arguments, &["--why", "it was mended"]].concat()).await
}

#[tokio::test]
async fn what_is_replayed_comes_back_for_its_group_and_without_yes_nothing_happens() {
    let system = system().await;
    let origin = append_broken(&system).await;
    append_unknown(&system).await;
    listed(&system, &[], 2).await;
    let before = everything(&system).await;
    let dry = settle(&system, &["replay", "--type", "payment.requested"]).await;
    dry.assert_tells(0, &["1 × payment.requested", "1 would be replayed", "--yes"]);
    assert_eq!(everything(&system).await, before, "it was only to be shown");

    let done = settle(&system, &["replay", "--type", "payment.requested", "--yes"]).await;
    done.assert_tells(0, &["payment-workers: replayed 1"]);
    // It cannot be read now either.
    let again = listed(&system, &["--type", "payment.requested"], 1).await;
    let shown = orderly(&system, &["dlq", "show", again[0]["id"].as_str().unwrap(), "--json"]).await.json();
    assert_eq!(shown[0]["origin"], json!(origin), "it is the same one, and has been in its stream again");
    let replayed: Vec<(String, Vec<String>)> =
        run(&system, &["XREVRANGE", STREAM, "+", "-", "COUNT", "1"]).await;
    let fields = &replayed[0].1;
    assert_eq!(fields[fields.len() - 4..], ["replay_for", "payment-workers", "origin", &origin]);

    let told = audit(&system).await;
    assert_eq!((&told[0]["by"], &told[0]["why"]), (&json!("ann"), &json!("it was mended")), "{told:#?}");
    assert_eq!(
        (&told[0]["action"], &told[0]["group"]),
        (&json!("replay_dead_letters"), &json!("payment-workers"))
    );
    let carried_out = &told[0]["carried_out"];
    assert_eq!((&carried_out["outcome"], &carried_out["succeeded"]), (&json!("replayed 1"), &json!(true)));
    assert_eq!(told.len(), 1, "a look is nothing to tell of: {told:#?}");
    orderly(&system, &["audit"])
        .await
        .assert_tells(0, &["ann: replay dead letters of payment-workers", "it was mended"]);
}

#[tokio::test]
async fn what_is_dropped_is_gone_and_what_came_after_the_look_stays() {
    let system = system().await;
    append_broken(&system).await;
    listed(&system, &[], 1).await;
    settle(&system, &["drop", "--yes"]).await.assert_tells(0, &["payment-workers: dropped 1"]);
    listed(&system, &[], 0).await;

    // The same request, carried out when another letter has come.
    append_broken(&system).await;
    listed(&system, &[], 1).await;
    let carried_out =
        |told: &[Value]| told.iter().filter(|request| !request["carried_out"].is_null()).count();
    let requests: Vec<(String, Vec<String>)> =
        run(&system, &["XRANGE", "control-stream:{control}", "-", "+"]).await;
    let mut request = requests[0].1.clone();
    let id = request.iter().position(|field| field == "id").unwrap() + 1;
    request[id] = Uuid::new_v4().to_string();
    let words: Vec<&str> = ["XADD", "control-stream:{control}", "*"]
        .into_iter()
        .chain(request.iter().map(String::as_str))
        .collect();
    run::<String>(&system, &words).await;
    let told = eventually("both to be carried out", SOON, || async {
        let told = audit(&system).await;
        if carried_out(&told) == 2 { Ok(told) } else { Err(format!("{told:#?}")) }
    })
    .await;
    assert_eq!(told[0]["carried_out"]["outcome"], json!("dropped 0"));
    listed(&system, &[], 1).await;
}

#[tokio::test]
async fn where_no_service_carries_it_out_it_says_which_one_would_and_how_it_will_be_done() {
    let system = System::start(&options().args(["--only", "api-gateway,payment-producer,sandbox"])).await;
    let head =
        ["origin", "1-0", "reason", "no", "attempts", "1", "history", "[]", "type", "payment.requested"];
    run::<String>(&system, &[&["XADD", DEAD, "*"], head.as_slice()].concat()).await;
    listed(&system, &[], 1).await;
    let late = settle(&system, &["replay", "--yes", "--wait", "0"]).await;
    late.assert_tells(1, &["no payment-worker has carried it out", "start payment-worker", "orderly audit"]);
    orderly(&system, &["audit"]).await.assert_tells(0, &["not carried out yet"]);
}
