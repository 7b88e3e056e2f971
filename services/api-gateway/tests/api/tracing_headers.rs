//! The headers by which a request is found again: the trace's and the request's own.

use redis_kit::trace::TraceContext;

use crate::harness::{Answer, Gateway, Shop, two_books};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

impl Shop {
    /// The `traceparent` in the journal for an order that came with this one.
    async fn recorded(&self, traceparent: Option<&str>) -> String {
        let mut request = self.gateway.order(two_books());
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let id = Answer::to(request).await.order_id();
        let journal = self.store.journal().await;
        let entry = journal.iter().find(|(_, fields)| fields[4].1.contains(&id.to_string())).unwrap();
        entry.1[3].1.clone()
    }
}

#[tokio::test]
async fn the_callers_trace_is_continued_into_the_journal() {
    let shop = Shop::open().await;
    let given = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let recorded = shop.recorded(Some(&given)).await;
    assert_eq!(recorded.parse::<TraceContext>().unwrap().trace_id(), TRACE);
    assert_ne!(recorded, given, "the gateway's span is its own");
    let unsampled = shop.recorded(Some(&format!("00-{TRACE}-00f067aa0ba902b7-00"))).await;
    assert!(unsampled.ends_with("-00"), "{unsampled}");
}

#[tokio::test]
async fn a_trace_is_begun_where_there_is_none_that_can_be_read() {
    let shop = Shop::open().await;
    for given in [
        None,
        Some("hello"),
        Some(""),
        Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        Some("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"),
    ] {
        let recorded = shop.recorded(given).await;
        let trace: TraceContext = recorded.parse().unwrap();
        assert_ne!(trace.trace_id(), TRACE, "{given:?}");
    }
}

async fn request_id(gateway: &Gateway, path: &str, given: Option<&str>) -> String {
    let mut request = gateway.request("GET", path);
    if let Some(given) = given {
        request = request.header("x-request-id", given);
    }
    Answer::to(request).await.header("x-request-id").expect("a request id").to_owned()
}

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with() {
    let shop = Shop::open().await;
    for path in ["/orders/1", "/nowhere", "/orders"] {
        assert_eq!(request_id(&shop.gateway, path, Some("mine-1")).await, "mine-1");
    }
}

#[tokio::test]
async fn a_request_without_an_id_gets_one_of_its_own() {
    let shop = Shop::open().await;
    let first = request_id(&shop.gateway, "/orders/1", None).await;
    let second = request_id(&shop.gateway, "/orders/1", None).await;
    assert!(first.parse::<uuid::Uuid>().is_ok(), "{first}");
    assert_ne!(first, second);
}
