//! A server in this process.

use std::{
    future::{pending, ready},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::header,
    routing::{get, post},
};
use common::http::{HttpLimits, serve};
use futures_util::StreamExt;
use test_support::eventually;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine: only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A limit that is reached soon, and not by a test that is held up for a moment.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// A server, and what its handlers are at.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Gate,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(limits: HttpLimits) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, shutdown) = (Gate::default(), CancellationToken::new());
        let task = tokio::spawn(serve(listener, routes(&gate), limits, shutdown.clone()));
        Self { address, gate, shutdown, task }
    }

    /// Waits for the end that [`Server::shutdown`] asked for.
    pub(crate) async fn ended(self) {
        timeout(PATIENCE, self.task).await.expect("the server ends").unwrap().unwrap();
    }
}

fn routes(gate: &Gate) -> Router {
    let (gate, length) = (gate.clone(), |body: Bytes| ready(body.len().to_string()));
    Router::new()
        .route("/tiny", get(|| ready("tiny")).post(|| ready("tiny")))
        .route("/length", post(length))
        .route("/huge", get(|| ready(vec![b'.'; 64 * 1024 * 1024])))
        .route("/never", get(pending::<()>).post(pending::<()>))
        .route("/gate", get(move || async move { gate.pass().await }))
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| ready(peer.to_string())))
        .route("/events", get(|| ready(events())))
}

/// A first event after longer than [`SOON`], and then none.
fn events() -> ([(header::HeaderName, &'static str); 1], Body) {
    let first = async {
        tokio::time::sleep(2 * SOON).await;
        io::Result::Ok("data: 1\n\n")
    };
    let events = futures_util::stream::once(first).chain(futures_util::stream::pending());
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events))
}

/// Where handlers wait until they are let through.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    waiting: Arc<AtomicUsize>,
    open: CancellationToken,
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    async fn pass(&self) -> &'static str {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(Arc::clone(&self.waiting));
        self.open.cancelled().await;
        "passed"
    }

    pub(crate) fn open(&self) {
        self.open.cancel();
    }

    /// Waits until so many handlers wait.
    pub(crate) async fn until_waiting(&self, count: usize) {
        eventually(&format!("{count} handlers to wait"), PATIENCE, || async {
            let waiting = self.waiting.load(Ordering::SeqCst);
            if waiting == count { Ok(()) } else { Err(format!("{waiting} do")) }
        })
        .await;
    }
}
