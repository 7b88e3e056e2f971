use reqwest::StatusCode;
use serde_json::json;

use crate::harness::Sandbox;

#[tokio::test]
async fn a_user_is_the_same_in_every_world() {
    let (one, other) = (Sandbox::start().await, Sandbox::start().await);
    let leanne = json!({"id": "1", "name": "Leanne Graham", "email": "leanne@example.com"});
    assert_eq!(one.caller.get("/users/1").await.json(), leanne);
    assert_eq!(one.caller.get("/users/1000").await, other.caller.get("/users/1000").await);
}

#[tokio::test]
async fn nobody_has_an_id_beyond_the_last() {
    let sandbox = Sandbox::start().await;
    let answer = sandbox.caller.get("/users/1001").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.content_type, "application/problem+json");
}
