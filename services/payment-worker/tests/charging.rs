//! A payment worker on a Redis of its own, with the sandbox as its provider.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, and says why")]

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use common::{
    messages::{OrderEvent, OrderId, PaymentId, PaymentTask},
    money::Money,
    names::{Names, groups},
    partition::Partitions,
};
use payment_worker::run;
use redis::{AsyncCommands, streams::StreamRangeReply};
use redis_kit::{stream::encode, trace::TraceContext};
use reqwest::Client;
use sandbox::{FaultSettings, World};
use serde_json::{Value, json};
use test_support::{ServiceUnderTest, eventually};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Long enough for a busy machine: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

const PARTITION: u16 = 3;

/// More than the sandbox's cards have.
const TOO_MUCH: &str = "1000000.00";

/// A worker and its provider.
struct Till {
    worker: ServiceUnderTest,
    provider: String,
    http: Client,
    names: Names,
    _provider_stop: DropGuard,
}

/// One order's payment, as it is requested.
struct Payment {
    order: OrderId,
    id: PaymentId,
    amount: Money,
    trace: TraceContext,
}

impl Payment {
    fn of(amount: &str) -> Self {
        let order = Partitions::new(4).draw_order_id(PARTITION);
        let amount = Money::parse(amount, "EUR").unwrap();
        Self { order, id: PaymentId::of(order), amount, trace: TraceContext::root() }
    }
}

impl Till {
    async fn open(faults: FaultSettings) -> Self {
        let provider_stop = CancellationToken::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let provider = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(sandbox::serve(listener, World { books: None, faults }, provider_stop.clone()));
        let flags = ["--provider-url", &provider, "--provider-timeout-ms", "2000"];
        Self {
            worker: ServiceUnderTest::start(run, &flags).await,
            provider,
            http: Client::builder().no_proxy().build().unwrap(),
            names: Names::default(),
            _provider_stop: provider_stop.drop_guard(),
        }
    }

    async fn request(&self, payment: &Payment) {
        let task = PaymentTask::Requested {
            payment_id: payment.id,
            order_id: payment.order,
            customer_id: "42".into(),
            amount: payment.amount,
        };
        let fields = encode(&task, &payment.trace).unwrap();
        let stream = self.names.payments_stream(PARTITION);
        let _: String = self.worker.redis.clone().xadd(stream, "*", &fields).await.unwrap();
    }

    /// The first event on the journal, which must be of the payment's trace.
    async fn event(&self, payment: &Payment) -> OrderEvent {
        let journal = eventually("an event on the journal", PATIENCE, async || {
            let journal = self.journal().await;
            if journal.is_empty() { Err("it is empty") } else { Ok(journal) }
        })
        .await;
        let (event, trace) = &journal[0];
        assert_eq!(trace.trace_id(), payment.trace.trace_id());
        assert_ne!(trace, &payment.trace, "a step of its own in the trace");
        event.clone()
    }

    async fn journal(&self) -> Vec<(OrderEvent, TraceContext)> {
        let stream = self.names.orders_stream(PARTITION);
        let entries: StreamRangeReply = self.worker.redis.clone().xrange_all(stream).await.unwrap();
        let event = |entry: &redis::streams::StreamId| {
            let field = |name| entry.get::<String>(name).unwrap();
            (serde_json::from_str(&field("data")).unwrap(), field("traceparent").parse().unwrap())
        };
        entries.ids.iter().map(event).collect()
    }

    async fn record(&self, payment: &Payment) -> HashMap<String, String> {
        self.worker.redis.clone().hgetall(self.names.payment(PARTITION, payment.id)).await.unwrap()
    }

    /// Waits until the worker has nothing left to do.
    async fn until_idle(&self) {
        let stream = self.names.payments_stream(PARTITION);
        eventually("every payment to be acknowledged", PATIENCE, async || {
            let command = redis_kit::cmd("XPENDING").arg(&stream).arg(groups::PAYMENT_WORKERS).to_owned();
            let (pending, ..): (u64, redis::Value, redis::Value, redis::Value) = command
                .query_async(&mut self.worker.redis.clone())
                .await
                .map_err(|error| error.to_string())?;
            if pending == 0 { Ok(()) } else { Err(format!("{pending} are pending")) }
        })
        .await;
    }

    /// What the provider has in its books.
    async fn charges(&self) -> Vec<Value> {
        let answer = self.http.get(format!("{}/charges", self.provider)).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["charges"].as_array().cloned().unwrap_or_default()
    }

