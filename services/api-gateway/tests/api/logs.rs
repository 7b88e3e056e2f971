//! What a gateway writes to its log, counts in its metrics and tells in its answers, when everything is logged that can be.

use futures_util::StreamExt;
use local_redis::{Durability, Server};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use test_support::eventually;

use crate::{
    harness::{Answer, Database, PATIENCE, Store, percent_encoded},
    people::Cookie,
    program::{Program, output_of, program},
    raw::RawConnection,
};

const ADMIN: &str = "root@example.com";
const PASSWORDS: [&str; 4] = ["pw-of-the-admin", "pw-of-ada", "pw-that-is-new", "pw-that-is-wrong"];
const REDIS_PASSWORD: &str = "pw-of-redis";
const DIRECTORY_PASSWORD: &str = "pw-of-the-directory";
const IDEMPOTENCY_KEY: &str = "a-guests-bearer-secret";

/// A gateway that logs whatever it can, and a client that keeps its answers.
struct Talkative {
    program: Program,
    client: Client,
    answers: Vec<String>,
    store: Store,
    _redis: Server,
    _database: Database,
}

impl Talkative {
    async fn start(format: &str) -> Self {
        let redis = Server::ephemeral(Durability::Always).await.unwrap();
        let store = Store::of(&redis.url());
        let user = ["ACL", "SETUSER", "shop", "on", &format!(">{REDIS_PASSWORD}"), "~*", "&*", "+@all"];
        store.say::<()>(&user).await;
        let database = Database::new().await;
        let mut command = program();
        command
            .env("RUST_LOG", "debug,api_gateway=trace,common=trace,redis_kit=trace")
            .env("LOG_FORMAT", format)
            .env("REDIS_URL", format!("redis://shop:{REDIS_PASSWORD}@127.0.0.1:{}", redis.port()))
            .env("DATABASE_URL", &database.url)
            .envs([
                ("ORDERS_PER_MINUTE", "0"),
                ("GUEST_ORDERS_PER_MINUTE", "0"),
                ("REQUESTS_PER_MINUTE", "0"),
            ])
            .env("USER_API_URL", format!("http://shop:{DIRECTORY_PASSWORD}@127.0.0.1:1"))
            .envs([("ADMIN_EMAIL", ADMIN), ("ADMIN_PASSWORD", PASSWORDS[0])]);
        let program = Program::start(&mut command).await;
        let client = Client::builder().no_proxy().build().unwrap();
        let mut this =
            Self { program, client, answers: Vec::new(), store, _redis: redis, _database: database };
        eventually("the gateway to be ready", PATIENCE, || async {
            let answer = Answer::to(this.request("GET", "/readyz")).await;
            if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
        })
        .await;
        this.ask(this.request("GET", "/readyz?verbose")).await;
        this
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        self.client.request(method, format!("http://{}{path}", self.program.address))
    }

    async fn ask(&mut self, request: RequestBuilder) -> Answer {
        let answer = Answer::to(request).await;
        let headers: Vec<_> = answer.headers.iter().filter(|(name, _)| *name != "set-cookie").collect();
        self.answers.push(format!("{headers:?} {}", answer.text()));
        answer
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        cookie: Option<&Cookie>,
        body: &Value,
        status: u16,
    ) -> Answer {
        let request = self.request(method, path).header("content-type", "application/json");
        let request = request.header("idempotency-key", IDEMPOTENCY_KEY).body(body.to_string());
        let request = match cookie {
            Some(cookie) => request.header("cookie", &cookie.0),
            None => request,
        };
        let answer = self.ask(request).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        answer
    }

    async fn login(&mut self, email: &str, password: &str) -> Cookie {
        let body = json!({ "email": email, "password": password });
        Cookie::of(&self.send("POST", "/login", None, &body, 200).await)
    }

    /// All that it has written.
    async fn stop(self) -> String {
        self.program.stop().await
    }
}

