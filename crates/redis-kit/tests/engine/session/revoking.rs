//! Logging out, one or all: at once, and everywhere.

use futures_util::future::join_all;
use redis_kit::session::{Sessions, Token};
use tokio::time::timeout;

use super::{Cart, IDLE, INDEX, USER, instance, is_logged_in, key, login};
use crate::harness::{Bench, LIMIT};

#[tokio::test]
async fn what_is_revoked_on_one_instance_is_gone_on_all() {
    let bench = Bench::start().await;
    let [one, other] = [(); 2].map(|()| instance(&bench.redis()));
    let [token, kept] = [login(&one).await, login(&one).await];
    assert!(is_logged_in(&other, &token).await);
    assert!(one.revoke(&token).await.unwrap());
    assert!(!is_logged_in(&other, &token).await, "nobody keeps a copy");
    assert!(!bench.is_there(&key(&token)).await);
    assert!(!other.revoke(&token).await.unwrap(), "twice is once");
    assert!(is_logged_in(&other, &kept).await);
}

#[tokio::test]
async fn a_user_ends_a_session_elsewhere_by_its_id() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let [lost_phone, here] = [login(&sessions).await, login(&sessions).await];
    assert!(!sessions.revoke_by_id("u", lost_phone.id()).await.unwrap(), "it is another's");
    assert!(is_logged_in(&sessions, &lost_phone).await);
    assert!(sessions.revoke_by_id(USER, lost_phone.id()).await.unwrap());
    assert!(!is_logged_in(&sessions, &lost_phone).await && is_logged_in(&sessions, &here).await);
}

#[tokio::test]
async fn all_sessions_of_a_user_end_but_the_one_that_is_named() {
    let bench = Bench::start().await;
    let [one, other] = [(); 2].map(|()| instance(&bench.redis()));
    let tokens = [login(&one).await, login(&one).await, login(&one).await];
    let (another, _) = one.begin("u", Cart::default(), None).await.unwrap();
    bench.age(&login(&one).await, IDLE).await;
    assert_eq!(one.revoke_all(USER, Some(&tokens[1])).await.unwrap(), 2, "what had expired is not counted");
    let logged_in = join_all(tokens.iter().map(|token| is_logged_in(&other, token))).await;
    assert_eq!(logged_in, [false, true, false]);
    assert_eq!(one.revoke_all(USER, None).await.unwrap(), 1);
    assert_eq!(one.revoke_all(USER, None).await.unwrap(), 0);
    assert!(!is_logged_in(&other, &tokens[1]).await);
    assert!(is_logged_in(&other, &another).await, "it is another user's");
    assert!(bench.run::<Vec<String>>(&["KEYS", "session:{t}*"]).await.is_empty());
}

/// A thief who rotates again and again does not slip through under the newest token.
#[tokio::test]
async fn no_rotation_slips_through_when_all_are_revoked() {
    async fn rotate_while_it_stands(sessions: Sessions<Cart>, mut token: Token) {
        while let Some((next, _)) = sessions.rotate(&token).await.unwrap() {
            token = next;
        }
    }
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let mut thieves = Vec::new();
    for _ in 0..8 {
        let token = login(&sessions).await;
        thieves.push(tokio::spawn(rotate_while_it_stands(sessions.clone(), token)));
    }
    assert_eq!(sessions.revoke_all(USER, None).await.unwrap(), 8);
    for thief in thieves {
        timeout(LIMIT, thief).await.expect("the thief to be locked out").unwrap();
    }
    assert!(sessions.list(USER).await.unwrap().is_empty());
}

/// An operator logs a user out by hand.
#[tokio::test]
async fn without_the_index_nobody_is_logged_in() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    bench.run::<u8>(&["DEL", INDEX]).await;
    assert!(!is_logged_in(&sessions, &token).await);
    assert!(sessions.rotate(&token).await.unwrap().is_none());
    assert!(!sessions.revoke(&token).await.unwrap());
    assert!(!bench.is_there(&key(&token)).await, "what was left of it goes too");
}
