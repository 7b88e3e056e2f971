//! Connections that can be broken on purpose, as a failing network breaks them.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use common::http::{self, HttpLimits};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// Serves until `shutdown`, then finishes the requests in flight. A handler finds its connection as
/// `ConnectInfo<Line>`.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: HttpLimits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    http::serve_over(listener, routes, limits, shutdown, |stream, _| {
        let line = Line::default();
        (Connection::over(stream, line.clone()), line)
    })
    .await
}

/// The connection that a request came in on.
#[derive(Clone, Default)]
pub(crate) struct Line {
    cut: Arc<AtomicBool>,
    repeat: Arc<AtomicBool>,
}

impl Line {
    /// Resets the connection instead of answering. What is returned is never sent: the attempt to do so is what
    /// notices the cut.
    pub(crate) fn cut(&self) -> Response {
        self.cut.store(true, Ordering::Relaxed);
        ().into_response()
    }

    /// Sends this answer, and once more before the connection's next one.
    pub(crate) fn repeat(&self, answer: impl IntoResponse) -> Response {
        self.repeat.store(true, Ordering::Relaxed);
        answer.into_response()
    }
}

/// A TCP stream that fails from the moment its line is cut.
struct Connection {
    stream: TcpStream,
    line: Line,
    /// What has been sent of an answer that is to be sent once more.
    written: Vec<u8>,
    /// What is to be sent before anything else.
    due: Vec<u8>,
}

impl Connection {
    fn over(stream: TcpStream, line: Line) -> Self {
        Self { stream, line, written: Vec::new(), due: Vec::new() }
    }

    /// With a linger time of zero, closing the socket sends RST instead of FIN, and drops what was not sent. The
    /// error makes hyper close it.
    fn check(&self) -> io::Result<()> {
        if !self.line.cut.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.stream.set_zero_linger()?;
        Err(ErrorKind::ConnectionReset.into())
    }

    fn is_to_repeat(&self) -> bool {
        self.line.repeat.load(Ordering::Relaxed)
    }

    /// Sends what is due.
    fn poll_repeat(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.due.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.due))?;
            self.due.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        ready!(self.poll_repeat(context))?;
        let sent = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        if self.is_to_repeat() {
            self.written.extend_from_slice(&bytes[..sent]);
        }
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        if self.is_to_repeat() || !self.due.is_empty() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(context, first.map_or(&[], |slice| slice));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        // The answer is complete.
        if !self.written.is_empty() {
            self.due = std::mem::take(&mut self.written);
            self.line.repeat.store(false, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
