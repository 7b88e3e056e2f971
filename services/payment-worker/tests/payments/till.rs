//! A worker and its provider.

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use common::{
    http::HttpLimits,
    messages::{OrderEvent, OrderId, ParkedPayment, PaymentId, PaymentTask, Resolution, Verdict},
    money::Money,
    names::{Names, groups},
    partition::Partitions,
};
use payment_worker::run;
use redis::{AsyncCommands, streams::StreamRangeReply};
use redis_kit::{
    stream::{Message, encode},
    trace::TraceContext,
};
use reqwest::{Client, Method, Response};
use sandbox::{FaultSettings, World};
use serde_json::{Value, json};
use test_support::{ServiceUnderTest, eventually};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Long enough for a busy machine: only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PARTITION: u16 = 3;

/// The worker's name.
pub(crate) const INSTANCE: &str = "worker-1";

/// Attempts in quick succession.
const QUICK: [&str; 6] = ["--provider-timeout-ms", "1000", "--retry-base-ms", "5", "--retry-limit-ms", "50"];

pub(crate) struct Till {
    pub(crate) worker: ServiceUnderTest,
    provider: String,
    http: Client,
    names: Names,
    _provider_stop: Option<DropGuard>,
}

/// One order's payment, as it is requested.
#[derive(Clone)]
pub(crate) struct Payment {
    pub(crate) order: OrderId,
    pub(crate) id: PaymentId,
    pub(crate) amount: Money,
    pub(crate) trace: TraceContext,
}

impl Payment {
    pub(crate) fn of(amount: &str) -> Self {
        let order = Partitions::new(4).draw_order_id(PARTITION);
        let amount = Money::parse(amount, "EUR").unwrap();
        Self { order, id: PaymentId::of(order), amount, trace: TraceContext::root() }
    }
}

impl Till {
    pub(crate) async fn open(faults: FaultSettings) -> Self {
        Self::open_with(faults, &[]).await
    }

    /// With flags of the worker beside those that make it quick.
    pub(crate) async fn open_with(faults: FaultSettings, flags: &[&str]) -> Self {
        let stop = CancellationToken::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let provider = format!("http://{}", listener.local_addr().unwrap());
        let world = World { books: None, faults };
        tokio::spawn(sandbox::serve(listener, HttpLimits::default(), world, stop.clone()));
        let till = Self { _provider_stop: Some(stop.drop_guard()), ..Self::open_at(&provider, flags).await };
        eventually("the provider to be open", PATIENCE, async || {
            till.http.get(format!("{}/readyz", till.provider)).send().await?.error_for_status()
        })
        .await;
        till
    }

    /// With any provider.
    pub(crate) async fn open_at(provider: &str, flags: &[&str]) -> Self {
        let who = ["--instance", INSTANCE];
        let quick = QUICK.chunks(2).filter(|flag| !flags.contains(&flag[0])).flatten().copied();
        let flags: Vec<&str> = ["--provider-url", provider]
            .into_iter()
            .chain(who)
            .chain(quick)
            .chain(flags.iter().copied())
            .collect();
        Self {
            worker: ServiceUnderTest::start(run, &flags).await,
            provider: provider.to_owned(),
            http: Client::builder().no_proxy().build().unwrap(),
            names: Names::default(),
            _provider_stop: None,
        }
    }

    pub(crate) async fn request(&self, payment: &Payment) {
        let task = PaymentTask::Requested {
            payment_id: payment.id,
            order_id: payment.order,
            customer_id: "42".into(),
            amount: payment.amount,
            taken: None,
        };
        self.append(&task, payment).await;
    }

    /// As a person decides about a parked payment.
    pub(crate) async fn resolve(&self, payment: &Payment, verdict: Verdict) {
        let task = PaymentTask::Resolved {
            payment_id: payment.id,
            order_id: payment.order,
            resolution: resolution(verdict),
        };
        self.append(&task, payment).await;
    }

    async fn append(&self, task: &PaymentTask, payment: &Payment) {
        let fields = encode(task, &payment.trace).unwrap();
        let stream = self.names.payments_stream(PARTITION);
        let _: String = self.worker.redis.clone().xadd(stream, "*", &fields).await.unwrap();
    }

    /// The first event of one of these types, which must be of the payment's trace.
    pub(crate) async fn event(&self, payment: &Payment, types: &[&str]) -> OrderEvent {
        eventually("an event on the journal", PATIENCE, async || {
            let journal = self.journal().await;
            let found = journal.iter().find(|(event, _)| {
                event.order_id() == payment.order && types.contains(&event.message_type())
            });
            let Some((event, trace)) = found else { return Err(format!("there are only {journal:?}")) };
            assert_eq!(trace.trace_id(), payment.trace.trace_id());
            assert_ne!(trace, &payment.trace, "a step of its own in the trace");
            Ok(event.clone())
        })
        .await
    }

    /// What became of a payment at last.
    pub(crate) async fn outcome(&self, payment: &Payment) -> OrderEvent {
        self.event(payment, &["order.paid", "order.payment_declined", "order.payment_parked"]).await
    }

    /// What became of it by a person's decision.
    pub(crate) async fn settled(&self, payment: &Payment) -> OrderEvent {
        self.event(payment, &["order.paid", "order.payment_declined"]).await
    }