    async fn heal(&self) {
        let healing = self.http.put(format!("{}/faults", self.provider)).json(&json!({}));
        healing.send().await.unwrap().error_for_status().unwrap();
    }
}

fn fields<const N: usize>(fields: [(&str, &str); N]) -> HashMap<String, String> {
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[tokio::test]
async fn a_payment_is_charged_and_told_in_its_trace() {
    let till = Till::open(FaultSettings::default()).await;
    let payment = Payment::of("49.80");
    till.request(&payment).await;
    let event = till.event(&payment).await;
    let charge_id = till.charges().await[0]["id"].as_str().unwrap().to_owned();
    let paid = OrderEvent::Paid {
        order_id: payment.order,
        customer_id: "42".into(),
        payment_id: payment.id,
        amount: payment.amount,
        charge_id,
        attempt: 1,
    };
    assert_eq!(event, paid);
    assert_eq!(till.record(&payment).await, fields([("outcome", "order.paid"), ("attempts", "1")]));
}

#[tokio::test]
async fn a_declined_payment_is_told_with_the_providers_code() {
    let till = Till::open(FaultSettings::default()).await;
    let payment = Payment::of(TOO_MUCH);
    till.request(&payment).await;
    let declined = OrderEvent::PaymentDeclined {
        order_id: payment.order,
        customer_id: "42".into(),
        payment_id: payment.id,
        amount: payment.amount,
        reason: "amount_too_large".into(),
    };
    assert_eq!(till.event(&payment).await, declined);
    let record = fields([("outcome", "order.payment_declined"), ("attempts", "1")]);
    assert_eq!(till.record(&payment).await, record);
}

#[tokio::test]
async fn a_payment_that_the_provider_refuses_is_parked_with_its_explanation() {
    let till = Till::open(FaultSettings::default()).await;
    let payment = Payment::of("49.80");
    // The provider knows the key for another charge.
    let other = json!({ "amount": "1.00", "currency": "EUR", "reference": "another" });
    let request = till.http.post(format!("{}/charges", till.provider)).json(&other);
    let answer = eventually("the provider to be open", PATIENCE, async || {
        let request = request.try_clone().unwrap().header("idempotency-key", payment.id.to_string());
        request.send().await.and_then(reqwest::Response::error_for_status)
    })
    .await;
    assert_eq!(answer.status(), 201);

    till.request(&payment).await;
    let OrderEvent::PaymentParked { order_id, payment_id, reason, .. } = till.event(&payment).await else {
        panic!("not parked")
    };
    assert_eq!((order_id, payment_id), (payment.order, payment.id));
    assert!(reason.starts_with("the provider answered 422 Unprocessable Entity: {"), "{reason}");
    let record = fields([("outcome", "order.payment_parked"), ("attempts", "1")]);
    assert_eq!(till.record(&payment).await, record);
    till.until_idle().await;
    assert_eq!(till.charges().await.len(), 1);
}

/// Every answer is a mishap until the provider heals: then the charge is the one it made at first.
async fn assert_charged_once_after(faults: FaultSettings) {
    let till = Till::open(faults).await;
    let payment = Payment::of("49.80");
    till.request(&payment).await;
    eventually("the provider to charge", PATIENCE, async || {
        if till.charges().await.is_empty() { Err("it has not") } else { Ok(()) }
    })
    .await;
    assert_eq!(till.journal().await, [], "nothing is known yet");
    till.heal().await;
    let event = till.event(&payment).await;
    assert!(matches!(event, OrderEvent::Paid { attempt: 2.., .. }), "{event:?}");
    till.until_idle().await;
    assert_eq!((till.charges().await.len(), till.journal().await.len()), (1, 1));
}

#[tokio::test]
async fn a_charge_whose_answer_was_an_error_is_made_once() {
    assert_charged_once_after(FaultSettings { error_after_charge_rate: 1.0, ..FaultSettings::default() })
        .await;
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_made_once() {
    assert_charged_once_after(FaultSettings { reset_after_charge_rate: 1.0, ..FaultSettings::default() })
        .await;
}

#[tokio::test]
async fn a_charge_whose_answer_came_too_late_is_made_once() {
    assert_charged_once_after(FaultSettings { timeout_rate: 1.0, ..FaultSettings::default() }).await;
}

#[tokio::test]
async fn the_worker_ends_when_it_is_told_to() {
    let till = Till::open(FaultSettings::default()).await;
    till.worker.stop().await;
}
