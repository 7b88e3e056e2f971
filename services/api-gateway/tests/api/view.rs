//! What `GET /orders/{id}` shows of what the other services put into the journal.

use common::{
    messages::{OrderEvent, OrderId, PaymentId},
    money::Money,
};
use iso_currency::Currency;
use redis_kit::{stream::encode, trace::TraceContext};
use serde_json::Value;
use test_support::eventually;

use crate::harness::{PATIENCE, Shop};

const AMOUNT: Money = Money::new(4_980, Currency::EUR);

pub(crate) fn paid(order_id: OrderId) -> OrderEvent {
    let (customer_id, payment_id) = ("42".into(), PaymentId::of(order_id));
    OrderEvent::Paid {
        order_id,
        customer_id,
        payment_id,
        amount: AMOUNT,
        charge_id: "ch_1".into(),
        attempt: 1,
        resolution: None,
        tried: None,
    }
}

fn declined(order_id: OrderId) -> OrderEvent {
    let (customer_id, payment_id) = ("42".into(), PaymentId::of(order_id));
    let reason = "insufficient_funds".into();
    OrderEvent::PaymentDeclined {
        order_id,
        customer_id,
        payment_id,
        amount: AMOUNT,
        reason,
        attempt: None,
        resolution: None,
        tried: None,
    }
}

fn parked(order_id: OrderId) -> OrderEvent {
    let (customer_id, payment_id) = ("42".into(), PaymentId::of(order_id));
    let reason = "the provider does not know".into();
    OrderEvent::PaymentParked {
        order_id,
        customer_id,
        payment_id,
        amount: AMOUNT,
        reason,
        attempts: 12,
        tried: None,
    }
}

impl Shop {
    /// Puts an event into the journal, as a payment-worker does; tells the entry's id.
    pub(crate) async fn append(&self, event: &OrderEvent) -> String {
        let fields = encode(event, &TraceContext::root()).unwrap();
        self.store.append(&self.store.journal_of(event.order_id()), &fields).await
    }

    /// Waits until the order is shown with this status, and returns it.
    pub(crate) async fn until_status(&self, id: OrderId, status: &str) -> Value {
        eventually("the order's new status", PATIENCE, || async {
            let answer = self.gateway.get(&format!("/orders/{id}")).await;
            let shown = answer.status == 200 && answer.json()["status"] == status;
            if shown { Ok(answer.json()) } else { Err(answer.text()) }
        })
        .await
    }

