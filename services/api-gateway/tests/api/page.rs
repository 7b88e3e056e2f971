//! The pages for people.

use std::time::Duration;

use common::messages::{OrderEvent, OrderId, PaymentId, PaymentTask, Taken, Tried};
use redis_kit::{stream::encode, trace::TraceContext};
use serde_json::Value;
use test_support::eventually;

use crate::{
    events::{Event, Listener, data},
    harness::{Answer, PATIENCE, Shop},
    view::paid,
};

/// Every file that a page names.
fn named(html: &str) -> Vec<&str> {
    let parts = html.split(['"', '\'']).filter(|part| part.starts_with("/assets/"));
    parts.collect()
}

#[tokio::test]
async fn the_page_loads_nothing_but_its_own_files_and_runs_nothing_in_its_markup() {
    let shop = Shop::open().await;
    let page = shop.gateway.get("/").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let html = page.text();
    for forbidden in ["<style", "style=", "onclick=", "onload=", "http://", "https://", "javascript:"] {
        assert!(!html.contains(forbidden), "{forbidden} in {html}");
    }
    let files = named(&html);
    assert!(files.contains(&"/assets/page.css") && files.contains(&"/assets/shop.js"), "{files:?}");
    let scripts: Vec<String> = ["shop.js", "order.js"].map(|script| format!("/assets/{script}")).into();
    let mut seen = Vec::new();
    let mut next: Vec<String> = files.into_iter().map(str::to_owned).chain(scripts).collect();
    while let Some(path) = next.pop() {
        let file = shop.gateway.get(&path).await;
        assert_eq!(file.status, 200, "{path}");
        let imports = file.text();
        let imports = imports
            .split('\'')
            .filter_map(|part| part.strip_prefix("./"))
            .map(|name| format!("/assets/{name}"));
        next.extend(imports.filter(|import| !seen.contains(import)));
        seen.push(path);
    }
    assert!(seen.contains(&"/assets/flow.js".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn a_file_that_a_browser_has_is_not_sent_again() {
    let shop = Shop::open().await;
    let first = shop.gateway.get("/assets/page.css").await;
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    let tag = first.header("etag").unwrap();
    let again =
        Answer::to(shop.gateway.request("GET", "/assets/page.css").header("if-none-match", tag)).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    for path in ["/assets/", "/assets/Cargo.toml", "/assets/..%2fCargo.toml", "/assets/page.css%00"] {
        shop.gateway.get(path).await.problem(404);
    }
}

#[tokio::test]
async fn the_page_shows_products_and_how_things_stand_and_comes_without_redis_too() {
    let shop = Shop::open().await;
    shop.gateway.place().await;
    let html = shop.gateway.get("/").await.text();
    assert!(html.contains(r#"<option value="BOOK-1">Novel, 24.90 EUR</option>"#), "{html}");
    assert!(html.contains(r#"<b data-figure="orders-stream.length">1</b>"#), "{html}");
    assert!(html.contains(r#"id="api-gateway" aria-label="api-gateway" data-state="ready""#), "{html}");
    assert!(html.contains(r#"id="payment-worker" aria-label="payment-worker" data-state="gone""#), "{html}");
    let Shop { gateway, mut redis, .. } = shop;
    redis.stop().await.unwrap();
    let page = gateway.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains(r#"<b data-figure="orders-stream.length">–</b>"#), "{}", page.text());
}

impl Shop {
    async fn watch(&self, after: Option<&str>) -> Listener {
        let path = after.map_or("/live".to_owned(), |after| format!("/live?after={after}"));
        Listener::to(self.gateway.request("GET", &path)).await
    }

    /// The same order's payment is asked for and made, as the services tell it.
    async fn pay(&self, order_id: OrderId) {
        let (now, payment_id) = (jiff::Timestamp::now(), PaymentId::of(order_id));
        let OrderEvent::Paid { customer_id, amount, .. } = paid(order_id) else { panic!("it is paid") };
        let taken = Some(Taken { by: "payment-producer-7".into(), given_at: now });
        let task = PaymentTask::Requested { payment_id, order_id, customer_id, amount, taken };
        let fields = encode(&task, &TraceContext::root()).unwrap();
        self.store
            .append(&self.store.names.payments_stream(self.store.partitions.of_order(order_id)), &fields)
            .await;
        let mut event = paid(order_id);
        let OrderEvent::Paid { tried, charge_id, .. } = &mut event else { panic!("it is paid") };
        *tried =
            Some(Tried { by: "payment-worker-7".into(), given_at: now, began_at: now, call_ms: Some(3) });
        "<script>alert(1)</script>".clone_into(charge_id);
        self.store
            .append(&self.store.journal_of(order_id), &encode(&event, &TraceContext::root()).unwrap())
            .await;
    }
}

/// The next event of that name.
async fn next(listener: &mut Listener, name: &str) -> Event {
    loop {
        let event = listener.event().await;
        if event["event"] == name {
            return event;
        }
    }
}

/// The next events that are shown, and where the viewer stands then.
async fn shown(listener: &mut Listener, count: usize) -> (Vec<Value>, String) {
    let (mut moments, mut position) = (Vec::new(), String::new());
    while moments.len() < count {
        let event = next(listener, "moments").await;
        position.clone_from(&event["id"]);
        moments.extend(data(&event)["moments"].as_array().unwrap().clone());
    }
    (moments, position)
}

#[tokio::test]
async fn who_watches_is_told_events_and_numbers_and_never_a_whole_order_id() {
    let shop = Shop::open().await;
    shop.gateway.place().await;
    let mut viewer = shop.watch(None).await;
    let (before, _) = shown(&mut viewer, 1).await;
    assert_eq!(before.len(), 1, "what has just happened");
    let id = shop.gateway.place().await;
    let (moments, _) = shown(&mut viewer, 1).await;
    let moment = &moments[0];
    assert_eq!((&moment["kind"], &moment["amount"]), (&"placed".into(), &"49.80 EUR".into()));
    assert_eq!(moment["order"], id.to_string()[..8]);
    assert!(!moment.to_string().contains(&id.to_string()), "{moment}");
    loop {
        let now = data(&next(&mut viewer, "now").await);
        if now["figures"]["orders-stream.length"] == "2" && now["figures"]["order-view.lag"] == "0" {
            assert_eq!(now["states"]["api-gateway"], "ready");
            assert_eq!(now["states"]["payment-worker"], "gone");
            break;
        }
    }
}

#[tokio::test]
async fn who_comes_later_sees_what_has_just_happened_and_who_comes_again_what_they_missed() {
    let shop = Shop::open().await;
    let mut first = shop.watch(None).await;
    for _ in 0..3 {
        shop.gateway.place().await;
    }
    let (_, position) = shown(&mut first, 3).await;
    let (recent, _) = shown(&mut shop.watch(None).await, 3).await;
    assert_eq!(recent.len(), 3);
    drop(first);
    for _ in 0..30 {
        shop.gateway.place().await;
    }
    let mut again = shop.watch(Some(&position)).await;
    let (moments, now) = shown(&mut again, 1).await;
    assert_eq!(moments.len(), 20, "as many as anybody can see");
    assert_eq!(data(&next(&mut again, "missed").await), serde_json::json!({ "events": 10, "more": false }));
    // By the header, as browsers say it, which goes before what the address says.
    let request =
        shop.gateway.request("GET", &format!("/live?after={position}")).header("last-event-id", &now);
    let mut third = Listener::to(request).await;
    let event = next(&mut third, "moments").await;
    assert_eq!(data(&event), serde_json::json!({ "moments": [] }), "nothing is told twice");
    shop.gateway.get("/live?after=1-1").await.problem(400);
    shop.gateway.get("/live?before=1-1").await.problem(400);
}

#[tokio::test]
async fn an_orders_page_tells_waiting_from_work_and_shows_its_entries() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    shop.gateway.place().await;
    shop.pay(id).await;
    let path = format!("/orders/{id}/page");
    eventually("the order to be paid", PATIENCE, || async {
        let html = shop.gateway.get(&path).await.text();
        if html.contains(r#"<b class="paid">paid</b>"#) { Ok(()) } else { Err(html) }
    })
    .await;
    let html = shop.gateway.get(&path).await.text();
    for told in [
        "waited: in orders-stream, for a payment-producer",
        "<td>payment-producer-7</td>",
        "worked: attempt 1 at the payment",
        "<td>payment-worker-7</td>",
        "provider 3.0 ms",
        "order.placed",
        "payment.requested",
        "order.paid",
        "Trace <code>",
    ] {
        assert!(html.contains(told), "{told} is not in {html}");
    }
    assert_eq!(html.matches("<details class=\"entry\">").count(), 3, "its own entries alone");
    assert!(!html.contains("<script>alert"), "what others wrote is text: {html}");
    assert!(html.contains("&lt;script&gt;alert") || html.contains("&#60;script&#62;alert"), "{html}");
}

#[tokio::test]
async fn the_page_of_an_accounts_order_is_for_the_account_and_admins() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    let order = serde_json::json!({ "items": [{ "sku": "BOOK-1", "quantity": 1 }] });
    let placed = shop.gateway.send_as(&ada, "POST", "/orders", order).await;
    let path = format!("/orders/{}/page", placed.order_id());
    shop.gateway.get(&path).await.problem(404);
    assert_eq!(shop.gateway.get_as(&ada, &path).await.status, 200);
    assert_eq!(shop.gateway.get_as(&admin, &path).await.status, 200);
    shop.gateway.get("/orders/1/page").await.problem(404);
}

#[tokio::test]
async fn only_an_admin_finds_an_order_by_where_its_event_stands() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    let id = shop.gateway.place().await;
    let (partition, stream) = (shop.store.partitions.of_order(id), shop.store.journal_of(id));
    let entries: Vec<crate::harness::Entry> = shop.store.say(&["XRANGE", &stream, "-", "+"]).await;
    let path = format!("/orders/at/{partition}/{}", entries[0].0);
    shop.gateway.get(&path).await.problem(401);
    shop.gateway.get_as(&ada, &path).await.problem(403);
    assert_eq!(shop.gateway.get_as(&admin, &path).await.status, 200, "by way of the order's own page");
    for nowhere in ["/orders/at/0/1-1", "/orders/at/9/1-1", "/orders/at/0/x", "/orders/at/x/1-1"] {
        shop.gateway.get_as(&admin, nowhere).await.problem(404);
    }
}

#[tokio::test]
async fn while_nobody_watches_nothing_is_looked_at() {
    let shop = Shop::open().await;
    let calls = || async {
        let stats: String = shop.store.say(&["INFO", "commandstats"]).await;
        let line = stats.lines().find(|line| line.starts_with("cmdstat_hlen:"));
        let calls =
            line.and_then(|line| line.split_once("calls=")).and_then(|(_, rest)| rest.split(',').next());
        calls.map_or(0, |calls| calls.parse::<u64>().unwrap())
    };
    let mut viewer = shop.watch(None).await;
    next(&mut viewer, "now").await;
    drop(viewer);
    // The connection's end is noticed with the next thing that is told.
    eventually("the watch to end", PATIENCE, || async {
        let before = calls().await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let after = calls().await;
        if before == after { Ok(()) } else { Err(format!("{} looks", after - before)) }
    })
    .await;
}

#[tokio::test]
async fn it_shows_what_the_gateway_has_counted() {
    let shop = Shop::with_flags(&["--orders-per-minute", "2"]).await;
    for _ in 0..4 {
        shop.gateway.post(crate::harness::two_books()).await;
    }
    let mut viewer = shop.watch(None).await;
    eventually("what was counted to be told", PATIENCE, || async {
        let html = shop.gateway.get("/").await.text();
        // One process has counters for all of its gateways, and others' tests count too.
        let told = |figure: &str| {
            let (_, rest) = html.split_once(&format!(r#"<dd data-figure="{figure}">"#)).unwrap();
            rest.split('<').next().unwrap().to_owned()
        };
        let denied = told("denied").replace(',', "").parse::<u64>();
        if told("cache-hits").ends_with('%') && denied.is_ok_and(|denied| denied >= 2) {
            Ok(())
        } else {
            Err(html)
        }
    })
    .await;
    let now = data(&next(&mut viewer, "now").await);
    assert!(now["figures"]["cache-hits"].as_str().unwrap().ends_with('%'), "{now}");
}
