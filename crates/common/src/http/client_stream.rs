//! The bytes from and to a client, with an end to what waits for it.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a closed connection waits for the client to have read its last answer.
const LINGER: Duration = Duration::from_secs(1);

/// A stream that
///
/// - fails when the client takes nothing for the time allowed, though there is something to send;
/// - closes in two steps, as RFC 9112, section 9.6, asks: it ends its own side, and throws away what still comes until the
///   client has ended his. A socket that is closed with unread bytes resets the connection, and many clients then lose the
///   answer that they were sent.
pub(super) struct ClientStream<Io> {
    io: Io,
    write_timeout: Duration,
    /// Ends the waiting that goes on now. Made only when there is one: most answers are sent at once.
    timer: Option<Pin<Box<Sleep>>>,
    is_finished: bool,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> ClientStream<Io> {
    pub(super) fn new(io: Io, write_timeout: Duration) -> Self {
        Self { io, write_timeout, timer: None, is_finished: false }
    }

    /// Waits until `limit` has passed since the waiting began.
    fn poll_limit(&mut self, context: &mut Context<'_>, limit: Duration) -> Poll<()> {
        self.timer.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(context)
    }

    /// Turns a write for which the client has kept us waiting too long into an error.
    fn unless_stalled<T>(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.timer = None;
            return write;
        }
        self.poll_limit(context, self.write_timeout).map(|()| Err(ErrorKind::TimedOut.into()))
    }

    /// Reads until the client closes, for as long as [`LINGER`].
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.poll_limit(context, LINGER).is_pending() {
            let mut unwanted = [0; 4096];
            let mut unwanted = ReadBuf::new(&mut unwanted);
            let read = ready!(Pin::new(&mut self.io).poll_read(context, &mut unwanted));
            if read.is_err() || unwanted.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientStream<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.io).poll_write(context, bytes);
        self.unless_stalled(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.unless_stalled(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_finished {
            ready!(Pin::new(&mut self.io).poll_shutdown(context))?;
            self.is_finished = true;
        }
        self.poll_linger(context).map(Ok)
    }
}
