//! Connections that come, are too many, and are drained.

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{HttpLimits, answer::closes_connection, connection::Protocol, descriptors::allowed_connections};
use crate::problem::Problem;

/// How many connections beyond those allowed are told so at a time. Still others are closed without a word.
pub const REFUSALS: usize = 64;

/// How long a refused client may take to ask, and to read the refusal.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long connections stay open after the shutdown for requests that are on their way. A client that asks one thing
/// after the other learns by its next answer that the connection closes, and is not broken off.
const GRACE: Duration = Duration::from_millis(500);

/// How many connections may have waited to be accepted at the shutdown: the backlog that Tokio asks for.
const BACKLOG: usize = 1024;

/// Serves `routes` until `shutdown`, and then ends without breaking anything off. Handlers find the client's address as
/// `ConnectInfo<SocketAddr>`.
///
/// From the shutdown on
///
/// 1. clients whose connection stands are accepted, and then nobody;
/// 2. every answer says `Connection: close`, and event streams end;
/// 3. connections that still have no request after a short while are closed, so that one which is on its way is
///    answered, and what is in flight is finished.
///
/// A handler has as long for that as it has anyway; who calls this decides whether to wait. Dropped, the future takes
/// all connections with it.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: HttpLimits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_over(listener, routes, limits, shutdown, |stream, peer| (stream, peer)).await
}

/// The same over connections that `open` makes of what was accepted. Handlers find what it tells of each as
/// `ConnectInfo<Info>`.
pub async fn serve_over<Io, Info>(
    listener: TcpListener,
    routes: Router,
    limits: HttpLimits,
    shutdown: CancellationToken,
    open: impl Fn(TcpStream, SocketAddr) -> (Io, Info),
) -> io::Result<()>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Info: Clone + Send + Sync + 'static,
{
    let mut server = Server::new(routes, limits, shutdown.clone(), open);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            (stream, peer) = accept(&listener) => server.admit(stream, peer),
            Some(_) = server.served.join_next() => server.tell_connections(),
            Some(_) = server.refused.join_next() => {}
        }
    }
    server.admit_backlog(listener)?;
    server.drain().await;
    Ok(())
}

/// The next connection, whatever befalls others.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Most likely there are no descriptors left, and there will be when connections end.
                warn!(%error, "cannot accept connections");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Whether the client went away before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Server<Open> {
    routes: Router,
    protocol: Protocol,
    open: Open,
    max_connections: usize,
    served: JoinSet<()>,
    refusal: Protocol,
    refused: JoinSet<()>,
}

impl<Open> Server<Open> {
    fn new(routes: Router, limits: HttpLimits, stopping: CancellationToken, open: Open) -> Self {
        describe_gauge!("http_connections", "Connections that clients have open.");
        describe_counter!("http_connections_refused_total", "Connections that were too many.");
        describe_counter!(
            "http_requests_timed_out_total",
            "Requests that were not answered in time, by who was waited for."
        );
        let refusal = HttpLimits {
            header_timeout: REFUSAL_TIMEOUT,
            request_timeout: REFUSAL_TIMEOUT,
            write_timeout: REFUSAL_TIMEOUT,
            ..limits
        };
        Self {
            max_connections: allowed_connections(limits.max_connections),
            refusal: Protocol::new(refusal, stopping.clone()),
            protocol: Protocol::new(limits, stopping),
            routes,
            open,
            served: JoinSet::new(),
            refused: JoinSet::new(),
        }
    }

    fn tell_connections(&self) {
        #[expect(clippy::cast_precision_loss, reason = "there are no 2^52 connections")]
        gauge!("http_connections").set(self.served.len() as f64);
    }
}

impl<Io, Info, Open> Server<Open>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Info: Clone + Send + Sync + 'static,
    Open: Fn(TcpStream, SocketAddr) -> (Io, Info),
{
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        // Small answers must not wait for the acknowledgement of earlier ones (Nagle's algorithm). A connection without
        // the option is slower, not wrong.
        let _ = stream.set_nodelay(true);
        if room(&mut self.served, self.max_connections) {
            let (io, info) = (self.open)(stream, peer);
            self.served.spawn(self.protocol.clone().converse(io, info, self.routes.clone()));
            self.tell_connections();
        } else {
            self.refuse(stream, peer);
        }
    }

    fn refuse(&mut self, stream: TcpStream, peer: SocketAddr) {
        counter!("http_connections_refused_total").increment(1);
        if room(&mut self.refused, REFUSALS) {
            let routes = Router::new().fallback(too_many_connections);
            self.refused.spawn(self.refusal.clone().converse(stream, peer, routes));
        }
    }

    /// Takes in who was connected before the listener closes, and would be reset by that.
    fn admit_backlog(&mut self, listener: TcpListener) -> io::Result<()> {
        // Tokio would have to be told by the system that somebody is there; the system itself knows.
        let listener = listener.into_std()?;
        for _ in 0..BACKLOG {
            let Ok((stream, peer)) = listener.accept() else { break };
            stream.set_nonblocking(true)?;
            self.admit(TcpStream::from_std(stream)?, peer);
        }
        Ok(())
    }

    async fn drain(mut self) {
        let all_ended = async {
            while self.served.join_next().await.is_some() {}
            while self.refused.join_next().await.is_some() {}
        };
        let mut all_ended = std::pin::pin!(all_ended);
        if timeout(GRACE, all_ended.as_mut()).await.is_err() {
            self.protocol.closing.cancel();
            all_ended.await;
        }
    }
}

/// Whether there is room for one more.
fn room(tasks: &mut JoinSet<()>, max: usize) -> bool {
    if tasks.len() >= max {
        // Those that have ended and were not collected yet.
        while tasks.try_join_next().is_some() {}
    }
    tasks.len() < max
}

async fn too_many_connections() -> axum::response::Response {
    use axum::response::IntoResponse;
    let mut refusal = Problem::unavailable("there are too many connections; try again").into_response();
    closes_connection(&mut refusal);
    refusal
}