    /// Waits until the projection has read and settled everything in the journal.
    async fn until_projected(&self) {
        eventually("the projection to be done", PATIENCE, || async {
            for stream in self.store.names.orders_streams(self.store.partitions) {
                let groups: Vec<std::collections::BTreeMap<String, redis::Value>> =
                    self.store.say(&["XINFO", "GROUPS", &stream]).await;
                let group = &groups[0];
                if (&group["pending"], &group["lag"]) != (&redis::Value::Int(0), &redis::Value::Int(0)) {
                    return Err(format!("{stream}: {group:?}"));
                }
            }
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_paid_order_shows_its_charge_and_when_it_was_settled() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let entry = shop.append(&paid(id)).await;
    let order = shop.until_status(id, "paid").await;
    assert_eq!(order["charge_id"], "ch_1");
    assert_eq!(order["payment_id"], PaymentId::of(id).to_string());
    assert_eq!(order["reason"], Value::Null);
    let at = |field: &str| order[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at("placed_at") <= at("settled_at"));
    assert_eq!(shop.store.order(id).await["version"], entry);
}

#[tokio::test]
async fn a_declined_and_a_parked_order_show_why() {
    let shop = Shop::open().await;
    for (event, status, reason) in [
        (declined as fn(OrderId) -> OrderEvent, "payment_declined", "insufficient_funds"),
        (parked, "payment_parked", "the provider does not know"),
    ] {
        let id = shop.gateway.place().await;
        shop.append(&event(id)).await;
        let order = shop.until_status(id, status).await;
        assert_eq!((&order["reason"], &order["charge_id"]), (&Value::from(reason), &Value::Null));
        assert!(order["settled_at"].is_string() && order["payment_id"].is_string(), "{order}");
    }
}

#[tokio::test]
async fn a_parked_order_that_is_paid_in_the_end_shows_that() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    shop.append(&parked(id)).await;
    shop.append(&paid(id)).await;
    let order = shop.until_status(id, "paid").await;
    assert_eq!(order["charge_id"], "ch_1");
    assert_eq!(order["reason"], Value::Null, "a paid order has nothing in its way");
}

#[tokio::test]
async fn an_older_event_never_moves_an_order_back() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let key = shop.store.names.order(shop.store.partitions.of_order(id), id);
    // As if the view had seen a later event; as text that would come before.
    let later = "10000000000000-0";
    shop.store.say::<()>(&["HSET", &key, "status", "paid", "version", later]).await;
    shop.append(&declined(id)).await;
    shop.until_projected().await;
    let order = shop.store.order(id).await;
    assert_eq!((order["status"].as_str(), order["version"].as_str()), ("paid", later));
}

#[tokio::test]
async fn an_event_of_an_order_that_is_gone_does_not_bring_it_back() {
    let shop = Shop::open().await;
    let (gone, never) = (shop.gateway.place().await, uuid::Uuid::new_v4());
    let key = shop.store.names.order(shop.store.partitions.of_order(gone), gone);
    shop.store.say::<()>(&["DEL", &key]).await;
    for id in [gone, never] {
        shop.append(&paid(id)).await;
    }
    shop.until_projected().await;
    for id in [gone, never] {
        assert!(shop.store.order(id).await.is_empty());
    }
    // Of an order that was placed there is the archive; one that never was is not made up.
    shop.until_status(gone, "paid").await;
    shop.gateway.get(&format!("/orders/{never}")).await.problem(404);
}

#[tokio::test]
async fn what_the_journal_says_that_this_version_cannot_read_does_not_stop_the_view() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let journal = shop.store.journal_of(id);
    let text = |pairs: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        pairs.iter().map(|&(name, value)| (name, value.to_owned())).collect()
    };
    let mut newer = encode(&paid(id), &TraceContext::root()).unwrap();
    newer[0].1 = "order.shipped".into();
    shop.store.append(&journal, &newer).await;
    let mut broken = encode(&paid(id), &TraceContext::root()).unwrap();
    broken[4].1 = r#"{"type":"order.paid","order_id":"#.into();
    shop.store.append(&journal, &broken).await;
    for garbage in [
        text(&[("a", "b")]),
        text(&[("", "")]),
        text(&[("type", "order.paid")]),
        text(&[("type", "order.paid"), ("data", "null")]),
        text(&[("type", "\u{0}"), ("data", "{}")]),
    ] {
        shop.store.append(&journal, &garbage).await;
    }
    shop.append(&paid(id)).await;
    shop.until_status(id, "paid").await;
    shop.until_projected().await;
    // What could not be read is kept, with its reason; a type that is merely new is not a defect.
    let dead: Vec<crate::harness::Entry> =
        shop.store.say(&["XRANGE", &format!("{journal}:dead:order-view"), "-", "+"]).await;
    assert_eq!(dead.len(), 5, "{dead:?}");
    assert!(dead.iter().all(|(_, fields)| fields[1].0 == "reason" && !fields[1].1.is_empty()), "{dead:?}");
}

#[tokio::test]
async fn a_field_that_a_newer_writer_adds_is_ignored() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let mut newer = encode(&paid(id), &TraceContext::root()).unwrap();
    newer[4].1.insert_str(1, r#""loyalty_points":7,"#);
    shop.store.append(&shop.store.journal_of(id), &newer).await;
    shop.until_status(id, "paid").await;
}

#[tokio::test]
async fn events_that_came_while_the_gateway_was_away_are_shown_when_it_is_back() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let Shop { gateway, store, redis, database } = shop;
    gateway.stop().await.unwrap();
    let gateway = crate::harness::Gateway::start(&redis.url(), &database, &[]).await;
    let shop = Shop { gateway, store, redis, database };
    shop.append(&paid(id)).await;
    shop.until_status(id, "paid").await;
}
