//! A save replaces what was read, or says that it does not.

use futures_util::future::join_all;
use redis_kit::session::Saving;

use super::{IDLE, instance, key, load, login};
use crate::harness::Bench;

/// connect-redis#328: the request that began before the logout writes its session back at its end.
#[tokio::test]
async fn a_slow_request_does_not_undo_a_logout() {
    let bench = Bench::start().await;
    let [slow, other] = [(); 2].map(|()| instance(&bench.redis()));
    let token = login(&slow).await;
    let mut session = load(&slow, &token).await;
    assert!(other.revoke(&token).await.unwrap());
    session.data.items = 1;
    assert_eq!(slow.save(&mut session).await.unwrap(), Saving::Gone);
    assert!(slow.load(&token).await.unwrap().is_none());
    assert!(!bench.is_there(&key(&token)).await);
}

#[tokio::test]
async fn nor_an_expiry() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    let mut session = load(&sessions, &token).await;
    bench.age(&token, IDLE).await;
    assert_eq!(sessions.save(&mut session).await.unwrap(), Saving::Gone);
    assert!(!bench.is_there(&key(&token)).await);
}

/// connect-redis#75: whoever saves last undoes what the other saved.
#[tokio::test]
async fn of_two_who_read_the_same_one_saves() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    let [mut one, mut other] = [load(&sessions, &token).await, load(&sessions, &token).await];
    (one.data.items, other.data.items) = (1, 2);
    assert_eq!(sessions.save(&mut one).await.unwrap(), Saving::Saved);
    assert_eq!(sessions.save(&mut other).await.unwrap(), Saving::Changed);
    assert_eq!(load(&sessions, &token).await.data.items, 1);
    // What was saved can be saved again, and what was not cannot.
    one.data.items = 3;
    assert_eq!(sessions.save(&mut one).await.unwrap(), Saving::Saved);
    assert_eq!(sessions.save(&mut other).await.unwrap(), Saving::Changed);
    assert_eq!(load(&sessions, &token).await.data.items, 3);
}

/// The same data from two requests is two saves all the same.
#[tokio::test]
async fn of_a_hundred_who_save_at_once_one_wins() {
    let bench = Bench::start().await;
    let instances = [(); 4].map(|()| instance(&bench.redis()));
    let token = login(&instances[0]).await;
    for round in 1..=3 {
        let loads = join_all((0..100).map(|n| load(&instances[n % 4], &token))).await;
        let saves = loads.into_iter().enumerate().map(async |(n, mut session)| {
            session.data.items += 1;
            instances[n % 4].save(&mut session).await.unwrap()
        });
        let outcomes = join_all(saves).await;
        let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
        assert_eq!((count(Saving::Saved), count(Saving::Changed)), (1, 99));
        assert_eq!(load(&instances[0], &token).await.data.items, round);
    }
}

#[tokio::test]
async fn a_save_does_not_prolong_a_session() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    let mut session = load(&sessions, &token).await;
    bench.age(&token, IDLE / 2).await;
    let before = bench.expires(&key(&token)).await;
    assert_eq!(sessions.save(&mut session).await.unwrap(), Saving::Saved);
    assert_eq!(bench.expires(&key(&token)).await, before);
}