    pub(crate) async fn journal(&self) -> Vec<(OrderEvent, TraceContext)> {
        let stream = self.names.orders_stream(PARTITION);
        let entries: StreamRangeReply = self.worker.redis.clone().xrange_all(stream).await.unwrap();
        let event = |entry: &redis::streams::StreamId| {
            let field = |name| entry.get::<String>(name).unwrap();
            (serde_json::from_str(&field("data")).unwrap(), field("traceparent").parse().unwrap())
        };
        entries.ids.iter().map(event).collect()
    }

    /// The types of the journal's events, in their order.
    pub(crate) async fn told(&self) -> Vec<&'static str> {
        self.journal().await.iter().map(|(event, _)| event.message_type()).collect()
    }

    pub(crate) async fn record(&self, payment: &Payment) -> HashMap<String, String> {
        self.worker.redis.clone().hgetall(self.names.payment(PARTITION, payment.id)).await.unwrap()
    }

    /// As an attempt left it that died so many milliseconds after 1970.
    pub(crate) async fn leave_record(&self, payment: &Payment, first_attempt_at: &str) {
        let record = [
            ("state", "charging"),
            ("fence", "1"),
            ("attempts", "1"),
            ("first_attempt_at", first_attempt_at),
            ("attempt_by", "somebody"),
        ];
        let key = self.names.payment(PARTITION, payment.id);
        let _: () = self.worker.redis.clone().hset_multiple(key, &record).await.unwrap();
    }

    pub(crate) async fn is_locked(&self, payment: &Payment) -> bool {
        self.worker.redis.clone().exists(self.names.payment_lock(PARTITION, payment.id)).await.unwrap()
    }

    /// The payments that wait for a person.
    pub(crate) async fn parked(&self) -> Vec<ParkedPayment> {
        let parked: HashMap<String, String> =
            self.worker.redis.clone().hgetall(self.names.parked_payments(PARTITION)).await.unwrap();
        parked.values().map(|json| serde_json::from_str(json).unwrap()).collect()
    }

    /// Waits until the worker has nothing left to do.
    pub(crate) async fn until_idle(&self) {
        let stream = self.names.payments_stream(PARTITION);
        eventually("every payment to be acknowledged", PATIENCE, async || {
            let mut groups = redis_kit::cmd("XINFO");
            groups.arg("GROUPS").arg(&stream);
            let groups: Vec<HashMap<String, redis::Value>> = groups
                .query_async(&mut self.worker.redis.clone())
                .await
                .map_err(|error| error.to_string())?;
            let workers = groups.iter().find(|group| {
                group
                    .get("name")
                    .is_some_and(|name| *name == redis::Value::BulkString(groups::PAYMENT_WORKERS.into()))
            });
            let left =
                |what: &str| workers.and_then(|group| redis::from_redis_value_ref::<u64>(&group[what]).ok());
            match (left("pending"), left("lag")) {
                (Some(0), Some(0)) => Ok(()),
                left => Err(format!("pending and unread are {left:?}")),
            }
        })
        .await;
    }

    /// What the provider has in its books.
    pub(crate) async fn charges(&self) -> Vec<Value> {
        let answer = self.call(Method::GET, "/charges", None).await;
        answer.json::<Value>().await.unwrap()["charges"].as_array().cloned().unwrap_or_default()
    }

    /// Has the provider make a charge of that amount for the payment. Returns the charge's id.
    pub(crate) async fn charge_by_hand(&self, payment: &Payment, amount: &str) -> String {
        let body = json!({ "amount": amount, "currency": "EUR", "reference": payment.order });
        let request = self.http.post(format!("{}/charges", self.provider)).json(&body);
        let answer = request.header("idempotency-key", payment.id.to_string()).send().await.unwrap();
        let charge: Value = answer.error_for_status().unwrap().json().await.unwrap();
        charge["id"].as_str().unwrap().to_owned()
    }

    /// Has the provider forget every idempotency key.
    pub(crate) async fn forget_keys(&self) {
        self.call(Method::DELETE, "/keys", None).await;
    }

    pub(crate) async fn set_faults(&self, faults: &FaultSettings) {
        self.call(Method::PUT, "/faults", Some(serde_json::to_value(faults).unwrap())).await;
    }

    pub(crate) async fn heal(&self) {
        self.set_faults(&FaultSettings::default()).await;
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.provider));
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap().error_for_status().unwrap()
    }
}

/// A till with one parked payment, whose provider is well again and has not charged.
pub(crate) async fn with_a_parked_payment() -> (Till, Payment) {
    let till = Till::open_with(
        FaultSettings { error_rate: 1.0, ..FaultSettings::default() },
        &["--charge-attempts", "1", "--ask-attempts", "1"],
    )
    .await;
    let payment = Payment::of("49.80");
    till.request(&payment).await;
    let event = till.outcome(&payment).await;
    assert!(matches!(event, OrderEvent::PaymentParked { .. }), "{event:?}");
    till.heal().await;
    (till, payment)
}

pub(crate) fn resolution(verdict: Verdict) -> Resolution {
    Resolution { verdict, by: "ann".into(), why: "the customer rang".into() }
}
