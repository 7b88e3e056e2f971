//! Sessions, which all gateways share.

use std::{net::Ipv4Addr, time::Duration};

use futures_util::future::join;
use serde_json::{Value, json};
use test_support::{FaultProxy, eventually};

use crate::{
    harness::{Answer, Gateway, PATIENCE, Shop},
    people::{Cookie, PASSWORD},
};

fn credentials() -> Value {
    json!({ "email": "ada@example.com", "password": PASSWORD })
}

/// A shop with one customer, who is logged in.
async fn with_ada(flags: &[&str]) -> (Shop, Cookie) {
    let (shop, admin) = Shop::with_admin(flags).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    (shop, ada)
}

#[tokio::test]
async fn every_gateway_knows_a_session_and_its_end_at_once() {
    let (shop, ada) = with_ada(&[]).await;
    let other = shop.second_gateway(&[]).await;
    assert_eq!(other.get_as(&ada, "/me").await.status, 200);
    let logged_out = shop.gateway.send_as(&ada, "POST", "/logout", json!({})).await;
    assert_eq!(logged_out.status, 204);
    assert!(logged_out.header("set-cookie").unwrap().contains("Max-Age=0"));
    // Whoever kept the cookie has nothing.
    other.get_as(&ada, "/me").await.problem(401);
    let again = other.login("ada@example.com", PASSWORD).await;
    assert_ne!(again, ada);
    assert_eq!(shop.gateway.get_as(&again, "/me").await.status, 200);
}

