//! Sessions, seen from outside: who is logged in, for how long, and what is left in Redis.

mod listing;
mod login;
mod redis_failure;
mod revoking;
mod rotating;
mod saving;
mod timeouts;
mod web;

use std::time::Duration;

use redis_kit::{
    Redis,
    session::{Session, SessionId, SessionOptions, Sessions, Token},
};
use serde::{Deserialize, Serialize};

use crate::harness::Bench;

/// The tag of most tests' user.
const USER: &str = "t";
const INDEX: &str = "session:{t}";

const IDLE: Duration = Duration::from_mins(30);
const ABSOLUTE: Duration = Duration::from_hours(12);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: u32,
}

/// As every instance of a service has them: a connection of its own.
fn instance(redis: &Redis) -> Sessions<Cart> {
    limited(redis, SessionOptions::default())
}

fn limited(redis: &Redis, options: SessionOptions) -> Sessions<Cart> {
    Sessions::new(redis, options).unwrap()
}

async fn login(sessions: &Sessions<Cart>) -> Token {
    sessions.begin(USER, Cart::default(), None).await.unwrap().0
}

async fn load(sessions: &Sessions<Cart>, token: &Token) -> Session<Cart> {
    sessions.load(token).await.unwrap().expect("a session")
}

async fn is_logged_in(sessions: &Sessions<Cart>, token: &Token) -> bool {
    sessions.load(token).await.unwrap().is_some()
}

fn key(token: &Token) -> String {
    format!("session:{{{}}}:{}", token.tag(), token.id())
}

impl Bench {
    /// Makes a session older, as if time had passed for it.
    async fn age(&self, token: &Token, by: Duration) {
        let (key, index) = (key(token), format!("session:{{{}}}", token.tag()));
        let back = format!("-{}", by.as_millis());
        self.run::<f64>(&["ZINCRBY", &index, &back, token.id().as_str()]).await;
        for time in ["created", "seen", "ends"] {
            self.run::<i64>(&["HINCRBY", &key, time, &back]).await;
        }
        let left: i64 = self.run(&["PTTL", &key]).await;
        let left = left - i64::try_from(by.as_millis()).unwrap();
        self.run::<u8>(&["PEXPIRE", &key, &left.to_string()]).await;
    }

    /// The ids in the user's index.
    async fn indexed(&self) -> Vec<String> {
        self.run(&["ZRANGE", INDEX, "0", "-1"]).await
    }

    /// When a key expires, in Unix milliseconds.
    async fn expires(&self, key: &str) -> i64 {
        self.run(&["PEXPIRETIME", key]).await
    }

    async fn is_there(&self, key: &str) -> bool {
        self.run::<u8>(&["EXISTS", key]).await == 1
    }
}

fn ids(sessions: &[Session<Cart>]) -> Vec<&SessionId> {
    sessions.iter().map(Session::id).collect()
}
