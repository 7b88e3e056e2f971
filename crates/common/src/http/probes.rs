//! What orchestrators and operators ask every service, and the service's own routes behind it.

use std::{
    future::ready,
    sync::{Arc, OnceLock},
};

use axum::{
    Json, Router,
    extract::{RawQuery, Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use crate::{
    health::{Health, Part, all_well},
    problem::Problem,
    telemetry,
};

const STARTING: &str = "the service is starting";

/// A service's routes once it has started. Until then every other route than the probes answers 503.
#[derive(Clone, Default)]
pub struct Mount {
    routes: Arc<OnceLock<Router>>,
}

impl Mount {
    /// Opens the service to the public. The first call counts.
    pub fn open(&self, routes: Router) {
        let _ = self.routes.set(routes);
    }

    fn check_open(&self) -> Result<(), String> {
        self.routes.get().map(|_| ()).ok_or_else(|| STARTING.into())
    }

    async fn forward(State(mount): State<Self>, request: Request) -> Response {
        use tower::ServiceExt;
        match mount.routes.get() {
            Some(routes) => routes.clone().oneshot(request).await.into_response(),
            None => Problem::unavailable(STARTING).into_response(),
        }
    }
}

/// The probes and metrics, and behind them whatever `mount` is opened with.
///
/// - `/livez`: 200 as long as the process answers at all.
/// - `/readyz`: 200 when `mount` is open and every part of `health` is well, else 503. `{"ready":false,"parts":{…}}` names
///   the parts that are not well, each with the reason; `/readyz?verbose` tells of every part whether it is well and since
///   when, as far as probes have seen.
/// - `/metrics`: Prometheus text format.
pub fn routes(health: Health, mount: Mount) -> Router {
    let metrics = telemetry::metrics();
    let opened = mount.clone();
    health.add("start", move || opened.check_open());
    Router::new()
        .route("/livez", get(|| ready("live\n")))
        .route("/readyz", get(move |RawQuery(query)| ready(readiness(&health, query.as_deref()))))
        .route(
            "/metrics",
            get(move || {
                let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                ready(([(header::CONTENT_TYPE, text)], metrics.render()))
            }),
        )
        .fallback(Mount::forward)
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "probes and metrics are read with GET")
        })
        .with_state(mount)
}

/// 404, for the fallback of public routes.
pub async fn unknown_route(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

fn readiness(health: &Health, query: Option<&str>) -> Response {
    let parts = health.parts();
    let ready = all_well(&parts);
    let told: Map<String, Value> = if is_verbose(query) {
        parts.into_iter().map(|(name, part)| (name.to_owned(), everything(&part))).collect()
    } else {
        parts
            .into_iter()
            .filter_map(|(name, part)| Some((name.to_owned(), part.state.err()?.into())))
            .collect()
    };
    let mut body = json!({ "ready": ready });
    if !told.is_empty() {
        body["parts"] = told.into();
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

fn is_verbose(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|word| word == "verbose" || word.starts_with("verbose=")))
}

fn everything(part: &Part) -> Value {
    let mut told = json!({ "well": part.state.is_ok(), "since": part.since.to_string() });
    if let Err(reason) = &part.state {
        told["reason"] = reason.as_str().into();
    }
    told
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    use super::*;

    async fn status(routes: &Router, method: &str, path: &str) -> u16 {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        routes.clone().oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_service_whose_parts_are_well_is_not_ready_before_it_is_open() {
        let (health, mount) = (Health::default(), Mount::default());
        let routes = routes(health.clone(), mount.clone());
        health.add("redis", || Ok(()));
        assert_eq!(status(&routes, "GET", "/readyz").await, 503);
        assert_eq!(status(&routes, "GET", "/orders").await, 503);
        assert_eq!(status(&routes, "GET", "/livez").await, 200);
        mount.open(Router::new().route("/orders", get(|| ready("none"))).fallback(unknown_route));
        assert_eq!(status(&routes, "GET", "/readyz").await, 200);
        assert_eq!(status(&routes, "GET", "/orders").await, 200);
        assert_eq!(status(&routes, "GET", "/nowhere").await, 404);
    }

    #[tokio::test]
    async fn a_probe_that_is_not_read_is_405() {
        let routes = routes(Health::default(), Mount::default());
        assert_eq!(status(&routes, "POST", "/readyz").await, 405);
    }

    async fn readyz(health: &Health, query: &str) -> Value {
        let request = Request::builder().uri(format!("/readyz{query}")).body(Body::empty()).unwrap();
        let answer = routes(health.clone(), Mount::default()).oneshot(request).await.unwrap();
        serde_json::from_slice(&to_bytes(answer.into_body(), usize::MAX).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn readiness_names_what_is_not_well_and_when_asked_everything() {
        let health = Health::default();
        health.add("redis", || Ok(()));
        let brief = readyz(&health, "").await;
        assert_eq!(brief, json!({ "ready": false, "parts": { "start": STARTING } }));
        for query in ["?verbose", "?a=b&verbose=1"] {
            let mut verbose = readyz(&health, query).await;
            for part in ["redis", "start"] {
                let since = verbose["parts"][part].as_object_mut().unwrap().remove("since").unwrap();
                since.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            }
            let parts = json!({ "redis": { "well": true }, "start": { "well": false, "reason": STARTING } });
            assert_eq!(verbose, json!({ "ready": false, "parts": parts }));
        }
        assert_eq!(readyz(&health, "?verbosely").await, brief);
    }
}
