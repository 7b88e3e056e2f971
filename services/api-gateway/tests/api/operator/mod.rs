//! What operators see and have done over HTTP. The gateway itself carries out what is asked of its own groups.

mod access;
mod actions;
mod groups;
mod letters;
mod parked;

use serde_json::{Value, json};
use test_support::eventually;

use crate::{
    harness::{Answer, PATIENCE, Shop},
    people::Cookie,
};

/// Somebody who operates a shop.
struct Operator {
    shop: Shop,
    admin: Cookie,
}

impl Operator {
    async fn start() -> Self {
        let (shop, admin) = Shop::with_admin(&[]).await;
        Self { shop, admin }
    }

    async fn get(&self, path: &str) -> Answer {
        self.shop.gateway.get_as(&self.admin, &format!("/operator/{path}")).await
    }

    /// What a route tells that must tell something.
    async fn see(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.shop.gateway.send_as(&self.admin, "POST", &format!("/operator/{path}"), body).await
    }

    /// Has something done, and returns what is told of it once it is carried out.
    async fn have_done(&self, action: Value) -> Value {
        let asked = self.post("actions", action).await;
        assert_eq!(asked.status, 202, "{}", asked.text());
        let location = asked.header("location").unwrap().to_owned();
        assert_eq!(location, format!("/operator/actions/{}", asked.json()["id"].as_str().unwrap()));
        eventually("it to be carried out", PATIENCE, || async {
            let told = self.shop.gateway.get_as(&self.admin, &location).await;
            let done = told.status == 200 && !told.json()["carried_out"].is_null();
            if done { Ok(told.json()) } else { Err(told.text()) }
        })
        .await
    }

    async fn group(&self, name: &str) -> Value {
        let groups = self.see("groups").await["groups"].clone();
        let found = groups.as_array().unwrap().iter().find(|group| group["group"] == name).cloned();
        found.unwrap_or_else(|| panic!("there is no {name} in {groups:#}"))
    }

    /// What was asked of the services, as it stands in Redis.
    async fn requests(&self) -> u64 {
        self.shop.store.say(&["XLEN", &self.shop.store.names.control_stream()]).await
    }
}

fn pause(group: &str) -> Value {
    json!({ "action": "pause_group", "group": group, "why": "the disk is swapped" })
}

fn resume(group: &str) -> Value {
    json!({ "action": "resume_group", "group": group })
}
