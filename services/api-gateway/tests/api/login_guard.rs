//! Guessing passwords.

use std::time::Instant;

use futures_util::future::join_all;

use crate::{
    harness::{Answer, Gateway, Shop},
    people::PASSWORD,
};
use serde_json::json;

const PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.1"];

impl Gateway {
    /// A login that a trusted proxy says is from that address.
    async fn login_from(&self, address: &str, email: &str, password: &str) -> Answer {
        let body = json!({ "email": email, "password": password });
        Answer::to(self.json("POST", "/login", body).header("x-forwarded-for", address)).await
    }
}

#[tokio::test]
async fn ten_thousand_guesses_are_five() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    shop.gateway.customer(&admin, "ada@example.com").await;
    let mut wrong = 0;
    for _ in 0..100 {
        let guess = async |n| shop.gateway.try_login("ada@example.com", &format!("guess number {n}")).await;
        let guesses = (0..100).map(guess);
        for answer in join_all(guesses).await {
            match answer.status.as_u16() {
                401 => wrong += 1,
                // All at once are more than can be looked at.
                429 | 503 => {}
                _ => panic!("{}", answer.text()),
            }
        }
    }
    assert!(wrong <= 5, "{wrong} guesses were looked at");
    let refused = shop.gateway.try_login("ada@example.com", PASSWORD).await;
    assert!(refused.problem(429)["detail"].as_str().unwrap().contains("login-pair"));
}

#[tokio::test]
async fn who_guesses_from_everywhere_is_stopped_and_locks_nobody_out() {
    let (shop, admin) = Shop::with_admin(&PROXY).await;
    shop.gateway.customer(&admin, "ada@example.com").await;
    // Ada has logged in from her home before.
    let home = shop.gateway.login_from("198.51.100.7", "ada@example.com", PASSWORD).await;
    assert_eq!(home.status, 200, "{}", home.text());
    let mut wrong = 0;
    for n in 0..60 {
        let guess =
            shop.gateway.login_from(&format!("203.0.113.{n}"), "ada@example.com", "a wrong guess").await;
        wrong += u32::from(guess.status == 401);
    }
    assert!((25..=31).contains(&wrong), "{wrong}");
    let elsewhere = shop.gateway.login_from("192.0.2.1", "ada@example.com", PASSWORD).await;
    assert!(elsewhere.problem(429)["detail"].as_str().unwrap().contains("login-account"));
    let home = shop.gateway.login_from("198.51.100.7", "ada@example.com", PASSWORD).await;
    assert_eq!(home.status, 200, "{}", home.text());
}

#[tokio::test]
async fn who_tries_many_accounts_from_one_address_is_stopped() {
    let (shop, _) = Shop::with_admin(&PROXY).await;
    let mut looked_at = 0;
    for n in 0..130 {
        let email = format!("user{n}@example.com");
        let answer = shop.gateway.login_from("203.0.113.9", &email, "a wrong guess").await;
        looked_at += u32::from(answer.status == 401);
    }
    assert!((95..=105).contains(&looked_at), "{looked_at}");
}

#[tokio::test]
async fn logins_that_succeed_are_not_counted() {
    let (shop, admin) = Shop::with_admin(&[]).await;
    shop.gateway.customer(&admin, "ada@example.com").await;
    for _ in 0..12 {
        shop.gateway.login("ada@example.com", PASSWORD).await;
    }
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_are_answered_alike_and_after_the_same_time() {
    let (shop, admin) = Shop::with_admin(&PROXY).await;
    shop.gateway.customer(&admin, "ada@example.com").await;
    let seconds = async |n: usize, email: &str| {
        let started = Instant::now();
        let answer = shop.gateway.login_from(&format!("203.0.113.{n}"), email, "a wrong guess").await;
        let seconds = started.elapsed().as_secs_f64();
        let problem = answer.problem(401);
        assert_eq!(problem["detail"], "no account has this e-mail address and password");
        assert!(answer.header("set-cookie").is_none());
        seconds
    };
    let mut ratios = Vec::new();
    for n in 0..25 {
        ratios.push(seconds(n, "ada@example.com").await / seconds(n, "nobody@example.com").await);
    }
    // The one in the middle: what else a machine does, it does to either of two that follow each other.
    ratios.sort_unstable_by(f64::total_cmp);
    assert!(
        (0.5..2.0).contains(&ratios[12]),
        "an account that is there takes so many times as long: {ratios:?}"
    );
}
