//! People who log in, and what tests do in their name.

use reqwest::{RequestBuilder, header};
use serde_json::{Value, json};

use crate::harness::{Answer, Database, Gateway, Shop};

pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) const ADMIN: &str = "root@example.com";

/// A browser's cookie.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cookie(pub(crate) String);

impl Cookie {
    /// What an answer set.
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        let set = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {}", answer.text()));
        Self(set.split(';').next().unwrap().to_owned())
    }
}

impl Gateway {
    /// A request with a JSON body.
    #[expect(clippy::needless_pass_by_value, reason = "a body is written where it is sent")]
    pub(crate) fn json(&self, method: &str, path: &str, body: Value) -> RequestBuilder {
        self.request(method, path).header(header::CONTENT_TYPE, "application/json").body(body.to_string())
    }

    pub(crate) async fn try_login(&self, email: &str, password: &str) -> Answer {
        Answer::to(self.json("POST", "/login", json!({ "email": email, "password": password }))).await
    }

    /// A login that must succeed.
    pub(crate) async fn login(&self, email: &str, password: &str) -> Cookie {
        let answer = self.try_login(email, password).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Cookie::of(&answer)
    }

    pub(crate) async fn get_as(&self, cookie: &Cookie, path: &str) -> Answer {
        Answer::to(self.request("GET", path).header("cookie", &cookie.0)).await
    }

    pub(crate) async fn delete_as(&self, cookie: &Cookie, path: &str) -> Answer {
        Answer::to(self.request("DELETE", path).header("cookie", &cookie.0)).await
    }

    pub(crate) async fn send_as(&self, cookie: &Cookie, method: &str, path: &str, body: Value) -> Answer {
        Answer::to(self.json(method, path, body).header("cookie", &cookie.0)).await
    }

    /// Makes a customer and logs them in.
    pub(crate) async fn customer(&self, admin: &Cookie, email: &str) -> Cookie {
        let account = json!({ "email": email, "password": PASSWORD, "role": "customer" });
        let made = self.send_as(admin, "POST", "/accounts", account).await;
        assert_eq!(made.status, 201, "{}", made.text());
        self.login(email, PASSWORD).await
    }
}

impl Shop {
    /// A shop, and its admin's cookie.
    pub(crate) async fn with_admin(flags: &[&str]) -> (Self, Cookie) {
        let shop = Self::with_flags(flags).await;
        let password = first_admin(&shop.database).await;
        let cookie = shop.gateway.login(ADMIN, &password).await;
        (shop, cookie)
    }

    /// One more gateway for the same shop.
    pub(crate) async fn second_gateway(&self, flags: &[&str]) -> Gateway {
        let gateway = Gateway::start(&self.redis.url(), &self.database, flags).await;
        gateway.until_ready().await;
        gateway
    }
}

/// Makes the first admin; tells the password.
pub(crate) async fn first_admin(database: &Database) -> String {
    let made = api_gateway::first_admin(&database.url, ADMIN).await.unwrap().expect("there is no admin yet");
    assert_eq!(made.email, ADMIN);
    assert!(api_gateway::first_admin(&database.url, ADMIN).await.unwrap().is_none());
    made.password
}