/// What a line of JSON says of a field, as a number.
fn number(line: &str, field: &str) -> u64 {
    let event: Value = serde_json::from_str(line).unwrap();
    event[field].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn what_is_not_logged_because_there_is_too_much_of_it_is_counted() {
    const ORDERS: u64 = 600;
    let gateway = Talkative::start("json").await;
    let order = json!({ "customer_id": "42", "items": [{ "sku": "PEN-1", "quantity": 1 }] }).to_string();
    let order = || {
        let request = gateway.request("POST", "/orders").header("content-type", "application/json");
        Answer::to(request.body(order.clone()))
    };
    let answers: Vec<Answer> =
        futures_util::stream::iter(0..ORDERS).map(|_| order()).buffer_unordered(64).collect().await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{}", answers[0].text());
    let told = || {
        let log = gateway.program.written();
        let accepted = log.lines().filter(|line| line.contains("accepted the order")).count() as u64;
        let left_out = log.lines().filter(|line| line.contains("\"like\":\"api_gateway::orders::accept\""));
        (accepted, left_out.map(|line| number(line, "left_out")).sum::<u64>())
    };
    eventually("all orders to be logged or counted", PATIENCE, || async {
        let (accepted, left_out) = told();
        if accepted + left_out == ORDERS { Ok(()) } else { Err(format!("{accepted} and {left_out}")) }
    })
    .await;
    assert!(told().1 > 0, "so many were never too many");
}

#[tokio::test]
async fn secrets_are_in_no_log_no_metric_and_no_answer() {
    let mut gateway = Talkative::start("json").await;
    let admin = gateway.login(ADMIN, PASSWORDS[0]).await;
    let ada = json!({ "email": "ada@example.com", "password": PASSWORDS[1], "role": "customer" });
    gateway.send("POST", "/accounts", Some(&admin), &ada, 201).await;
    gateway.send("POST", "/accounts", Some(&admin), &ada, 409).await;
    let old = gateway.login("ada@example.com", PASSWORDS[1]).await;
    let wrong = json!({ "email": "ada@example.com", "password": PASSWORDS[3] });
    gateway.send("POST", "/login", None, &wrong, 401).await;
    let wrong = json!({ "email": "ada@example.com", "password": [PASSWORDS[3]] });
    gateway.send("POST", "/login", None, &wrong, 422).await;
    let change = json!({ "current_password": PASSWORDS[1], "new_password": PASSWORDS[2] });
    let ada = Cookie::of(&gateway.send("PUT", "/me/password", Some(&old), &change, 200).await);
    let items = json!([{ "sku": "PEN-1", "quantity": 1 }]);
    gateway.send("POST", "/orders", Some(&ada), &json!({ "items": items }), 201).await;
    for (quantity, status) in [(1, 201), (1, 201), (2, 422)] {
        let order = json!({ "customer_id": "42", "items": [{ "sku": "PEN-1", "quantity": quantity }] });
        gateway.send("POST", "/orders", None, &order, status).await;
    }
    gateway.send("GET", "/me", Some(&ada), &Value::Null, 200).await;
    gateway.send("GET", "/me/sessions", Some(&ada), &Value::Null, 200).await;
    gateway.send("GET", "/users/1", None, &Value::Null, 503).await;
    gateway.send("POST", "/logout", Some(&ada), &Value::Null, 204).await;
    gateway.send("GET", "/me", Some(&ada), &Value::Null, 401).await;
    gateway.ask(gateway.request("GET", "/metrics")).await;
    let secret: String = gateway.store.say(&["GET", &gateway.store.names.gateway_secret()]).await;
    let answers = gateway.answers.join("\n");
    let log = gateway.stop().await;
    assert!(log.contains("\"level\":\"DEBUG\"") && log.contains("accepted the order"), "{log}");
    let tokens = [&admin, &old, &ada].map(|cookie| cookie.0.rsplit_once('.').unwrap().1);
    let others = [REDIS_PASSWORD, DIRECTORY_PASSWORD, IDEMPOTENCY_KEY, &secret, "$argon2"];
    for secret in PASSWORDS.into_iter().chain(tokens).chain(others) {
        for (place, text) in [("log", &log), ("answers", &answers)] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "the {place} tell {secret}");
        }
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_without_telling_its_password() {
    for (name, url) in [
        ("REDIS_URL", "redis://shop:hunter2@localhost:none"),
        ("REDIS_URL", "redis://shop:hunter2@"),
        ("REDIS_URL", "shop:hunter2@localhost"),
        ("REDIS_URL", "redis://shop:hunter2@a:1,b:none"),
        ("REDIS_CACHE_URL", "redis://shop:hunter2@localhost:none"),
        ("DATABASE_URL", "postgres://shop:hunter2@localhost:none/shop"),
        ("DATABASE_URL", "mysql://shop:hunter2@localhost/shop"),
        ("DATABASE_URL", "shop:hunter2@localhost"),
        ("USER_API_URL", "http://shop:hunter2@localhost:none"),
        ("USER_API_URL", "shop:hunter2@localhost"),
    ] {
        let redis = Server::ephemeral(Durability::Always).await.unwrap();
        let database = Database::new().await;
        let mut command = program();
        command.env("REDIS_URL", redis.url()).env("DATABASE_URL", &database.url).env(name, url);
        let output = output_of(command.env("RUST_LOG", "debug")).await;
        assert!(output.contains("ended with an error"), "{name}={url}: {output}");
        assert!(!output.contains("hunter2"), "{name}={url}: {output}");
    }
}

/// What would end a line, colour it, clear the screen or turn the text around.
const HOSTILE: &str =
    "x\r\n00:00:00.000  INFO forged\x1b[2J\x07\u{7f}\u{85}\u{9b}2J\u{2028}\u{202e}{\"level\":\"INFO\"}";

#[tokio::test]
async fn whatever_clients_send_an_event_is_one_line_of_the_log() {
    for format in ["json", "pretty"] {
        let mut gateway = Talkative::start(format).await;
        let admin = gateway.login(ADMIN, PASSWORDS[0]).await;
        let item = json!({ "sku": HOSTILE, "quantity": 1 });
        for (method, path, body) in [
            ("POST", "/login", json!({ "email": HOSTILE, "password": HOSTILE })),
            ("POST", "/orders", json!({ "customer_id": HOSTILE, "items": [item] })),
            ("POST", "/orders", json!({ (HOSTILE): HOSTILE })),
            ("POST", "/accounts", json!({ "email": HOSTILE, "password": HOSTILE, "role": "customer" })),
            ("POST", "/accounts", json!({ "email": "a@b", "password": PASSWORDS[1], "role": HOSTILE })),
            (
                "PUT",
                "/products/PEN-1",
                json!({ "name": HOSTILE, "unit_price": { "amount": "1.00", "currency": "EUR" } }),
            ),
            (
                "PUT",
                "/products/PEN-1",
                json!({ "name": "Pen", "unit_price": { "amount": HOSTILE, "currency": HOSTILE } }),
            ),
        ] {
            let request = gateway.request(method, path).header("content-type", "application/json");
            let answer = gateway.ask(request.header("cookie", &admin.0).body(body.to_string())).await;
            assert!([401, 403, 422].contains(&answer.status.as_u16()), "{path}: {}", answer.text());
        }
        let encoded = percent_encoded(HOSTILE);
        for path in
            ["/", "/users/", "/orders/", "/products/", "/orders?cursor=", "/orders?customer_id=", "/orders?"]
        {
            gateway.ask(gateway.request("GET", &format!("{path}{encoded}")).header("cookie", &admin.0)).await;
        }
        let address = gateway.program.address;
        let names = [
            "user-agent",
            "cookie",
            "x-request-id",
            "traceparent",
            "x-forwarded-for",
            "forwarded",
            "origin",
            "idempotency-key",
            "last-event-id",
            "content-type",
            "expect",
            "host",
        ];
        for name in names {
            // What no header may hold is refused with the whole request; what it may hold is the other half.
            for value in ["x\x1b[2Jy", "x\x07y", "x\x7fy", "x\u{9b}2Jy\u{85}\u{202e}", "x\tINFO\tforged"] {
                let mut connection = RawConnection::to(address).await;
                connection.send(format!("POST /orders HTTP/1.1\r\n{name}: {value}\r\n\r\n").as_bytes()).await;
                let _ = connection.answer().await;
            }
        }
        let log = gateway.stop().await;
        assert!(log.lines().count() > 50, "{log}");
        for line in log.lines() {
            let acts = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}');
            assert!(!line.contains(acts), "{line:?}");
            let begins_as_it_should = match format {
                "json" => {
                    serde_json::from_str::<Value>(line).is_ok_and(|event| event["timestamp"].is_string())
                }
                _ => line.as_bytes().get(2) == Some(&b':') && !line.starts_with("00:00:00.000"),
            };
            assert!(begins_as_it_should, "{line:?}");
        }
    }
}
