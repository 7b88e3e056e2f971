//! A provider that is dead for a while: payments wait for it, and their attempts are not used up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use common::messages::OrderEvent;
use sandbox::FaultSettings;
use serde_json::{Value, json};
use test_support::eventually;
use tokio::net::TcpListener;

use crate::till::{PATIENCE, Payment, Till};

/// Counts what it is asked for while it is dead.
#[derive(Default)]
struct Provider {
    is_alive: AtomicBool,
    charges: AtomicU32,
    lookups: AtomicU32,
}

impl Provider {
    async fn start(self: Arc<Self>) -> String {
        let routes =
            Router::new().route("/charges", post(charge)).route("/charges/{key}", get(find)).with_state(self);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, routes).await });
        url
    }

    /// Waits until it was asked so often what became of a charge.
    async fn has_been_asked(&self, times: u32) {
        eventually("the dead provider to be asked", PATIENCE, async || {
            let lookups = self.lookups.load(Relaxed);
            if lookups >= times { Ok(()) } else { Err(format!("it was asked {lookups} times")) }
        })
        .await;
    }
}

async fn charge(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    Json(mut body): Json<Value>,
) -> Response {
    if !provider.is_alive.load(Relaxed) {
        provider.charges.fetch_add(1, Relaxed);
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let key = headers["idempotency-key"].to_str().unwrap();
    body["id"] = json!(format!("ch_{key}"));
    body["key"] = json!(key);
    body["status"] = json!("succeeded");
    (StatusCode::CREATED, Json(body)).into_response()
}

async fn find(State(provider): State<Arc<Provider>>) -> StatusCode {
    if provider.is_alive.load(Relaxed) {
        return StatusCode::NOT_FOUND;
    }
    provider.lookups.fetch_add(1, Relaxed);
    StatusCode::BAD_GATEWAY
}

/// What is wrong with connections that are kept goes away with them, and not one by one.
#[tokio::test]
async fn connections_that_have_gone_wrong_hold_nobody_up_once_it_is_well() {
    let latency = serde_json::from_value(json!({"kind": "fixed", "ms": 30})).unwrap();
    let faults = FaultSettings { latency, twice_rate: 1.0, ..FaultSettings::default() };
    let flags = ["--provider-breaker-failures", "20", "--charge-attempts", "1000", "--concurrency", "64"];
    let till = Till::open_with(faults, &flags).await;
    let payments: Vec<Payment> = (0..200).map(|_| Payment::of("49.80")).collect();
    for payment in &payments {
        till.request(payment).await;
    }
    till.event(&payments[0], &["order.paid", "order.payment_attempt_failed"]).await;
    eventually("many attempts to have failed", PATIENCE, async || {
        let failed =
            till.told().await.iter().filter(|event| **event == "order.payment_attempt_failed").count();
        if failed >= 60 { Ok(()) } else { Err(format!("{failed} have")) }
    })
    .await;
    till.heal().await;
    let healed = Instant::now();
    for payment in &payments {
        till.event(payment, &["order.paid"]).await;
    }
    assert!(healed.elapsed() < Duration::from_secs(15), "{:?}", healed.elapsed());
}

#[tokio::test]
async fn it_is_asked_now_and_then_and_nobody_charges_until_it_answers() {
    let provider = Arc::new(Provider::default());
    let url = Arc::clone(&provider).start().await;
    let flags = ["--provider-breaker-failures", "3", "--charge-attempts", "8", "--concurrency", "4"];
    let till = Till::open_at(&url, &flags).await;
    let payments: Vec<Payment> = (0..50).map(|_| Payment::of("49.80")).collect();
    for payment in &payments {
        till.request(payment).await;
    }
    provider.has_been_asked(4).await;
    // Three failures open the circuit, when three more calls may be under way.
    let charges = provider.charges.load(Relaxed);
    assert!((3..=6).contains(&charges), "{charges} attempts were used up");

    provider.is_alive.store(true, Relaxed);
    for payment in &payments {
        let event = till.outcome(payment).await;
        assert!(matches!(event, OrderEvent::Paid { attempt: ..=2, .. }), "{event:?}");
    }
}
