//! `orderly tail`: everything that happens, in the order in which it happens to each order.

use std::{process::Stdio, time::Duration};

use common::partition::Partitions;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use test_support::{Cut, FaultProxy, System, eventually, send};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{ORDERLY, system};

/// For anything that a debug build on a busy machine does at once.
const SOON: Duration = Duration::from_secs(30);

/// A `tail` that runs.
struct Tail {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tail {
    fn start(system: &System, arguments: &[&str]) -> Self {
        Self::start_at(system.redis_url(), arguments)
    }

    fn start_at(redis: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(ORDERLY);
        command.arg("tail").args(["--redis-url", redis]).args(arguments);
        command.env_remove("ORDERLY_KEY_PREFIX").env_remove("CLICOLOR_FORCE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = timeout(SOON, self.lines.next_line()).await.expect("something is told");
        line.unwrap().expect("it has not ended")
    }

    async fn json(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// The type and the order of the next events.
    async fn events(&mut self, count: usize) -> Vec<(String, String)> {
        let mut events = Vec::new();
        for _ in 0..count {
            let event = self.json().await;
            events.push((text(&event["type"]), text(&event["order_id"])));
        }
        events
    }

    async fn exit_code(&mut self) -> Option<i32> {
        timeout(SOON, self.child.wait()).await.expect("it ends").unwrap().code()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn event(kind: &str, order: &str) -> (String, String) {
    (kind.to_owned(), order.to_owned())
}

/// What happens to an order that is paid.
fn way(order: &str) -> [(String, String); 2] {
    [event("order.placed", order), event("order.paid", order)]
}

async fn place_for(system: &System, customer: &str, sku: &str) -> String {
    let order = json!({"customer_id": customer, "items": [{"sku": sku, "quantity": 2}]});
    let answer = system.post(&order, None).await.unwrap();
    text(&answer.json::<Value>().await.unwrap()["id"])
}

/// Places an order and waits until it is paid.
async fn pay_for(system: &System, customer: &str) -> String {
    let id = place_for(system, customer, "BOOK-1").await;
    system.wait_for_status(&id, "paid", SOON).await;
    id
}

fn partition(id: &str) -> u16 {
    Partitions::new(4).of_order(id.parse().unwrap())
}

/// Pays for orders until one of them stands behind another in the same journal, so that whoever tells of that one too tells it
/// before. And what is told of these, in some order.
async fn pay_behind(system: &System, other: &str) -> Vec<(String, String)> {
    let mut events = Vec::new();
    loop {
        let id = pay_for(system, "42").await;
        events.extend(way(&id));
        if partition(&id) == partition(other) {
            return sorted(events);
        }
    }
}

fn sorted(mut events: Vec<(String, String)>) -> Vec<(String, String)> {
    events.sort();
    events
}

const FROM_THE_BEGINNING: [&str; 3] = ["--json", "--since", "beginning"];

#[tokio::test]
async fn an_orders_way_is_told_in_order_as_it_happens() {
    let system = system().await;
    let old = pay_for(&system, "42").await;
    let mut tail = Tail::start(&system, &FROM_THE_BEGINNING);
    assert_eq!(tail.events(2).await, way(&old));
    for _ in 0..3 {
        let new = place_for(&system, "42", "BOOK-1").await;
        assert_eq!(tail.events(2).await, way(&new), "live");
    }
}

#[tokio::test]
async fn a_line_tells_what_people_want_to_know_and_the_trace_if_asked() {
    let system = system().await;
    let id = pay_for(&system, "42").await;
    let mut tail = Tail::start(&system, &["--since", "10m", "--verbose"]);
    let (placed, paid) = (tail.line().await, tail.line().await);
    for told in [&id, "order.placed", "customer 42", "49.80 EUR", "2 × BOOK-1", "  trace "] {
        assert!(placed.contains(told), "{told:?} is not in {placed:?}");
    }
    for told in [&id, "order.paid", "attempt 1 by payment-worker-", ", charge ch_", "  trace "] {
        assert!(paid.contains(told), "{told:?} is not in {paid:?}");
    }
    assert!(!placed.contains('\u{1b}'), "no colour where no terminal is: {placed:?}");
}

#[tokio::test]
async fn json_has_the_event_and_where_it_stands() {
    let system = system().await;
    let id = pay_for(&system, "42").await;
    let event = Tail::start(&system, &FROM_THE_BEGINNING).json().await;
    assert_eq!((&event["partition"], &event["order_id"]), (&json!(partition(&id)), &json!(id)));
    assert_eq!((&event["type"], &event["total"]["amount"]), (&json!("order.placed"), &json!("49.80")));
    for name in ["id", "occurred_at", "traceparent", "position"] {
        assert!(event[name].is_string(), "no {name} in {event}");
    }
}

#[tokio::test]
async fn only_what_passes_every_filter_is_told() {
    let system = system().await;
    let hers = pay_for(&system, "7").await;
    let his = pay_for(&system, "42").await;
    let declined = place_for(&system, "42", "ISLAND-1").await;
    system.wait_for_status(&declined, "payment_declined", SOON).await;
    let filtered = |arguments: &[&str]| Tail::start(&system, &[&FROM_THE_BEGINNING, arguments].concat());
    let mut of_order = filtered(&["--order", &his]);
    let mut of_customer = filtered(&["--customer", "42", "--type", "order.paid"]);
    let mut of_types = filtered(&["--type", "order.paid", "--type", "order.payment_declined"]);
    assert_eq!(of_order.events(2).await, way(&his));
    assert_eq!(of_customer.events(1).await, [event("order.paid", &his)]);
    let told = sorted(of_types.events(3).await);
    let expected = vec![
        event("order.paid", &hers),
        event("order.paid", &his),
        event("order.payment_declined", &declined),
    ];
    assert_eq!(told, sorted(expected));
    // Whatever should not have been told would have been by now.
    pay_for(&system, "7").await;
    let last = pay_for(&system, "42").await;
    assert_eq!(of_customer.events(1).await, [event("order.paid", &last)]);
}

#[tokio::test]
async fn it_begins_at_a_time() {
    let system = system().await;
    let earlier = pay_for(&system, "42").await;
    let now = jiff::Timestamp::now().to_string();
    let later = pay_behind(&system, &earlier).await;
    let mut tail = Tail::start(&system, &["--json", "--since", &now]);
    assert_eq!(sorted(tail.events(later.len()).await), later, "and no reset");
}

#[tokio::test]
async fn it_goes_on_behind_a_position_that_was_printed() {
    let system = system().await;
    let first = pay_for(&system, "42").await;
    let mut tail = Tail::start(&system, &FROM_THE_BEGINNING);
    assert_eq!(text(&tail.json().await["order_id"]), first);
    let position = text(&tail.json().await["position"]);
    drop(tail);
    let missed = pay_behind(&system, &first).await;
    let mut again = Tail::start(&system, &["--json", "--after", &position]);
    assert_eq!(sorted(again.events(missed.len()).await), missed);

    let mut elsewhere = Tail::start(&system, &["--after", "5-0,6-0"]);
    assert_eq!(elsewhere.exit_code().await, Some(1));
}

#[tokio::test]
async fn after_redis_was_away_it_goes_on_where_it_was() {
    let system = system().await;
    let before = pay_for(&system, "42").await;
    let mut tail = Tail::start(&system, &FROM_THE_BEGINNING);
    assert_eq!(tail.events(2).await, way(&before));
    let dead = system.redis_pid().await.unwrap();
    send(dead, Signal::SIGKILL);
    eventually("Redis to be started again", SOON, || async {
        let now = system.redis_pid().await?;
        if now == dead { Err(anyhow::anyhow!("{dead} has not been replaced")) } else { Ok(()) }
    })
    .await;
    let after = eventually("an order to be accepted", SOON, || async {
        let answer = system.post_order("42", None).await?.error_for_status()?;
        anyhow::Ok(text(&answer.json::<Value>().await?["id"]))
    })
    .await;
    // Orders whose answer was lost may have come first.
    loop {
        let event = tail.json().await;
        assert_ne!(event["type"], "reset");
        if event["order_id"] == json!(after) && event["type"] == "order.paid" {
            break;
        }
    }
}

#[tokio::test]
async fn while_redis_is_away_it_says_so_and_then_tells_what_happened_meanwhile() {
    let system = system().await;
    let before = pay_for(&system, "42").await;
    let (_, redis) = system.redis_url().split_once("://").unwrap();
    let proxy = FaultProxy::start(redis.parse().unwrap()).await.unwrap();
    let mut tail = Tail::start_at(&proxy.url(), &FROM_THE_BEGINNING);
    let mut notices = BufReader::new(tail.child.stderr.take().unwrap()).lines();
    assert_eq!(tail.events(2).await, way(&before));
    Cut::Refuse.strike(&proxy);
    let away = timeout(SOON, notices.next_line()).await.expect("it says so").unwrap().unwrap();
    assert!(away.contains("waiting for Redis"), "{away}");
    let meanwhile = pay_for(&system, "42").await;
    Cut::Refuse.mend(&proxy);
    assert_eq!(tail.events(2).await, way(&meanwhile));
    let again = timeout(SOON, notices.next_line()).await.expect("it says so").unwrap().unwrap();
    assert!(again.contains("following again"), "{again}");
}

#[tokio::test]
async fn entries_that_are_gone_are_told_to_be() {
    let system = system().await;
    let id = pay_for(&system, "42").await;
    let mut tail = Tail::start(&system, &FROM_THE_BEGINNING);
    tail.json().await;
    let paid = text(&tail.json().await["id"]);
    // As retention leaves it.
    let (mut redis, journal) =
        (system.redis().await.unwrap(), format!("orders-stream:{{{}}}", partition(&id)));
    let _: u32 = redis::cmd("XTRIM").arg(&[&journal, "MINID", &paid]).query_async(&mut redis).await.unwrap();
    let trimmed = redis::cmd("SET").arg(&[&format!("{journal}:trimmed"), &paid]).to_owned();
    let _: String = trimmed.query_async(&mut redis).await.unwrap();
    let mut again = Tail::start(&system, &FROM_THE_BEGINNING);
    let reset = again.json().await;
    let told = (&reset["type"], &reset["partition"], &reset["from"]);
    assert_eq!(told, (&json!("reset"), &json!(partition(&id)), &json!("0-0")));
    assert_eq!(again.events(1).await, [event("order.paid", &id)]);
    let for_people = Tail::start(&system, &["--since", "beginning"]).line().await;
    assert!(
        for_people.contains("between the beginning and") && for_people.contains("is gone"),
        "{for_people}"
    );
    // Whoever asks for less than that misses nothing.
    let now = jiff::Timestamp::now().to_string();
    let later = pay_behind(&system, &id).await;
    let mut less = Tail::start(&system, &["--json", "--since", &now]);
    assert_eq!(sorted(less.events(later.len()).await), later);
}

#[tokio::test]
async fn it_ends_well_by_ctrl_c_and_when_nobody_reads_it() {
    let system = system().await;
    pay_for(&system, "42").await;
    let mut interrupted = Tail::start(&system, &FROM_THE_BEGINNING);
    interrupted.line().await;
    send(interrupted.child.id().unwrap(), Signal::SIGINT);
    assert_eq!(interrupted.exit_code().await, Some(0));

    let mut unread = Tail::start(&system, &FROM_THE_BEGINNING);
    unread.line().await;
    let Tail { mut child, lines } = unread;
    drop(lines);
    pay_for(&system, "42").await;
    let output = timeout(SOON, async {
        let status = child.wait().await.unwrap();
        let mut errors = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut child.stderr.take().unwrap(), &mut errors)
            .await
            .unwrap();
        (status.code(), errors)
    });
    assert_eq!(output.await.expect("it ends"), (Some(0), String::new()));
}
