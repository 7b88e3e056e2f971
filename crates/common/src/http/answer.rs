//! One request and its answer.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use metrics::counter;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::ServiceExt;

use super::{answered::Answered, lazy_timer::LazyTimer};
use crate::problem::Problem;

/// How the requests of one connection are answered.
pub(super) struct Answering {
    pub(super) routes: Router,
    /// From a request's head until its answer begins.
    pub(super) limit: Duration,
    pub(super) timer: LazyTimer,
    pub(super) answered: Answered,
    /// From here on answers say that the connection closes after them, and event streams end.
    pub(super) stopping: CancellationToken,
}

impl Answering {
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response {
        let (request, client) = watch(request);
        let mut answer = match self.timer.timeout(self.limit, self.routes.clone().oneshot(request)).await {
            Some(answer) => answer.into_response(),
            None if client.is_awaited() => too_slow_client(self.limit),
            None => too_slow_handler(self.limit),
        };
        self.answered.count(answer.status());
        if self.stopping.is_cancelled() {
            closes_connection(&mut answer);
        }
        if is_event_stream(&answer) {
            answer = answer.map(|body| Body::new(Ending::at(self.stopping.clone(), body)));
        }
        answer
    }
}

fn too_slow_client(limit: Duration) -> Response {
    counter!("http_requests_timed_out_total", "waited_for" => "client").increment(1);
    let problem =
        Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the request did not come whole within {limit:?}"));
    let mut answer = problem.into_response();
    closes_connection(&mut answer);
    answer
}

/// Not 504: like every other 503 of ours, it says that what became of the request is unknown, and to try again.
fn too_slow_handler(limit: Duration) -> Response {
    counter!("http_requests_timed_out_total", "waited_for" => "handler").increment(1);
    Problem::unavailable(format!(
        "the request was not answered within {limit:?}; it may have been carried out"
    ))
    .into_response()
}

pub(super) fn closes_connection(answer: &mut Response) {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}

fn is_event_stream(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"))
}

/// Whether it is the client who is waited for: whose body is being read, and does not come.
#[derive(Clone, Default)]
struct ClientWatch(Arc<AtomicBool>);

impl ClientWatch {
    fn is_awaited(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn watch(request: Request<Incoming>) -> (Request<Body>, ClientWatch) {
    let client = ClientWatch::default();
    let request = request.map(|body| {
        if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(WatchedBody { body, client: client.clone() })
        }
    });
    (request, client)
}

/// A request's body that notes whether it keeps its reader waiting.
struct WatchedBody {
    body: Incoming,
    client: ClientWatch,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.client.0.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body that ends at a moment from outside: nothing else ends an event stream, and its listener knows how to
/// go on from the last event.
struct Ending {
    body: Body,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Ending {
    fn at(end: CancellationToken, body: Body) -> Self {
        Self { body, end: Box::pin(end.cancelled_owned()) }
    }
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }
}
