//! `orderly verify`: it agrees with a system that is right, quiet or busy, and finds each thing that was tampered with.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use common::partition::Partitions;
use redis::{aio::MultiplexedConnection, streams::StreamRangeReply};
use redis_kit::{
    Redis,
    stream::{StreamId, dead_letters::DeadLetters},
};
use serde_json::{Value, json};
use test_support::{System, eventually};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::Command,
};
use uuid::Uuid;

use crate::{ORDERLY, options, system};

const SETTLED: Duration = Duration::from_mins(1);

/// How long one look may take.
const VERIFIED: Duration = Duration::from_secs(30);

const PARTITIONS: u16 = 4;

/// What `verify --json` said, and its exit code.
#[derive(Debug)]
struct Verdict {
    code: i32,
    json: Value,
    errors: String,
}

impl Verdict {
    /// Whether everything agrees.
    fn assert_ok(&self) -> &Self {
        assert_eq!((self.code, &self.json["verdict"]), (0, &json!("ok")), "{self:#?}");
        self
    }

    fn assert_counts(&self, counts: &[(&str, u64)]) -> &Self {
        for (name, count) in counts {
            assert_eq!(self.json[name], *count, "{name} in {self:#?}");
        }
        self
    }

    /// That exactly these kinds of things are wrong, and with which order.
    fn assert_wrong(&self, expected: &[(&str, Option<&str>)]) {
        assert_eq!((self.code, &self.json["verdict"]), (1, &json!("disagreement")), "{self:#?}");
        let found = self.json["disagreements"].as_array().unwrap();
        let mut found: Vec<(&str, Option<&str>)> =
            found.iter().map(|wrong| (wrong["kind"].as_str().unwrap(), wrong["order_id"].as_str())).collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{self:#?}");
    }

    fn assert_unknown(&self, reasons: &[&str]) {
        assert_eq!((self.code, &self.json["verdict"]), (2, &json!("unknown")), "{self:#?}");
        for reason in reasons {
            assert!(self.errors.contains(reason), "{reason:?} is not in {self:#?}");
        }
    }
}

async fn run(redis: &str, provider: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(ORDERLY);
    command.arg("verify").args(["--redis-url", redis, "--provider-url", provider]).args(arguments);
    command.env_remove("ORDERLY_KEY_PREFIX").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(VERIFIED, command.output()).await.expect("verify ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

async fn verify_at(redis: &str, provider: &str, arguments: &[&str]) -> Verdict {
    let (code, out, errors) = run(redis, provider, &[&["--json"], arguments].concat()).await;
    let json = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out:?}, {errors:?}"));
    Verdict { code, json, errors }
}

async fn verify(system: &System, arguments: &[&str]) -> Verdict {
    verify_at(system.redis_url(), system.sandbox(), arguments).await
}

/// A file of promises, in the system's folder.
fn promises(system: &System, ids: &[String]) -> PathBuf {
    let lines = ids.iter().fold(String::new(), |mut lines, id| {
        writeln!(lines, "{}", json!({"order_id": id, "amount": "49.80", "currency": "EUR", "status": 201}))
            .unwrap();
        lines
    });
    let file = system.data().join("promised.jsonl");
    std::fs::write(&file, lines).unwrap();
    file
}

fn promised(file: &Path) -> [&str; 2] {
    ["--promised", file.to_str().unwrap()]
}

async fn place_orders(system: &System, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(system.place_order().await);
    }
    ids
}

async fn place_an_island(system: &System) -> String {
    let order = json!({"customer_id": "42", "items": [{"sku": "ISLAND-1", "quantity": 1}]});
    let answer = system.post(&order, None).await.unwrap();
    answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
}

/// The books as a person could tamper with them.
async fn charge_by_hand(system: &System, key: &str, reference: &str, amount: &str) {
    let url = format!("{}/charges", system.sandbox());
    let charge = json!({"amount": amount, "currency": "EUR", "reference": reference});
    let answer = system.http().post(url).header("Idempotency-Key", key).json(&charge).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}

fn partition(id: &str) -> u16 {
    Partitions::new(PARTITIONS).of_order(id.parse().unwrap())
}

fn journal(id: &str) -> String {
    format!("orders-stream:{{{}}}", partition(id))
}

fn payments(id: &str) -> String {
    format!("payments-stream:{{{}}}", partition(id))
}

/// The entries of a stream that are about an order and have a type.
async fn entries(
    redis: &mut MultiplexedConnection,
    stream: &str,
    id: &str,
    message_type: &str,
) -> Vec<(String, Vec<(String, String)>)> {
    let mut range = redis::cmd("XRANGE");
    let reply: StreamRangeReply = range.arg(stream).arg("-").arg("+").query_async(redis).await.unwrap();
    let entries = reply.ids.into_iter().map(|entry| {
        let fields = entry
            .map
            .iter()
            .map(|(name, value)| (name.clone(), redis::from_redis_value::<String>(value.clone()).unwrap()));
        (entry.id.clone(), fields.collect::<Vec<_>>())
    });
    entries
        .filter(|(_, fields)| {
            let value =
                |name| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
            value("type") == Some(message_type) && value("data").is_some_and(|data| data.contains(id))
        })
        .collect()
}

async fn append(redis: &mut MultiplexedConnection, stream: &str, fields: &[(String, String)]) {
    let mut add = redis::cmd("XADD");
    add.arg(stream).arg("*").arg(fields);
    let _: String = add.query_async(redis).await.unwrap();
}

async fn delete(redis: &mut MultiplexedConnection, stream: &str, id: &str) {
    let deleted: u32 = redis::cmd("XDEL").arg(stream).arg(id).query_async(redis).await.unwrap();
    assert_eq!(deleted, 1);
}

#[tokio::test]
async fn a_system_that_had_a_bad_day_agrees() {
    let faults = r#"{"seed":7,"error_rate":0.1,"error_after_charge_rate":0.1,"reset_rate":0.1,"reset_after_charge_rate":0.1}"#;
    let system = System::start(&options().env("SANDBOX_FAULTS", faults)).await;
    let ids = place_orders(&system, 20).await;
    let islands = [place_an_island(&system).await, place_an_island(&system).await];
    for id in &ids {
        system.wait_for_status(id, "paid", SETTLED).await;
    }
    for id in &islands {
        system.wait_for_status(id, "payment_declined", SETTLED).await;
    }
    let file = promises(&system, &ids);
    let counts = [
        ("accepted", 22),
        ("paid", 20),
        ("declined", 2),
        ("parked", 0),
        ("dead", 0),
        ("in_flight", 0),
        ("lost", 0),
        ("doubled", 0),
        ("amount_mismatches", 0),
        ("charged", 20),
        ("promised", 20),
        ("disagreement_count", 0),
    ];
    let arguments = [&["--settled"], promised(&file).as_slice()].concat();
    let whole = verify(&system, &arguments).await;
    whole.assert_ok().assert_counts(&counts).assert_counts(&[("passes", 1)]);
    assert_eq!(whole.json["provider_checked"], true);

    let in_passes = verify(&system, &[&arguments[..], &["--at-a-time", "4"]].concat()).await;
    in_passes.assert_ok().assert_counts(&counts);
    assert!(in_passes.json["passes"].as_u64().unwrap() > 4, "{in_passes:#?}");

    let without = verify(&system, &["--no-provider"]).await;
    without.assert_ok().assert_counts(&[("accepted", 22), ("charged", 0)]);
    assert_eq!(without.json["provider_checked"], false);

    let (code, table, errors) = run(system.redis_url(), system.sandbox(), &["--no-provider"]).await;
    assert_eq!((code, errors.as_str()), (0, ""), "no progress where no person looks");
    assert!(table.contains("books were left out") && table.contains("verdict: all agrees"), "{table}");
}

#[tokio::test]
async fn parked_payments_are_counted_and_agree() {
    let faulty = options()
        .env("SANDBOX_FAULTS", r#"{"error_rate":1.0}"#)
        .env("PAYMENT_CHARGE_ATTEMPTS", "1")
        .env("PAYMENT_ASK_ATTEMPTS", "1")
        .env("PAYMENT_RETRY_BASE_MS", "1");
    let system = System::start(&faulty).await;
    let id = system.place_order().await;
    system.wait_for_status(&id, "payment_parked", SETTLED).await;
    let verdict = verify(&system, &["--settled"]).await;
    verdict.assert_ok().assert_counts(&[("accepted", 1), ("parked", 1), ("parked_but_charged", 0)]);
}

#[tokio::test]
async fn what_was_tampered_with_is_found() {
    let system = system().await;
    let ids = place_orders(&system, 6).await;
    for id in &ids {
        system.wait_for_status(id, "paid", SETTLED).await;
    }
    let [doubled, paid_twice, lost, mispriced, misspelt, untouched] = &ids[..] else { panic!("{ids:?}") };
    let file = promises(&system, &ids);
    verify(&system, &promised(&file)).await.assert_ok();

    charge_by_hand(&system, "by-hand", doubled, "49.80").await;
    let stranger = Uuid::new_v4().to_string();
    charge_by_hand(&system, "strange", &stranger, "1.00").await;
    let redis = &mut system.redis().await.unwrap();
    let paid = entries(redis, &journal(paid_twice), paid_twice, "order.paid").await;
    append(redis, &journal(paid_twice), &paid[0].1).await;
    let placed = entries(redis, &journal(lost), lost, "order.placed").await;
    delete(redis, &journal(lost), &placed[0].0).await;
    let promise = std::fs::read_to_string(&file).unwrap();
    let (mut lines, wrong) = (String::new(), [mispriced.as_str()]);
    for line in promise.lines() {
        let is_wrong = wrong.iter().any(|id| line.contains(id));
        writeln!(lines, "{}", if is_wrong { line.replace("49.80", "4.98") } else { line.to_owned() })
            .unwrap();
    }
    std::fs::write(&file, lines).unwrap();
    append(redis, &journal(misspelt), &[("type".into(), "order.placed".into())]).await;

    // Every group gives up what cannot be read; only a projection passes over what it does not know.
    let expect_letters = |verdict: &Verdict| verdict.json["other_dead_letters"].as_u64().unwrap();
    let verdict = eventually("the unreadable entry to be given up by all", SETTLED, || async {
        let verdict = verify(&system, &promised(&file)).await;
        let letters = expect_letters(&verdict);
        if letters >= 2 { Ok(verdict) } else { Err(format!("there are {letters} letters")) }
    })
    .await;
    let letters = usize::try_from(expect_letters(&verdict)).unwrap();
    let expected = [
        ("doubled", Some(doubled.as_str())),
        ("doubled", Some(paid_twice)),
        ("never_accepted", Some(&stranger)),
        ("lost", Some(lost)),
        ("amount_mismatch", Some(mispriced)),
        ("undecodable", None),
    ];
    verdict.assert_wrong(&[&expected[..], &vec![("other_dead_letter", None); letters]].concat());
    verdict.assert_counts(&[
        ("accepted", 5),
        ("paid", 5),
        ("lost", 1),
        ("promised_not_accepted", 1),
        ("doubled", 2),
        ("amount_mismatches", 1),
    ]);

    let (code, table, _) = run(system.redis_url(), system.sandbox(), &promised(&file)).await;
    assert_eq!(code, 1);
    for id in [doubled, paid_twice, lost, mispriced, &stranger] {
        assert!(table.contains(id.as_str()), "{table}");
    }
    assert!(!table.contains(untouched.as_str()), "{table}");
}

#[tokio::test]
async fn what_nobody_charges_yet_is_in_flight_and_lost_only_without_its_request() {
    let without_workers = ["--only", "api-gateway,payment-producer,order-publisher,sandbox"];
    let system = System::start(&options().args(without_workers)).await;
    let ids = place_orders(&system, 3).await;
    let [waiting, dropped, given_up] = &ids[..] else { panic!("{ids:?}") };
    let redis = &mut system.redis().await.unwrap();
    for id in &ids {
        eventually("the payment to be requested", SETTLED, || async {
            let redis = &mut system.redis().await.unwrap();
            let requests = entries(redis, &payments(id), id, "payment.requested").await.len();
            if requests == 1 { Ok(()) } else { Err(format!("there are {requests} requests")) }
        })
        .await;
    }
    verify(&system, &[]).await.assert_ok().assert_counts(&[("accepted", 3), ("in_flight", 3)]);
    let settled = verify(&system, &["--settled"]).await;
    settled.assert_wrong(&ids.iter().map(|id| ("in_flight", Some(id.as_str()))).collect::<Vec<_>>());

    // One is read and not acknowledged; one is deleted unread; one is given up.
    for id in [dropped, given_up] {
        let stream = payments(id);
        let request = entries(redis, &stream, id, "payment.requested").await.remove(0);
        delete(redis, &stream, &request.0).await;
        if id == given_up {
            let head =
                [("origin", request.0.as_str()), ("reason", "no"), ("attempts", "1"), ("history", "[]")];
            let head = head.map(|(name, value)| (name.to_owned(), value.to_owned()));
            append(redis, &format!("{stream}:dead:payment-workers"), &[&head[..], &request.1].concat()).await;
        }
    }
    let stream = payments(waiting);
    let _: () = redis::cmd("XGROUP")
        .arg(&["CREATE", &stream, "payment-workers", "0"])
        .query_async(redis)
        .await
        .unwrap();
    let mut read = redis::cmd("XREADGROUP");
    read.arg(&["GROUP", "payment-workers", "somebody", "COUNT", "9", "STREAMS", &stream, ">"]);
    let _: redis::Value = read.query_async(redis).await.unwrap();
    let verdict = verify(&system, &[]).await;
    verdict.assert_wrong(&[("lost", Some(dropped)), ("dead", Some(given_up))]);
    verdict.assert_counts(&[("accepted", 3), ("in_flight", 1), ("dead", 1), ("lost", 1)]);

    // Sent again, it is work as any other.
    let connection = Redis::open(system.redis_url()).unwrap().commands().unwrap();
    let letters = DeadLetters::new(connection, payments(given_up), "payment-workers");
    let letter = letters.list(None, 1, &redis_kit::stream::dead_letters::Filter::default()).await.unwrap();
    letters.replay(letter.letters[0].id).await.unwrap().unwrap();
    let verdict = verify(&system, &[]).await;
    verdict.assert_wrong(&[("lost", Some(dropped))]);
    verdict.assert_counts(&[("in_flight", 2)]);

    // Acknowledged without an outcome, it is lost.
    let request = entries(redis, &stream, waiting, "payment.requested").await.remove(0);
    let _: u32 =
        redis::cmd("XACK").arg(&[&stream, "payment-workers", &request.0]).query_async(redis).await.unwrap();
    verify(&system, &[]).await.assert_wrong(&[("lost", Some(dropped)), ("lost", Some(waiting))]);
}

#[tokio::test]
async fn an_order_whose_payment_was_not_even_requested_is_in_flight() {
    let system = System::start(&options().args(["--only", "api-gateway,sandbox"])).await;
    place_orders(&system, 3).await;
    verify(&system, &[]).await.assert_ok().assert_counts(&[("accepted", 3), ("in_flight", 3)]);
}

#[tokio::test]
async fn what_retention_has_removed_is_not_held_against_anybody() {
    let system = system().await;
    let ids = place_orders(&system, 8).await;
    for id in &ids {
        system.wait_for_status(id, "paid", SETTLED).await;
    }
    let file = promises(&system, &ids);
    // As retention leaves it: the first orders gone, one of them in the middle.
    let redis = &mut system.redis().await.unwrap();
    let stream = journal(&ids[0]);
    let mut of_stream: Vec<&String> = ids.iter().filter(|id| journal(id) == stream).collect();
    let paid = entries(redis, &stream, of_stream[0], "order.paid").await.remove(0);
    let _: u32 = redis::cmd("XTRIM").arg(&[&stream, "MINID", &paid.0]).query_async(redis).await.unwrap();
    let trimmed = redis::cmd("SET").arg(&[&format!("{stream}:trimmed"), &paid.0]).to_owned();
    let _: String = trimmed.query_async(redis).await.unwrap();
    let mut gone = 0;
    for id in of_stream.drain(..) {
        gone += u64::from(entries(redis, &stream, id, "order.placed").await.is_empty());
    }
    let verdict = verify(&system, &promised(&file)).await;
    verdict.assert_ok().assert_counts(&[("not_checkable", gone), ("accepted", 8 - gone)]);
    // A promise that tells when is held against the system, if the journal goes back so far.
    let mut lines = std::fs::read_to_string(&file).unwrap();
    for placed_at in ["2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"] {
        // Of this partition, because the others are whole.
        let id = Partitions::new(PARTITIONS).draw_order_id(partition(&ids[0]));
        writeln!(lines, "{}", json!({"order_id": id, "placed_at": placed_at})).unwrap();
    }
    std::fs::write(&file, lines).unwrap();
    let dated = verify(&system, &promised(&file)).await;
    assert_eq!(dated.code, 1);
    dated.assert_counts(&[("not_checkable", gone + 1), ("lost", 1), ("promised_not_accepted", 1)]);
    let since: StreamId = paid.0.parse().unwrap();
    let told: jiff::Timestamp = verdict.json["journal_since"].as_str().unwrap().parse().unwrap();
    assert_eq!(u64::try_from(told.as_millisecond()).unwrap(), since.milliseconds);
}

#[tokio::test]
async fn orders_that_keep_coming_are_no_false_alarm() {
    // So slow that at every look some are in flight, and some of those charged.
    let slow =
        r#"{"seed":3,"latency":{"kind":"uniform","min_ms":50,"max_ms":300},"error_after_charge_rate":0.2}"#;
    let system = System::start(&options().env("SANDBOX_FAULTS", slow)).await;
    let file = promises(&system, &[]);
    let looked = async {
        let mut most_in_flight = 0;
        for at_a_time in ["2000000", "100", "2000000", "300", "2000000"] {
            let arguments = [&["--at-a-time", at_a_time], promised(&file).as_slice()].concat();
            let verdict = verify(&system, &arguments).await;
            verdict.assert_ok();
            most_in_flight = most_in_flight.max(verdict.json["in_flight"].as_u64().unwrap());
        }
        most_in_flight
    };
    let ordering = async {
        loop {
            let ids = futures_util::future::join_all((0..4).map(|_| system.place_order())).await;
            let mut lines = std::fs::read_to_string(&file).unwrap();
            for id in ids {
                writeln!(lines, "{}", json!({"order_id": id, "amount": "49.80", "currency": "EUR"})).unwrap();
            }
            // Whole, or not at all: a line that is half written is none.
            let next = file.with_extension("next");
            std::fs::write(&next, lines).unwrap();
            std::fs::rename(&next, &file).unwrap();
        }
    };
    tokio::select! {
        most_in_flight = looked => assert!(most_in_flight > 0, "it was not looked while anything happened"),
        () = ordering => unreachable!("orders keep coming"),
    }
    let verdict = eventually("everything to be settled", SETTLED, || async {
        let verdict = verify(&system, &[&["--settled"], promised(&file).as_slice()].concat()).await;
        if verdict.code == 0 { Ok(verdict) } else { Err(format!("{verdict:#?}")) }
    })
    .await;
    assert!(verdict.json["paid"].as_u64() > Some(10), "{verdict:#?}");
    assert_eq!(verdict.json["paid"], verdict.json["charged"], "{verdict:#?}");
}

/// A provider whose first page takes so long that one order is placed and paid before it is written, and another one before
/// it arrives.
async fn slow_books(system: &System, listener: TcpListener) {
    for question in 0.. {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = String::new();
        BufReader::new(&mut client).read_line(&mut request).await.unwrap();
        let path = request.split_whitespace().nth(1).unwrap().to_owned();
        // The first question asks how many charges there are.
        let is_first_page = question == 1;
        if is_first_page {
            let id = system.place_order().await;
            system.wait_for_status(&id, "paid", SETTLED).await;
        }
        let answer = system.http().get(format!("{}{path}", system.sandbox())).send().await.unwrap();
        let body = answer.text().await.unwrap();
        if is_first_page {
            let id = system.place_order().await;
            system.wait_for_status(&id, "paid", SETTLED).await;
        }
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn what_happens_while_the_books_are_read_is_no_false_alarm() {
    let system = system().await;
    let before = system.place_order().await;
    system.wait_for_status(&before, "paid", SETTLED).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = format!("http://{}", listener.local_addr().unwrap());
    let verdict = tokio::select! {
        verdict = verify_at(system.redis_url(), &provider, &["--settled"]) => verdict,
        () = slow_books(&system, listener) => unreachable!("it answers for ever"),
    };
    verdict.assert_ok().assert_counts(&[("accepted", 3), ("paid", 3), ("charged", 3)]);
}

#[tokio::test]
async fn where_it_cannot_find_out_it_says_what_to_do() {
    let system = system().await;
    let nowhere = "127.0.0.1:1";
    let (redis, provider) = (system.redis_url(), system.sandbox());
    let no_redis = verify_at(&format!("redis://{nowhere}"), provider, &[]).await;
    no_redis.assert_unknown(&[nowhere, "--redis-url"]);
    let no_provider = verify_at(redis, &format!("http://{nowhere}"), &[]).await;
    no_provider.assert_unknown(&[nowhere, "--provider-url", "--no-provider"]);
    verify_at(redis, &format!("{provider}/elsewhere"), &[]).await.assert_unknown(&["404", "--provider-url"]);
    verify_at(redis, provider, &["--key-prefix", "shop:"])
        .await
        .assert_unknown(&["no installation", "--key-prefix"]);
    let file = promises(&system, &[Uuid::new_v4().to_string()]);
    std::fs::write(&file, format!("{}nonsense\n", std::fs::read_to_string(&file).unwrap())).unwrap();
    verify(&system, &promised(&file)).await.assert_unknown(&["promised.jsonl", "line 2", "order_id"]);
    verify(&system, &["--promised", "/nowhere/promised"]).await.assert_unknown(&["/nowhere/promised"]);
}
