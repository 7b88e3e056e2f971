//! What happens to orders, told live.
//!
//! Here nobody announces anything on the channel: order-publisher does not run. So what is told comes from the journal, or
//! is announced by the test itself.

use std::collections::BTreeMap;

use common::messages::{OrderEvent, OrderId};
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    harness::{Answer, Gateway, PATIENCE, Shop},
    people::Cookie,
    view::paid,
};

/// One server-sent event: its fields by name.
pub(crate) type Event = BTreeMap<String, String>;

/// A connection on which events are told.
pub(crate) struct Listener {
    chunks: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<Vec<u8>>> + Send>>,
    read: String,
}

impl Listener {
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let chunks = response.bytes_stream().map(|chunk| chunk.map(|chunk| chunk.to_vec()));
        Self { chunks: Box::pin(chunks), read: String::new() }
    }

    /// The next event; `None` if the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                let fields = event.lines().filter(|line| !line.starts_with(':'));
                let fields: Event = fields
                    .filter_map(|line| line.split_once(": "))
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect();
                if !fields.is_empty() {
                    return Some(fields);
                }
                continue;
            }
            let chunk = timeout(PATIENCE, self.chunks.next()).await.expect("no event came")?;
            self.read.push_str(&String::from_utf8(chunk.unwrap()).unwrap());
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.next().await.expect("the stream has ended")
    }
}

impl Gateway {
    async fn listen(&self, id: OrderId, last: Option<&str>) -> Listener {
        let request = self.request("GET", &format!("/orders/{id}/events"));
        Listener::to(match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        })
        .await
    }

    async fn listen_to_all(&self, admin: &Cookie, last: Option<&str>) -> Listener {
        let request = self.request("GET", "/orders/events").header("cookie", &admin.0);
        Listener::to(match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        })
        .await
    }
}

pub(crate) fn data(event: &Event) -> Value {
    serde_json::from_str(&event["data"]).unwrap()
}

fn failed(order_id: OrderId) -> OrderEvent {
    let payment_id = common::messages::PaymentId::of(order_id);
    OrderEvent::PaymentAttemptFailed {
        order_id,
        payment_id,
        attempt: 1,
        reason: "no answer".into(),
        tried: None,
    }
}

#[tokio::test]
async fn a_listener_is_told_how_the_order_stands_and_what_happens_until_the_end() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let mut listener = shop.gateway.listen(id, None).await;
    let state = listener.event().await;
    assert_eq!((&*state["event"], &data(&state)["status"]), ("order", &json!("accepted")));
    // Another's events are none of this listener's.
    let other = shop.store.partitions.draw_order_id(shop.store.partitions.of_order(id));
    shop.append(&paid(other)).await;
    let attempt = shop.append(&failed(id)).await;
    let settled = shop.append(&paid(id)).await;
    let event = listener.event().await;
    assert_eq!((&event["event"], &event["id"]), (&"order.payment_attempt_failed".into(), &attempt));
    let event = listener.event().await;
    assert_eq!((&event["event"], &event["id"]), (&"order.paid".into(), &settled));
    assert_eq!(data(&event)["order_id"], id.to_string());
    assert_eq!(listener.next().await, None);
    // Who comes again has heard all there is.
    let again =
        shop.gateway.request("GET", &format!("/orders/{id}/events")).header("last-event-id", &settled);
    shop.until_status(id, "paid").await;
    assert_eq!(Answer::to(again).await.status, 204);
}

#[tokio::test]
async fn a_listener_that_comes_again_is_told_what_it_missed() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let state = shop.gateway.listen(id, None).await.event().await;
    let (attempt, settled) = (shop.append(&failed(id)).await, shop.append(&paid(id)).await);
    shop.until_status(id, "paid").await;
    let mut listener = shop.gateway.listen(id, Some(&state["id"])).await;
    assert_eq!(listener.event().await["id"], attempt);
    assert_eq!(listener.event().await["id"], settled);
    assert_eq!(listener.next().await, None);
    // A new one is told how it ended, and that is all.
    let mut listener = shop.gateway.listen(id, None).await;
    assert_eq!(data(&listener.event().await)["status"], "paid");
    assert_eq!(listener.next().await, None);
}

#[tokio::test]
async fn an_admin_hears_of_all_orders_and_comes_again_without_a_gap() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let before = shop.gateway.place().await;
    let mut listener = shop.gateway.listen_to_all(&admin, None).await;
    let mut placed = Vec::new();
    for _ in 0..12 {
        placed.push(shop.gateway.place().await);
    }
    let mut heard = Vec::new();
    let mut last = String::new();
    for _ in 0..5 {
        let event = listener.event().await;
        heard.push(data(&event)["order_id"].as_str().unwrap().to_owned());
        last.clone_from(&event["id"]);
    }
    drop(listener);
    let other = shop.second_gateway(&[]).await;
    let mut listener = other.listen_to_all(&admin, Some(&last)).await;
    for _ in 0..7 {
        heard.push(data(&listener.event().await)["order_id"].as_str().unwrap().to_owned());
    }
    let mut expected: Vec<String> = placed.iter().map(ToString::to_string).collect();
    heard.sort();
    expected.sort();
    assert_eq!(heard, expected);
    assert!(!heard.contains(&before.to_string()));
}

#[tokio::test]
async fn a_position_that_no_event_ever_had_is_400() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let id = shop.gateway.place().await;
    for wrong in ["", "x", "1-", "1-2-3", "-1-0", "99999999999999999999999-0"] {
        let one = shop.gateway.request("GET", &format!("/orders/{id}/events")).header("last-event-id", wrong);
        Answer::to(one).await.problem(400);
        let all = shop.gateway.request("GET", "/orders/events").header("last-event-id", wrong);
        Answer::to(all.header("cookie", &admin.0)).await.problem(400);
    }
    let all = shop.gateway.request("GET", "/orders/events").header("last-event-id", "1-0,2-0");
    Answer::to(all.header("cookie", &admin.0)).await.problem(400);
}

#[tokio::test]
async fn a_stream_ends_when_the_gateway_stops() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let mut listener = shop.gateway.listen(id, None).await;
    listener.event().await;
    let (ended, stopped) = tokio::join!(listener.next(), shop.gateway.stop());
    assert_eq!(ended, None);
    stopped.unwrap();
}
