//! Two instances of a web shop that share its sessions: who logs in at one is known at the other, what both change at once
//! counts twice, and who logs out at one is logged out at both.
//!
//! ```sh
//! cargo run -p redis-kit --example sessions
//! ```
//!
//! It runs on the Redis that `REDIS_URL` names, or else on a private one. The requests are made in the same process, and
//! no port is opened.

use std::error::Error;

use axum::{
    Router,
    body::Body,
    extract::{FromRef, Path, State},
    http::{
        Request, StatusCode,
        header::{COOKIE, SET_COOKIE},
    },
    response::{AppendHeaders, IntoResponse},
    routing::{get, post},
};
use local_redis::{Durability, Server};
use redis_kit::{
    Redis,
    session::{Saving, SessionCookie, SessionOf, SessionOptions, SessionRejection, Sessions},
};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    if let Ok(url) = std::env::var("REDIS_URL") {
        demonstrate(&Redis::open(&url)?).await?;
    } else {
        let server = Server::ephemeral(Durability::Volatile).await?;
        demonstrate(&Redis::open(&server.url())?).await?;
    }
    Ok(())
}

/// What a session holds.
#[derive(Serialize, Deserialize)]
struct Cart {
    customer: String,
    items: u32,
}

/// What the handlers of an instance need.
#[derive(Clone)]
struct Shop {
    sessions: Sessions<Cart>,
    cookie: SessionCookie,
}

// What `SessionOf` needs of it.
impl FromRef<Shop> for Sessions<Cart> {
    fn from_ref(shop: &Shop) -> Self {
        shop.sessions.clone()
    }
}

impl FromRef<Shop> for SessionCookie {
    fn from_ref(shop: &Shop) -> Self {
        shop.cookie.clone()
    }
}

/// An instance, with a connection to Redis of its own.
fn instance(redis: &Redis) -> Result<Router> {
    let sessions = Sessions::new(redis, SessionOptions::default())?;
    let shop = Shop { sessions, cookie: SessionCookie::default() };
    Ok(Router::new()
        .route("/login/{customer}", post(log_in))
        .route("/logout", post(log_out))
        .route("/cart", get(cart).post(add_to_cart))
        .with_state(shop))
}

/// Whoever comes with a session already, be it planted or another customer's, does not keep it.
async fn log_in(
    State(shop): State<Shop>,
    Path(customer): Path<String>,
    before: Option<SessionOf<Cart>>,
) -> std::result::Result<impl IntoResponse, SessionRejection> {
    let old = before.as_ref().map(|before| &before.token);
    let cart = Cart { customer, items: 0 };
    // A real shop would look at a password, and know the user's tag by it.
    let (token, session) = shop.sessions.begin("customer-17", cart, old).await?;
    Ok(AppendHeaders([(SET_COOKIE, shop.cookie.set(&token, &session))]))
}

async fn log_out(
    State(shop): State<Shop>,
    SessionOf { token, .. }: SessionOf<Cart>,
) -> std::result::Result<impl IntoResponse, SessionRejection> {
    shop.sessions.revoke(&token).await?;
    Ok(AppendHeaders([(SET_COOKIE, shop.cookie.clear())]))
}

async fn cart(SessionOf { session, .. }: SessionOf<Cart>) -> String {
    format!("{} has {} items", session.data.customer, session.data.items)
}

/// Adds to what is there, also if another request has just done so.
async fn add_to_cart(
    State(shop): State<Shop>,
    SessionOf { token, mut session }: SessionOf<Cart>,
) -> std::result::Result<StatusCode, SessionRejection> {
    loop {
        session.data.items += 1;
        match shop.sessions.save(&mut session).await? {
            Saving::Saved => return Ok(StatusCode::NO_CONTENT),
            Saving::Gone => return Err(SessionRejection::Missing),
            Saving::Changed => {
                session = shop.sessions.load(&token).await?.ok_or(SessionRejection::Missing)?;
            }
        }
    }
}

/// What the browser was told, a line for each request.
pub(crate) async fn demonstrate(redis: &Redis) -> Result<Vec<String>> {
    let (north, south) = (instance(redis)?, instance(redis)?);
    let mut told = Vec::new();

    let answer = ask(&north, "POST", "/login/Ada", "").await?;
    let cookie = answer.cookie.split(';').next().unwrap_or_default();
    told.push(format!("Ada logs in at north: {}", answer.status));
    told.push(format!("south says: {}", ask(&south, "GET", "/cart", cookie).await?.body));

    let at_once = (0..10).map(|n| ask(if n % 2 == 0 { &north } else { &south }, "POST", "/cart", cookie));
    futures_util::future::try_join_all(at_once).await?;
    told.push(format!("north says: {}", ask(&north, "GET", "/cart", cookie).await?.body));

    told.push(format!("Ada logs out at south: {}", ask(&south, "POST", "/logout", cookie).await?.status));
    told.push(format!("and is unknown at north: {}", ask(&north, "GET", "/cart", cookie).await?.status));
    for line in &told {
        println!("{line}");
    }
    Ok(told)
}

/// What a browser sees of an answer.
struct Answer {
    status: StatusCode,
    cookie: String,
    body: String,
}

async fn ask(instance: &Router, method: &str, path: &str, cookie: &str) -> Result<Answer> {
    let request = Request::builder().method(method).uri(path).header(COOKIE, cookie).body(Body::empty())?;
    let answer = instance.clone().oneshot(request).await?;
    let cookie = answer.headers().get(SET_COOKIE).map_or(Ok(""), |cookie| cookie.to_str())?.to_owned();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1024).await?;
    Ok(Answer { status, cookie, body: String::from_utf8(body.to_vec())? })
}
