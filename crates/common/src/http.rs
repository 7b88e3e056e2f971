//! The HTTP side that every service has: where it listens, and `/livez`, `/readyz`, `/metrics`.

use std::{
    future::ready,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Args;
use listenfd::ListenFd;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    health::{Health, all_well},
    problem::Problem,
    telemetry,
};

/// Where a service listens.
#[derive(Args, Clone, Debug)]
pub struct HttpArgs {
    /// The address to listen on
    #[arg(long, env = "LISTEN_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    pub listen_host: IpAddr,
    /// The port to listen on; 0 takes any free one [default: api-gateway 8080, sandbox 8090, others 0]
    #[arg(long, env = "PORT")]
    pub port: Option<u16>,
}

impl HttpArgs {
    /// The listener that this process was started with, if it was (socket activation: `LISTEN_FDS`, as systemd sets it).
    /// Else binds the port asked for, or `default_port`; fails with what to do when it is taken.
    pub async fn bind(&self, default_port: u16) -> anyhow::Result<TcpListener> {
        if let Some(listener) = given_listener().context("cannot use the socket given by LISTEN_FDS")? {
            return Ok(listener);
        }
        let address = SocketAddr::new(self.listen_host, self.port.unwrap_or(default_port));
        TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}; choose another port with --port or PORT"))
    }
}

fn given_listener() -> io::Result<Option<TcpListener>> {
    let Some(listener) = ListenFd::from_env().take_tcp_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Some)
}

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
/// - `/readyz`: 200 when `mount` is open and every part of `health` is well, else 503; the body names each part.
/// - `/metrics`: Prometheus text format.
pub fn routes(health: Health, mount: Mount) -> Router {
    let metrics = telemetry::metrics();
    let opened = mount.clone();
    health.add("start", move || opened.check_open());
    Router::new()
        .route("/livez", get(|| ready("live\n")))
        .route("/readyz", get(move || ready(readiness(&health))))
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

fn readiness(health: &Health) -> Response {
    let parts = health.parts();
    let ready = all_well(&parts);
    let parts: Map<String, Value> = parts
        .into_iter()
        .map(|(part, state)| (part.to_owned(), state.map_or_else(Value::from, |()| "ok".into())))
        .collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "parts": parts }))).into_response()
}

/// Serves until `shutdown`, then finishes the requests in flight.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(NoDelay(listener), routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// Small answers must not wait for the acknowledgement of earlier ones (Nagle's algorithm).
struct NoDelay(TcpListener);

impl axum::serve::Listener for NoDelay {
    type Io = tokio::net::TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, peer) = axum::serve::Listener::accept(&mut self.0).await;
        // A connection without the option is slower, not wrong.
        let _ = stream.set_nodelay(true);
        (stream, peer)
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
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
}
