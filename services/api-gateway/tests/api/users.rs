//! The user directory, somebody else's API, read through the cache.

use std::sync::{
    Arc,
    atomic::{AtomicU16, AtomicU32, Ordering},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::Shop;

/// A directory that counts how often it is asked, and answers as it is told.
#[derive(Clone, Default)]
struct Directory {
    asked: Arc<AtomicU32>,
    /// Answers with this status instead, unless it is 0.
    failure: Arc<AtomicU16>,
}

impl Directory {
    /// Starts it; tells its URL.
    async fn start(&self) -> String {
        let routes = Router::new().route("/api/users/{id}", get(Self::user)).with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}/api/")
    }

    #[expect(clippy::unused_async, reason = "a handler is")]
    async fn user(State(directory): State<Self>, Path(id): Path<String>) -> Response {
        directory.asked.fetch_add(1, Ordering::Relaxed);
        match directory.failure.load(Ordering::Relaxed) {
            0 if id == "404" => StatusCode::NOT_FOUND.into_response(),
            0 => Json(json!({ "id": id, "name": "Ada", "email": "ada@example.com", "secret": "x" }))
                .into_response(),
            status => StatusCode::from_u16(status).unwrap().into_response(),
        }
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn shop_with_directory() -> (Shop, Directory) {
    let directory = Directory::default();
    let url = directory.start().await;
    (Shop::with_flags(&["--user-api-url", &url]).await, directory)
}

#[tokio::test]
async fn a_user_is_asked_for_once_and_then_known_to_every_gateway() {
    let (shop, directory) = shop_with_directory().await;
    let user = json!({ "id": "7", "name": "Ada", "email": "ada@example.com" });
    let first = shop.gateway.get("/users/7").await;
    assert_eq!(first.json(), json!({ "source": "api", "data": user }));
    assert_eq!(first.header("age"), Some("0"));
    let second = shop.gateway.get("/users/7").await;
    assert_eq!(second.json(), json!({ "source": "redis-cache", "data": user }));
    let other = shop.second_gateway(&["--user-api-url", "http://127.0.0.1:1"]).await;
    let third = other.get("/users/7").await;
    assert_eq!(third.json(), json!({ "source": "redis-cache", "data": user }));
    assert!(third.header("cache-status").unwrap().starts_with("orderly; hit"), "{:?}", third.headers);
    assert_eq!(directory.asked(), 1);
    let ttl: i64 = shop.store.say(&["TTL", "user:7"]).await;
    assert!(ttl > 0, "{ttl}");
}

#[tokio::test]
async fn many_who_ask_at_once_make_one_question() {
    let (shop, directory) = shop_with_directory().await;
    let other = shop.second_gateway(&["--user-api-url", "http://127.0.0.1:1"]).await;
    drop(other);
    let answers = futures_util::future::join_all((0..50).map(|_| shop.gateway.get("/users/8"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(directory.asked(), 1);
}

#[tokio::test]
async fn that_there_is_no_such_user_is_remembered_and_nonsense_is_not_asked_for() {
    let (shop, directory) = shop_with_directory().await;
    for _ in 0..3 {
        shop.gateway.get("/users/404").await.problem(404);
    }
    assert_eq!(directory.asked(), 1);
    for id in ["a%2Fb", "..%2F7", "%7B1%7D", "a:b", "%0d%0a", &"x".repeat(65)] {
        shop.gateway.get(&format!("/users/{id}")).await.problem(404);
    }
    assert_eq!(directory.asked(), 1);
    assert!(shop.store.keys("user:*").await.len() <= 1);
}

#[tokio::test]
async fn a_directory_that_fails_is_503_and_forgotten() {
    let (shop, directory) = shop_with_directory().await;
    for status in [500, 429, 302] {
        directory.failure.store(status, Ordering::Relaxed);
        shop.gateway.get("/users/9").await.problem(503);
    }
    directory.failure.store(0, Ordering::Relaxed);
    assert_eq!(shop.gateway.get("/users/9").await.status, 200);
}

#[tokio::test]
async fn a_redis_that_is_away_does_not_keep_the_directory_from_being_asked() {
    let (mut shop, _directory) = shop_with_directory().await;
    shop.gateway.get("/users/7").await;
    shop.redis.kill().await.unwrap();
    for id in ["7", "10", "11"] {
        assert_eq!(shop.gateway.get(&format!("/users/{id}")).await.status, 200);
    }
}
