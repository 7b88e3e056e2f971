//! `orderly verify` over more orders than it holds in memory at a time: how fast it is, and how much memory it takes.
//!
//! ```sh
//! VERIFY_ORDERS=300000 cargo test --release -p orderly --test system -- --nocapture many_orders
//! ```

use std::{
    env, fs,
    io::{BufWriter, Write},
    path::Path,
    process::Stdio,
    time::Duration,
};

use common::{
    messages::{LineItem, OrderEvent, OrderId, PaymentId, PaymentTask},
    money::Money,
    names::Names,
    partition::Partitions,
};
use local_redis::{Durability, Server};
use redis_kit::{
    Connection, Redis, cmd, pipe,
    stream::{Message, encode},
    trace::TraceContext,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::ORDERLY;

/// How long anything may take here, however many orders there are.
const LIMIT: Duration = Duration::from_mins(10);

/// Orders that are written at once.
const BATCH: usize = 500;

fn partitions() -> Partitions {
    Partitions::new(4)
}

/// Writes what a paid order leaves behind, step by step as the services do.
async fn write_orders(redis: &mut Connection, orders: &[OrderId]) {
    let (names, price) = (Names::default(), Money::parse("49.80", "EUR").unwrap());
    for orders in orders.chunks(BATCH) {
        let mut by_partition: Vec<Vec<OrderId>> = vec![Vec::new(); partitions().count().into()];
        for order_id in orders {
            by_partition[usize::from(partitions().of_order(*order_id))].push(*order_id);
        }
        for (partition, orders) in (0..).zip(by_partition) {
            let mut batch = pipe();
            let (journal, payments) = (names.orders_stream(partition), names.payments_stream(partition));
            let mut append = |stream: &str, fields: [(&str, String); 5]| {
                batch.cmd("XADD").arg(stream).arg("*").arg(&fields).ignore();
            };
            for order_id in orders {
                let (customer_id, payment_id) = ("customer-42".to_owned(), PaymentId::of(order_id));
                let item = LineItem { sku: "BOOK-1".into(), quantity: 2, unit_price: price };
                let placed = OrderEvent::Placed {
                    order_id,
                    customer_id: customer_id.clone(),
                    items: vec![item],
                    total: price,
                };
                let requested = PaymentTask::Requested {
                    payment_id,
                    order_id,
                    customer_id: customer_id.clone(),
                    amount: price,
                    taken: None,
                };
                let paid = OrderEvent::Paid {
                    order_id,
                    customer_id,
                    payment_id,
                    amount: price,
                    charge_id: "ch_000000000001".into(),
                    attempt: 1,
                    resolution: None,
                    tried: None,
                };
                append(&journal, fields(&placed));
                append(&payments, fields(&requested));
                append(&journal, fields(&paid));
            }
            // Each stream's slot is the same.
            batch.query_async::<()>(redis).await.unwrap();
        }
    }
}

fn fields(message: &impl Message) -> [(&'static str, String); 5] {
    encode(message, &TraceContext::root()).unwrap()
}

fn write_books(file: &Path, orders: &[OrderId]) {
    let mut books = BufWriter::new(fs::File::create(file).unwrap());
    for (number, order_id) in (1..).zip(orders) {
        let charge = json!({
            "id": format!("ch_{number:012}"),
            "key": PaymentId::of(*order_id).to_string(),
            "status": "succeeded",
            "amount": "49.80",
            "currency": "EUR",
            "reference": order_id,
            "created_at": jiff::Timestamp::now(),
        });
        writeln!(books, "{charge}").unwrap();
    }
    books.flush().unwrap();
}

/// A provider with these books, and its base URL.
async fn provider(books: &Path) -> (Child, String) {
    let mut command = Command::new(ORDERLY);
    command.args(["service", "sandbox", "--port", "0", "--books"]).arg(books);
    command.env("NO_COLOR", "1").env("LOG_FORMAT", "pretty").env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let mut sandbox = command.spawn().unwrap();
    let mut lines = BufReader::new(sandbox.stdout.take().unwrap()).lines();
    let address = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, address)) = line.split_once("listening address=") {
                return address.split_whitespace().next().unwrap().to_owned();
            }
        }
        panic!("the sandbox ended");
    };
    let url = format!("http://{}", timeout(LIMIT, address).await.expect("the sandbox listens"));
    // What else it says is wanted by nobody, but must go somewhere.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (sandbox, url)
}

/// Runs `verify`; with the most memory that it had at a time in MB, where that can be told.
async fn verify(redis: &str, provider: &str, at_a_time: usize) -> (Value, Option<u64>) {
    let mut command = Command::new(ORDERLY);
    command.args(["verify", "--json", "--settled", "--redis-url", redis, "--provider-url", provider]);
    command.arg("--at-a-time").arg(at_a_time.to_string()).env_remove("ORDERLY_KEY_PREFIX");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let (mut out, mut text) = (child.stdout.take().unwrap(), String::new());
    let read = out.read_to_string(&mut text);
    let peak = async {
        let mut peak = None;
        // The kernel keeps the peak itself; it is asked for until the process is gone.
        while let Ok(status) = fs::read_to_string(&status) {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let Some(kilobytes) =
                line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok())
            else {
                break;
            };
            peak = Some(kilobytes / 1024);
            sleep(Duration::from_millis(5)).await;
        }
        peak
    };
    let (_, peak) = timeout(LIMIT, async { tokio::join!(read, peak) }).await.expect("verify ends");
    assert!(child.wait().await.unwrap().success(), "{text}");
    (serde_json::from_str(&text).unwrap(), peak)
}

#[tokio::test]
async fn many_orders_are_verified_in_several_passes_as_in_one() {
    let count: usize = env::var("VERIFY_ORDERS").map_or(2_000, |count| count.parse().unwrap());
    let orders: Vec<OrderId> = (0..count).map(|_| Uuid::new_v4()).collect();
    let server = Server::ephemeral(Durability::Volatile).await.unwrap();
    let mut redis = Redis::open(&server.url()).unwrap().commands().unwrap();
    cmd("SET").arg(Names::default().partitions()).arg(4).query_async::<()>(&mut redis).await.unwrap();
    write_orders(&mut redis, &orders).await;
    let folder = TempDir::new().unwrap();
    let books = folder.path().join("charges.jsonl");
    write_books(&books, &orders);
    let (_sandbox, url) = provider(&books).await;

    // Two entries an order; a partition has a quarter of them.
    for (at_a_time, passes) in [(count * 4, 1), (count / 2 + count / 5, 4), (count / 5, 12)] {
        let (json, peak) = verify(&server.url(), &url, at_a_time).await;
        assert_eq!(
            (&json["verdict"], json["disagreement_count"].as_u64()),
            (&json!("ok"), Some(0)),
            "{json}"
        );
        for name in ["accepted", "paid", "charged"] {
            assert_eq!(json[name], count, "{name} in {json}");
        }
        assert_eq!(json["passes"], passes, "{json}");
        let (seconds, peak) =
            (json["seconds"].as_f64().unwrap(), peak.map_or("?".into(), |peak| peak.to_string()));
        let rate = f64::from(u32::try_from(count).unwrap()) / seconds;
        println!("{count} orders in {passes} passes: {seconds:.1} s, {rate:.0} orders/s, {peak} MB");
    }
}
