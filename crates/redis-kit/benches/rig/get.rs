//! Something to keep, and how it is read by hand: a `GET` with the client library alone, whose JSON is decoded.

use serde::{Deserialize, Serialize};

use crate::rig::{Rig, rate};

/// About 120 bytes of JSON.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u32,
    name: String,
    mail: String,
    reference: String,
}

impl User {
    pub(crate) fn sample() -> Self {
        Self {
            id: 42,
            name: "Ada Lovelace".into(),
            mail: "ada@example.org".into(),
            reference: "0198f3c1-8f7e-7d2a-b1a5-3c9b6a1f0e55".into(),
        }
    }
}

/// Each task reads what stands at its key.
pub(crate) async fn get_by_hand(rig: &Rig, key: impl Fn(usize) -> String) -> f64 {
    let connection = rig.bare().await;
    let json = serde_json::to_vec(&User::sample()).expect("JSON");
    rate(rig.cycles, |task, cycles| {
        let (key, mut connection, json) =
            (format!("by-hand:{}", key(task)), connection.clone(), json.clone());
        async move {
            redis::cmd("SET").arg(&key).arg(json).exec_async(&mut connection).await.expect("an answer");
            for _ in 0..cycles {
                let json: Vec<u8> =
                    redis::cmd("GET").arg(&key).query_async(&mut connection).await.expect("an answer");
                let user: User = serde_json::from_slice(&json).expect("a user");
                assert_eq!(user.id, 42);
            }
        }
    })
    .await
}
