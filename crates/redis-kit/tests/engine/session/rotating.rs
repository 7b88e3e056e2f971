//! A new token for the same session, when its user gains a right.

use redis_kit::session::Saving;

use super::{Cart, IDLE, USER, instance, is_logged_in, key, load, login};
use crate::harness::Bench;

#[tokio::test]
async fn a_rotated_session_is_the_same_under_another_token() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let (old, begun) = sessions.begin(USER, Cart { items: 3 }, None).await.unwrap();
    bench.age(&old, IDLE / 2).await;
    let (new, rotated) = sessions.rotate(&old).await.unwrap().expect("a session");
    assert!(!is_logged_in(&sessions, &old).await, "whoever knew the old token has nothing");
    let found = load(&sessions, &new).await;
    assert_eq!((found.data.items, found.id()), (3, new.id()));
    let half = jiff::SignedDuration::try_from(IDLE / 2).unwrap();
    assert_eq!((found.created(), found.ends()), (begun.created() - half, begun.ends() - half));
    assert!(rotated.last_seen() >= begun.created(), "to rotate is to use");
    assert_eq!(bench.indexed().await, [new.id().as_str()]);
    assert!(!bench.is_there(&key(&old)).await);
}

#[tokio::test]
async fn what_is_gone_is_not_rotated() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    sessions.revoke(&token).await.unwrap();
    assert!(sessions.rotate(&token).await.unwrap().is_none());
    let expired = login(&sessions).await;
    bench.age(&expired, IDLE).await;
    assert!(sessions.rotate(&expired).await.unwrap().is_none());
    assert!(bench.run::<Vec<String>>(&["KEYS", "session:{t}:*"]).await.is_empty());
}

#[tokio::test]
async fn of_two_rotations_at_once_one_leads_on() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    let (one, other) = tokio::join!(sessions.rotate(&token), sessions.rotate(&token));
    assert!(one.unwrap().is_some() != other.unwrap().is_some());
    assert_eq!(bench.indexed().await.len(), 1);
}

#[tokio::test]
async fn a_request_from_before_the_rotation_saves_nothing() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    let mut slow = load(&sessions, &token).await;
    let (new, mut rotated) = sessions.rotate(&token).await.unwrap().unwrap();
    slow.data.items = 1;
    assert_eq!(sessions.save(&mut slow).await.unwrap(), Saving::Gone);
    rotated.data.items = 2;
    assert_eq!(sessions.save(&mut rotated).await.unwrap(), Saving::Saved);
    assert_eq!(load(&sessions, &new).await.data.items, 2);
}
