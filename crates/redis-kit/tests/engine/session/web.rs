//! Sessions of an axum service, by their cookie.

use axum::{
    Router,
    body::Body,
    extract::{FromRef, State},
    http::{
        Request, Response, StatusCode,
        header::{COOKIE, SET_COOKIE},
    },
    response::{AppendHeaders, IntoResponse},
    routing::{get, post},
};
use redis_kit::session::{SessionCookie, SessionOf, SessionRejection, Sessions};
use tower::ServiceExt;

use super::{ABSOLUTE, Cart, IDLE, USER, instance, is_logged_in, login};
use crate::harness::Bench;

#[derive(Clone)]
struct Shop {
    sessions: Sessions<Cart>,
    cookie: SessionCookie,
}

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

async fn log_in(State(shop): State<Shop>, guest: Option<SessionOf<Cart>>) -> impl IntoResponse {
    let old = guest.as_ref().map(|guest| &guest.token);
    let (token, session) = shop.sessions.begin(USER, Cart { items: 3 }, old).await.unwrap();
    AppendHeaders([(SET_COOKIE, shop.cookie.set(&token, &session))])
}

async fn log_out(State(shop): State<Shop>, SessionOf { token, .. }: SessionOf<Cart>) -> impl IntoResponse {
    shop.sessions.revoke(&token).await.unwrap();
    AppendHeaders([(SET_COOKIE, shop.cookie.clear())])
}

/// The application's own answer to whoever has no session.
async fn mine(found: Result<SessionOf<Cart>, SessionRejection>) -> Result<String, (StatusCode, String)> {
    let problem =
        |rejection: SessionRejection| (StatusCode::FORBIDDEN, format!("{{\"title\":\"{rejection}\"}}"));
    Ok(format!("{} items", found.map_err(problem)?.session.data.items))
}

impl Shop {
    fn on(bench: &Bench) -> Self {
        Self { sessions: instance(&bench.redis()), cookie: SessionCookie::default() }
    }

    async fn ask(&self, method: &str, path: &str, cookies: &[&str]) -> Response<Body> {
        let routes = Router::new()
            .route("/login", post(log_in))
            .route("/logout", post(log_out))
            .route(
                "/items",
                get(async |SessionOf { session, .. }: SessionOf<Cart>| session.data.items.to_string()),
            )
            .route("/hello", get(async |guest: Option<SessionOf<Cart>>| guest.is_some().to_string()))
            .route("/mine", get(mine))
            .with_state(self.clone());
        let mut request = Request::builder().method(method).uri(path);
        for cookie in cookies {
            request = request.header(COOKIE, *cookie);
        }
        routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn get(&self, path: &str, cookies: &[&str]) -> (StatusCode, String) {
        let answer = self.ask("GET", path, cookies).await;
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1024).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

/// What a browser sends back of what it was told to keep.
fn cookie(answer: &Response<Body>) -> (&str, &str) {
    answer.headers()[SET_COOKIE].to_str().unwrap().split_once("; ").unwrap()
}

#[tokio::test]
async fn a_browser_logs_in_and_out_by_its_cookie() {
    let bench = Bench::start().await;
    let shop = Shop::on(&bench);
    let answer = shop.ask("POST", "/login", &[]).await;
    let (kept, attributes) = cookie(&answer);
    assert!(kept.starts_with("__Host-session=t."), "{kept}");
    let lasts = format!("Max-Age={}", ABSOLUTE.as_secs());
    assert_eq!(attributes, format!("Path=/; Secure; HttpOnly; SameSite=Lax; {lasts}"));
    assert_eq!(shop.get("/items", &["a=1", kept]).await, (StatusCode::OK, "3".into()));

    let again = shop.ask("POST", "/login", &[kept]).await;
    assert_eq!(shop.get("/items", &[kept]).await.0, StatusCode::UNAUTHORIZED, "a login rotates");
    let (kept, _) = cookie(&again);
    let bye = shop.ask("POST", "/logout", &[kept]).await;
    assert_eq!(cookie(&bye), ("__Host-session=", "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"));
    assert_eq!(shop.get("/items", &[kept]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_cookie_of_a_rotated_session_lasts_until_the_same_end() {
    let bench = Bench::start().await;
    let shop = Shop::on(&bench);
    let token = login(&shop.sessions).await;
    bench.age(&token, IDLE / 2).await;
    let (token, session) = shop.sessions.rotate(&token).await.unwrap().unwrap();
    let set = shop.cookie.set(&token, &session);
    let max_age: u64 = set.rsplit_once('=').unwrap().1.parse().unwrap();
    let left = ABSOLUTE.as_secs() - IDLE.as_secs() / 2;
    // By Redis's clock, which went on since the login.
    assert!(max_age <= left && max_age + 60 > left, "{max_age}");
}

#[tokio::test]
async fn who_has_no_session_is_a_guest_or_is_refused() {
    let bench = Bench::start().await;
    let shop = Shop::on(&bench);
    let [one, other] = [login(&shop.sessions).await, login(&shop.sessions).await];
    let [one, other] = [one, other].map(|token| format!("__Host-session={}", token.as_str()));
    let unknown = one.replace("t.", "u.");
    for cookies in [&[][..], &["__Host-session=x"], &[&unknown], &[&one, &other]] {
        assert_eq!(shop.get("/items", cookies).await.0, StatusCode::UNAUTHORIZED, "{cookies:?}");
        assert_eq!(shop.get("/hello", cookies).await, (StatusCode::OK, "false".into()), "{cookies:?}");
        let own = (StatusCode::FORBIDDEN, "{\"title\":\"there is no session\"}".into());
        assert_eq!(shop.get("/mine", cookies).await, own, "{cookies:?}");
    }
    assert_eq!(shop.get("/hello", &[&one]).await.1, "true");
    assert_eq!(shop.get("/mine", &[&one]).await.1, "0 items");
}

/// Also for whoever may be a guest: it would be logged out by an outage.
#[tokio::test]
async fn while_redis_is_away_nobody_is_taken_for_a_guest() {
    let mut bench = Bench::start().await;
    let shop = Shop::on(&bench);
    let token = login(&shop.sessions).await;
    let cookie = format!("__Host-session={}", token.as_str());
    assert!(is_logged_in(&shop.sessions, &token).await);
    bench.crash_server().await;
    for path in ["/items", "/hello"] {
        assert_eq!(shop.get(path, &[&cookie]).await.0, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    assert_eq!(shop.get("/hello", &[]).await.1, "false", "Redis is not asked about nobody");
}

#[tokio::test]
async fn data_that_cannot_be_read_is_our_fault() {
    let bench = Bench::start().await;
    let shop = Shop::on(&bench);
    let token = login(&shop.sessions).await;
    bench.run::<u8>(&["HSET", &super::key(&token), "data", "[]"]).await;
    let cookie = format!("__Host-session={}", token.as_str());
    assert_eq!(shop.get("/items", &[&cookie]).await.0, StatusCode::INTERNAL_SERVER_ERROR);
}
