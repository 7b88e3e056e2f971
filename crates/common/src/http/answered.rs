//! How many requests were answered.

use std::sync::Arc;

use axum::http::StatusCode;
use metrics::{Counter, counter, describe_counter};

/// Requests by the class of their answer's status. Cheap to clone.
#[derive(Clone)]
pub(super) struct Answered(Arc<[Counter; 5]>);

impl Answered {
    pub(super) fn new() -> Self {
        describe_counter!(
            "http_requests_total",
            "Requests that were answered, by the class of the answer's status."
        );
        let of = |class| counter!("http_requests_total", "status" => class);
        Self(Arc::new(["1xx", "2xx", "3xx", "4xx", "5xx"].map(of)))
    }

    pub(super) fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        // Statuses end at 999, and classes that mean anything at 5xx.
        if let Some(counter) = self.0.get(class) {
            counter.increment(1);
        }
    }
}
