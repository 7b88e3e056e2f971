//! One connection.

use std::{convert::Infallible, pin::pin, sync::Arc};

use axum::{Router, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    HttpLimits, answer::Answering, answered::Answered, client_stream::ClientStream, lazy_timer::LazyTimer,
};

/// How much of a body a connection holds at most before its handler takes it.
const MAX_BUFFER: usize = 64 * 1024;

/// How connections are served.
#[derive(Clone)]
pub(super) struct Protocol {
    limits: HttpLimits,
    http: http1::Builder,
    answered: Answered,
    /// From here on every answer is its connection's last.
    stopping: CancellationToken,
    /// From here on connections are closed as soon as no request is in flight.
    pub(super) closing: CancellationToken,
}

impl Protocol {
    pub(super) fn new(limits: HttpLimits, stopping: CancellationToken) -> Self {
        let max_header_bytes = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
        let mut http = http1::Builder::new();
        // It begins anew when a connection is free for its next request, and so ends idle ones too.
        http.header_read_timeout(limits.header_timeout)
            .max_header_size(max_header_bytes)
            .max_buf_size(MAX_BUFFER);
        Self { limits, http, answered: Answered::new(), stopping, closing: CancellationToken::new() }
    }

    /// Answers the requests that come over `io` by `routes`. Handlers find `info` as `ConnectInfo<Info>`.
    pub(super) async fn converse<Io, Info>(self, io: Io, info: Info, routes: Router)
    where
        Io: AsyncRead + AsyncWrite + Unpin,
        Info: Clone + Send + Sync + 'static,
    {
        let Self { limits, mut http, answered, stopping, closing } = self;
        let timer = LazyTimer::default();
        http.timer(timer.clone());
        let answering = Answering { routes, limit: limits.request_timeout, timer, answered, stopping };
        // Shared, because it costs less than to clone it for each request.
        let answering = Arc::new(answering);
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(info.clone()));
            let answering = Arc::clone(&answering);
            async move { Ok::<_, Infallible>(answering.answer(request).await) }
        });
        let io = TokioIo::new(ClientStream::new(io, limits.write_timeout));
        let mut connection = pin!(http.serve_connection(io, service));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // The client is gone, was too slow, or did not speak HTTP: nothing that we could do about it.
        if let Err(error) = ended {
            debug!(%error, "a connection broke");
        }
    }
}
