//! What a user sees of the own sessions.

use super::{Cart, IDLE, USER, ids, instance, login};
use crate::harness::Bench;

#[tokio::test]
async fn a_user_sees_the_own_sessions_and_no_others() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    assert!(sessions.list(USER).await.unwrap().is_empty());
    let (one, _) = sessions.begin(USER, Cart { items: 1 }, None).await.unwrap();
    bench.age(&one, IDLE / 2).await;
    let (other, _) = sessions.begin(USER, Cart { items: 2 }, None).await.unwrap();
    sessions.begin("u", Cart::default(), None).await.unwrap();
    let listed = sessions.list(USER).await.unwrap();
    assert_eq!(ids(&listed), [one.id(), other.id()], "those first that expire first");
    assert_eq!(listed.iter().map(|session| session.data.items).collect::<Vec<_>>(), [1, 2]);
    assert!(listed[0].last_seen() < listed[1].last_seen());
}

#[tokio::test]
async fn what_has_ended_is_not_listed() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let [kept, revoked, expired] = [login(&sessions).await, login(&sessions).await, login(&sessions).await];
    sessions.revoke(&revoked).await.unwrap();
    bench.age(&expired, IDLE).await;
    assert_eq!(bench.indexed().await.len(), 2, "the index has not been cleaned");
    assert_eq!(ids(&sessions.list(USER).await.unwrap()), [kept.id()]);
}

#[tokio::test]
async fn to_look_at_a_session_is_not_to_use_it() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    bench.age(&token, IDLE / 2).await;
    let before = bench.expires(&super::key(&token)).await;
    sessions.list(USER).await.unwrap();
    assert_eq!(bench.expires(&super::key(&token)).await, before);
}
