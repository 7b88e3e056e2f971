//! Redis fails, or its answer is lost: an error, and never "no session"; and nothing is done twice.

use redis_kit::session::{Saving, Sessions};
use test_support::{FaultProxy, eventually};
use tokio::task::JoinHandle;

use super::{Cart, USER, instance, is_logged_in, load, login};
use crate::harness::{Bench, LIMIT, same};

#[tokio::test]
async fn a_redis_that_is_away_is_an_error_and_not_a_logout() {
    let mut bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    let mut session = load(&sessions, &token).await;
    bench.crash_server().await;
    let errors = [
        sessions.load(&token).await.err(),
        sessions.save(&mut session).await.err(),
        sessions.begin(USER, Cart::default(), None).await.err(),
        sessions.rotate(&token).await.err(),
        sessions.revoke(&token).await.err(),
        sessions.revoke_all(USER, None).await.err(),
        sessions.list(USER).await.err(),
    ];
    for error in errors {
        assert!(error.as_ref().is_some_and(redis_kit::Error::is_transient), "{error:?}");
    }
}

#[tokio::test]
async fn who_is_logged_in_stays_so_when_redis_comes_back() {
    let mut bench = Bench::durable().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    bench.crash().await;
    assert!(sessions.load(&token).await.is_err());
    bench.restart().await;
    let found = eventually("the session to be found", LIMIT, || sessions.load(&token)).await;
    assert_eq!(found.expect("a session").id(), token.id());
}

/// A client whose first answer is lost: Redis carries out what is asked, and the connection breaks before it is heard.
struct LostAnswer {
    bench: Bench,
    proxy: FaultProxy,
    sessions: Sessions<Cart>,
}

impl LostAnswer {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let (proxy, redis) = bench.through_proxy().await;
        let sessions = instance(&redis);
        // So that Redis knows the scripts: what gets lost later is not that it does not.
        let (token, mut session) = sessions.rotate(&login(&sessions).await).await.unwrap().unwrap();
        assert_eq!(sessions.save(&mut session).await.unwrap(), Saving::Saved);
        assert!(sessions.revoke(&token).await.unwrap());
        assert_eq!(sessions.revoke_all(USER, None).await.unwrap(), 0);
        Self { bench, proxy, sessions }
    }

    /// Asks, has the answer dropped once Redis has run the script, and then lets everything pass.
    async fn ask<T: Send + 'static>(&self, asking: impl Future<Output = T> + Send + 'static) -> T {
        let before = self.bench.calls("evalsha").await;
        self.proxy.drop_replies();
        let asking: JoinHandle<T> = tokio::spawn(asking);
        eventually("Redis to be asked", LIMIT, || async {
            same(&(before + 1), &self.bench.calls("evalsha").await)
        })
        .await;
        self.proxy.pass();
        self.proxy.reset_connections();
        asking.await.unwrap()
    }
}

#[tokio::test]
async fn a_login_whose_answer_is_lost_makes_one_session() {
    let lost = LostAnswer::start().await;
    let old = login(&lost.sessions).await;
    let (sessions, replaced) = (lost.sessions.clone(), old.clone());
    let begin = async move { sessions.begin(USER, Cart { items: 3 }, Some(&replaced)).await };
    let (token, mut session) = lost.ask(begin).await.unwrap();
    assert_eq!(load(&lost.sessions, &token).await.data.items, 3);
    assert_eq!(lost.bench.indexed().await, [token.id().as_str()]);
    assert_eq!(lost.sessions.save(&mut session).await.unwrap(), Saving::Saved);
}

/// The client would have only the old token, which leads nowhere any more.
#[tokio::test]
async fn a_rotation_whose_answer_is_lost_logs_nobody_out() {
    let lost = LostAnswer::start().await;
    let old = login(&lost.sessions).await;
    let (sessions, token) = (lost.sessions.clone(), old.clone());
    let rotated = lost.ask(async move { sessions.rotate(&token).await }).await.unwrap();
    let (new, _) = rotated.expect("the session is there");
    assert!(is_logged_in(&lost.sessions, &new).await && !is_logged_in(&lost.sessions, &old).await);
    assert_eq!(lost.bench.indexed().await, [new.id().as_str()]);
}

/// It would be told that somebody else was faster, who was itself.
#[tokio::test]
async fn a_save_whose_answer_is_lost_is_saved() {
    let lost = LostAnswer::start().await;
    let token = login(&lost.sessions).await;
    let mut session = load(&lost.sessions, &token).await;
    session.data.items = 3;
    let sessions = lost.sessions.clone();
    let (saving, mut session) =
        lost.ask(async move { (sessions.save(&mut session).await.unwrap(), session) }).await;
    assert_eq!(saving, Saving::Saved);
    assert_eq!(load(&lost.sessions, &token).await.data.items, 3);
    session.data.items = 4;
    assert_eq!(lost.sessions.save(&mut session).await.unwrap(), Saving::Saved);
}

#[tokio::test]
async fn a_logout_whose_answer_is_lost_is_done() {
    let lost = LostAnswer::start().await;
    let [one, other] = [login(&lost.sessions).await, login(&lost.sessions).await];
    let (sessions, token) = (lost.sessions.clone(), one.clone());
    lost.ask(async move { sessions.revoke(&token).await }).await.unwrap();
    assert!(!is_logged_in(&lost.sessions, &one).await && is_logged_in(&lost.sessions, &other).await);
    let sessions = lost.sessions.clone();
    lost.ask(async move { sessions.revoke_all(USER, None).await }).await.unwrap();
    assert!(!is_logged_in(&lost.sessions, &other).await);
}

/// A future may be dropped anywhere: what was asked for is done or not, and never half.
#[tokio::test]
async fn a_login_that_is_dropped_leaves_a_whole_session_or_none() {
    let lost = LostAnswer::start().await;
    login(&lost.sessions).await;
    lost.proxy.drop_replies();
    let sessions = lost.sessions.clone();
    let begin = tokio::spawn(async move { sessions.begin(USER, Cart::default(), None).await });
    eventually("the session to begin", LIMIT, || async { same(&2, &lost.bench.indexed().await.len()) }).await;
    begin.abort();
    let direct = instance(&lost.bench.redis());
    lost.proxy.pass();
    let listed = direct.list(USER).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(direct.revoke_by_id(USER, listed[1].id()).await.unwrap(), "its user can see and end it");
}
