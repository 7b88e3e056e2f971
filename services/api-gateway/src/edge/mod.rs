//! What holds for every request, whatever it asks for.
//!
//! | to follow | open |
//! |---|---|
//! | which address it comes from | `client_address.rs` |
//! | who sent it | `caller.rs` |
//! | whether another site made a browser send it | `cross_origin.rs` |
//! | its body | `body.rs` |
//! | what stands behind the `?` | `query.rs` |
//! | what browsers are told about every answer | `answers.rs` |
//! | events that are told as they happen | `sse.rs` |
//! | what it is called in its answer | `request_id.rs` |

mod answers;
pub(crate) mod body;
mod caller;
mod client_address;
mod cross_origin;
pub(crate) mod query;
mod request_id;
pub(crate) mod sse;

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::{Method, StatusCode, Uri},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use common::{http::unknown_route, problem::Problem};
use futures_util::FutureExt;

pub(crate) use caller::{Admin, LoggedIn};
pub(crate) use client_address::{ClientAddress, ProxyArgs};

use crate::error::internal;

/// Puts around `routes` what holds for every route, and for those that do not exist: `limit` among it, which knows the
/// client's address by then.
pub(crate) fn edge(routes: Router, limit: impl FnOnce(Router) -> Router, proxies: ProxyArgs) -> Router {
    let proxies = Arc::new(proxies);
    let routes = routes.fallback(unknown_route).method_not_allowed_fallback(wrong_method);
    limit(routes).layer(from_fn(move |request, next| pass(Arc::clone(&proxies), request, next)))
}

/// One layer for all of it, because each costs every request some allocations and copies.
async fn pass(proxies: Arc<ProxyArgs>, mut request: Request, next: Next) -> Response {
    let id = request_id::of(request.headers());
    let peer = request.extensions().get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
    let client = ClientAddress::of(peer, request.headers(), &proxies);
    request.extensions_mut().insert(client);
    let mut response = if let Some(refusal) = cross_origin::refusal(&request) {
        refusal.into_response()
    } else {
        let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        answered.unwrap_or_else(|_panic| internal().into_response())
    };
    answers::add_defaults(response.headers_mut());
    response.headers_mut().insert(request_id::HEADER, id);
    response
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use axum::{
        body::{Body, to_bytes},
        extract::Request,
        routing::get,
    };
    use common::http::{HttpLimits, serve};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        time::timeout,
    };
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    use super::*;

    async fn panics() -> StatusCode {
        panic!("a secret")
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_keeps_the_request_id_and_tells_nothing() {
        let routes = edge(Router::new().route("/", get(panics)), |routes| routes, ProxyArgs::none());
        let request = Request::builder().header("x-request-id", "mine-1").body(Body::empty()).unwrap();
        let response = routes.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["x-request-id"], "mine-1");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&problem["status"], &problem["title"]), (&500.into(), &"Internal Server Error".into()));
        assert!(!String::from_utf8_lossy(&body).contains("secret"), "{problem}");
    }

    #[tokio::test]
    async fn a_panic_ends_neither_the_server_nor_its_connection() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let routes = Router::new().route("/panics", get(panics)).route("/", get(|| async { "well" }));
        let routes = edge(routes, |routes| routes, ProxyArgs::none());
        let serving = serve(listener, routes, HttpLimits::default(), CancellationToken::new());
        let asking = async {
            let heads = ["GET /panics HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n"];
            client.write_all(heads.concat().as_bytes()).await.unwrap();
            let mut answers = String::new();
            client.read_to_string(&mut answers).await.unwrap();
            answers
        };
        let answers = tokio::select! {
            ended = serving => panic!("the server has ended: {ended:?}"),
            answers = timeout(Duration::from_secs(20), asking) => answers.expect("two answers"),
        };
        assert!(answers.starts_with("HTTP/1.1 500 "), "{answers}");
        assert!(answers.contains("HTTP/1.1 200 OK") && answers.ends_with("well"), "{answers}");
    }
}