#[tokio::test]
async fn a_login_never_goes_on_with_the_session_that_the_client_came_with() {
    let (shop, old) = with_ada(&[]).await;
    let answer = shop.gateway.send_as(&old, "POST", "/login", credentials()).await;
    let new = Cookie::of(&answer);
    assert_ne!(new, old);
    shop.gateway.get_as(&old, "/me").await.problem(401);
    assert_eq!(shop.gateway.get_as(&new, "/me").await.status, 200);
    // Nor with a token that somebody else has thought of.
    let tag = new.0.split(['=', '.']).nth(1).unwrap();
    let planted = Cookie(format!("__Host-session={tag}.{}", "A".repeat(43)));
    let answer = shop.gateway.send_as(&planted, "POST", "/login", credentials()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_ne!(Cookie::of(&answer), planted);
    shop.gateway.get_as(&planted, "/me").await.problem(401);
}

#[tokio::test]
async fn one_sees_ones_sessions_and_ends_them() {
    let (shop, first) = with_ada(&[]).await;
    let login = shop.gateway.json("POST", "/login", credentials()).header("user-agent", "Browser/1.0");
    let second = Cookie::of(&Answer::to(login).await);
    let list =
        shop.gateway.get_as(&first, "/me/sessions").await.json()["sessions"].as_array().unwrap().clone();
    assert_eq!(list.len(), 2, "{list:?}");
    let other = list.iter().find(|session| session["current"] == false).unwrap();
    assert_eq!((&other["user_agent"], &other["address"]), (&json!("Browser/1.0"), &json!("127.0.0.1")));
    assert!(!second.0.contains(other["id"].as_str().unwrap()), "what is shown opens nothing");
    let path = format!("/me/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(shop.gateway.delete_as(&first, &path).await.status, 204);
    shop.gateway.get_as(&second, "/me").await.problem(401);
    shop.gateway.delete_as(&first, &path).await.problem(404);
    shop.gateway.delete_as(&first, "/me/sessions/nonsense").await.problem(404);
    // All but this one.
    let more = [
        shop.gateway.login("ada@example.com", PASSWORD).await,
        shop.gateway.login("ada@example.com", PASSWORD).await,
    ];
    assert_eq!(shop.gateway.delete_as(&first, "/me/sessions").await.json(), json!({ "ended": 2 }));
    for ended in more {
        shop.gateway.get_as(&ended, "/me").await.problem(401);
    }
    assert_eq!(shop.gateway.get_as(&first, "/me").await.status, 200);
}

#[tokio::test]
async fn nobody_ends_anothers_session() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    let ada = shop.gateway.customer(&admin, "ada@example.com").await;
    let bob = shop.gateway.customer(&admin, "bob@example.com").await;
    let id = shop.gateway.get_as(&ada, "/me").await.json()["session"]["id"].as_str().unwrap().to_owned();
    shop.gateway.delete_as(&bob, &format!("/me/sessions/{id}")).await.problem(404);
    assert_eq!(shop.gateway.get_as(&ada, "/me").await.status, 200);
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions_everywhere_and_renews_this_one() {
    let (shop, ada) = with_ada(&[]).await;
    let other = shop.second_gateway(&[]).await;
    let elsewhere = other.login("ada@example.com", PASSWORD).await;
    let change = |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
    let put = async |body| shop.gateway.send_as(&ada, "PUT", "/me/password", body).await;
    put(change("a guess of mine", "battery staple")).await.problem(401);
    assert!(put(change(PASSWORD, "short")).await.field_errors().contains_key("/new_password"));
    assert_eq!(other.get_as(&elsewhere, "/me").await.status, 200);
    let changed = put(change(PASSWORD, "battery staple")).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    for old in [&ada, &elsewhere] {
        other.get_as(old, "/me").await.problem(401);
    }
    assert_eq!(other.get_as(&Cookie::of(&changed), "/me").await.status, 200);
    shop.gateway.try_login("ada@example.com", PASSWORD).await.problem(401);
    shop.gateway.login("ada@example.com", "battery staple").await;
}

/// Ada at a gateway whose Redis is slow to answer, and at another one that has nothing of it. Whatever is asked of the first
/// stands still for a while behind each of its steps.
struct Apart {
    shop: Shop,
    slow: Gateway,
    proxy: FaultProxy,
    ada: Cookie,
}

/// For how long.
const STEP: Duration = Duration::from_millis(300);

impl Apart {
    async fn new() -> Self {
        let (shop, ada) = with_ada(&[]).await;
        let proxy = FaultProxy::start((Ipv4Addr::LOCALHOST, shop.redis.port()).into()).await.unwrap();
        let slow = Gateway::start(&proxy.url(), &shop.database, &["--limit-timeout", "10"]).await;
        slow.until_ready().await;
        // So that it can be seen when the address is remembered anew.
        for key in shop.store.keys("familiar*").await {
            shop.store.say::<u32>(&["DEL", &key]).await;
        }
        proxy.delay(STEP);
        Self { shop, slow, proxy, ada }
    }

    /// Waits until the slow gateway has found a password right, and has done nothing further.
    async fn until_verified(&self) {
        eventually("the password to be verified", PATIENCE, || async {
            let keys = self.shop.store.keys("familiar*").await;
            if keys.is_empty() { Err("no address is remembered") } else { Ok(()) }
        })
        .await;
    }
}

fn new_password() -> Value {
    json!({ "current_password": PASSWORD, "new_password": "battery staple" })
}

#[tokio::test]
async fn no_login_by_the_old_password_outlives_its_change() {
    let apart = Apart::new().await;
    let change = async {
        apart.until_verified().await;
        apart.proxy.delay(10 * STEP);
        let changed = apart.shop.gateway.send_as(&apart.ada, "PUT", "/me/password", new_password()).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        apart.proxy.pass();
    };
    let (login, ()) = join(apart.slow.try_login("ada@example.com", PASSWORD), change).await;
    if login.status == 200 {
        apart.shop.gateway.get_as(&Cookie::of(&login), "/me").await.problem(401);
    } else {
        login.problem(401);
    }
}

#[tokio::test]
async fn a_password_is_not_changed_unless_the_other_sessions_end() {
    let apart = Apart::new().await;
    let elsewhere = apart.shop.gateway.login("ada@example.com", PASSWORD).await;
    for key in apart.shop.store.keys("familiar*").await {
        apart.shop.store.say::<u32>(&["DEL", &key]).await;
    }
    let cut = async {
        apart.until_verified().await;
        apart.proxy.silence();
    };
    let (changed, ()) =
        join(apart.slow.send_as(&apart.ada, "PUT", "/me/password", new_password()), cut).await;
    changed.problem(503);
    let is_changed = apart.shop.gateway.try_login("ada@example.com", "battery staple").await.status == 200;
    let is_there = apart.shop.gateway.get_as(&elsewhere, "/me").await.status == 200;
    assert!(!(is_changed && is_there), "the password is a new one, and its thief still logged in");
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_when_its_time_is_over() {
    let idle = ["--session-idle", "0.6", "--session-absolute", "60"];
    let (shop, ada) = with_ada(&idle).await;
    eventually("the idle session to end", PATIENCE, || async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let answer = shop.gateway.get_as(&ada, "/me").await;
        if answer.status == 401 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    let (shop, ada) = with_ada(&["--session-idle", "60", "--session-absolute", "2"]).await;
    // It is in use all the time.
    eventually("the session to end", PATIENCE, || async {
        let answer = shop.gateway.get_as(&ada, "/me").await;
        if answer.status == 401 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

#[tokio::test]
async fn a_dump_of_redis_is_no_login() {
    let (shop, ada) = with_ada(&[]).await;
    let (tag, secret) = ada.0.strip_prefix("__Host-session=").unwrap().split_once('.').unwrap();
    for key in shop.store.keys("*").await {
        assert!(!key.contains(secret), "{key}");
        let dumped: Option<Vec<u8>> = shop.store.say(&["DUMP", &key]).await;
        let dumped = String::from_utf8_lossy(&dumped.unwrap_or_default()).into_owned();
        assert!(!dumped.contains(secret), "{key}");
        if let Some(hash) = key.strip_prefix(&format!("session:{{{tag}}}:")) {
            shop.gateway.get_as(&Cookie(format!("__Host-session={tag}.{hash}")), "/me").await.problem(401);
        }
    }
    assert_eq!(shop.gateway.get_as(&ada, "/me").await.status, 200);
}

#[tokio::test]
async fn without_redis_nobody_is_told_that_they_are_not_logged_in() {
    let (mut shop, ada) = with_ada(&[]).await;
    shop.redis.kill().await.unwrap();
    shop.gateway.get_as(&ada, "/me").await.problem(503);
    shop.gateway.try_login("ada@example.com", PASSWORD).await.problem(503);
    shop.redis.restart().await.unwrap();
    eventually("the session to be back", PATIENCE, || async {
        let answer = shop.gateway.get_as(&ada, "/me").await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

#[tokio::test]
async fn what_another_site_makes_a_browser_send_changes_nothing() {
    let (shop, ada) = with_ada(&[]).await;
    let body = json!({ "items": [{ "sku": "PEN-1", "quantity": 1 }] });
    let before = shop.store.journal().await.len();
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let order = shop.gateway.order(&body).header("cookie", &ada.0).header(name, value);
        Answer::to(order).await.problem(403);
        let logout = shop.gateway.request("POST", "/logout").header("cookie", &ada.0).header(name, value);
        Answer::to(logout).await.problem(403);
        let login = shop.gateway.json("POST", "/login", credentials()).header(name, value);
        assert!(Answer::to(login).await.header("set-cookie").is_none());
        // To look is no harm.
        let look = shop.gateway.request("GET", "/me").header("cookie", &ada.0).header(name, value);
        assert_eq!(Answer::to(look).await.status, 200);
    }
    assert_eq!(shop.store.journal().await.len(), before);
    let own = shop.gateway.order(&body).header("cookie", &ada.0).header("sec-fetch-site", "same-origin");
    Answer::to(own).await.order_id();
}
