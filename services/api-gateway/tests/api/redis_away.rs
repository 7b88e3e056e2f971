//! A Redis that is not there yet, is gone, or hangs.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use local_redis::{Durability, Server};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use test_support::{FaultProxy, eventually};

use crate::harness::{Answer, Database, Gateway, PATIENCE, Shop, Store, two_books};

/// How long an answer may take while Redis refuses connections.
const AT_ONCE: Duration = Duration::from_secs(3);

/// How long an answer may take while Redis hangs: the limit for one of its answers (5 s), and some for a busy machine.
const AFTER_THE_LIMIT: Duration = Duration::from_secs(9);

async fn timed(answer: impl Future<Output = Answer>) -> (Answer, Duration) {
    let start = Instant::now();
    (answer.await, start.elapsed())
}

impl Shop {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.redis.pid().unwrap().cast_signed()), signal).unwrap();
    }

    pub(crate) async fn until_accepting(&self) {
        eventually("orders to be accepted", PATIENCE, || async {
            let answer = self.gateway.post(two_books()).await;
            if answer.status == 201 { Ok(()) } else { Err(answer.text()) }
        })
        .await;
    }
}

#[tokio::test]
async fn while_redis_is_gone_answers_are_503_at_once_and_all_recovers_by_itself() {
    let mut shop = Shop::open().await;
    let placed = shop.gateway.post_with_key("key", two_books()).await;
    let path = placed.header("location").unwrap();
    shop.redis.kill().await.unwrap();
    for _ in 0..3 {
        for answer in [
            timed(shop.gateway.post(two_books())).await,
            timed(shop.gateway.post_with_key("key", two_books())).await,
            timed(shop.gateway.get(path)).await,
        ] {
            answer.0.problem(503);
            assert!(answer.1 < AT_ONCE, "{:?}", answer.1);
        }
    }
    // What needs no Redis is answered as ever.
    shop.gateway.post("{}").await.problem(422);
    shop.gateway.get("/nowhere").await.problem(404);
    shop.gateway.until_not_ready().await;
    assert_eq!(shop.gateway.get("/livez").await.status, 200);

    shop.redis.restart().await.unwrap();
    shop.gateway.until_ready().await;
    assert_eq!(shop.gateway.get(path).await.json(), placed.json());
    assert_eq!(shop.gateway.post_with_key("key", two_books()).await.body, placed.body);
    assert_eq!(shop.store.journal().await.len(), 1);
    shop.until_accepting().await;
}

#[tokio::test]
async fn the_view_goes_on_after_redis_was_gone() {
    let mut shop = Shop::open().await;
    let id = shop.gateway.place().await;
    shop.redis.kill().await.unwrap();
    shop.redis.restart().await.unwrap();
    eventually("Redis to be reached", PATIENCE, || async {
        let answer = shop.gateway.get(&format!("/orders/{id}")).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    shop.append(&crate::view::paid(id)).await;
    shop.until_status(id, "paid").await;
}

#[tokio::test]
async fn a_gateway_that_is_there_before_its_redis_says_so_and_comes_up_by_itself() {
    let mut redis = Server::ephemeral(Durability::Always).await.unwrap();
    redis.kill().await.unwrap();
    let database = Database::new().await;
    let gateway = Gateway::start(&redis.url(), &database, &[]).await;
    for path in ["/orders", "/orders/1", "/nowhere"] {
        let (answer, taken) = timed(gateway.get(path)).await;
        assert_eq!(answer.problem(503)["detail"], "the service is starting");
        assert!(taken < AT_ONCE, "{taken:?}");
    }
    gateway.post(two_books()).await.problem(503);
    assert_eq!(gateway.get("/livez").await.status, 200);
    assert_eq!(gateway.get("/readyz").await.status, 503);
    redis.restart().await.unwrap();
    gateway.until_ready().await;
    let store = Store::of(&redis.url());
    Shop { gateway, store, redis, database }.gateway.place().await;
}

#[tokio::test]
async fn a_gateway_that_waits_for_its_redis_stops_when_asked() {
    let mut redis = Server::ephemeral(Durability::Always).await.unwrap();
    redis.kill().await.unwrap();
    let database = Database::new().await;
    let gateway = Gateway::start(&redis.url(), &database, &[]).await;
    gateway.stop().await.unwrap();
}

#[tokio::test]
async fn while_redis_hangs_answers_are_503_within_the_limit_however_many_wait() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    shop.signal(Signal::SIGSTOP);
    let path = format!("/orders/{id}");
    for _ in 0..2 {
        let posts = (0..200).map(|n| {
            let order = shop.gateway.order(two_books());
            let order = if n % 2 == 0 { order } else { order.header("idempotency-key", n) };
            timed(Answer::to(order))
        });
        let (posted, shown) = tokio::join!(join_all(posts), timed(shop.gateway.get(&path)));
        for (answer, taken) in posted.into_iter().chain([shown]) {
            answer.problem(503);
            assert!(taken < AFTER_THE_LIMIT, "{taken:?}");
        }
    }
    assert_eq!(shop.gateway.get("/livez").await.status, 200);
    shop.gateway.until_not_ready().await;
    shop.signal(Signal::SIGCONT);
    shop.gateway.until_ready().await;
    assert_eq!(shop.gateway.get(&path).await.status, 200);
    shop.until_accepting().await;
}

#[tokio::test]
async fn a_repeated_request_whose_first_answer_was_a_503_makes_one_order() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    // Reads are answered, so the key is looked up; the order is held back for longer than anybody waits.
    shop.store.say::<()>(&["CLIENT", "PAUSE", "60000", "WRITE"]).await;
    let (answer, taken) = timed(shop.gateway.post_with_key("key", two_books())).await;
    let problem = answer.problem(503);
    assert!(problem["detail"].as_str().unwrap().contains("same Idempotency-Key"), "{problem}");
    assert!(taken < AFTER_THE_LIMIT, "{taken:?}");
    assert_eq!(shop.gateway.get(&format!("/orders/{id}")).await.status, 200);
    shop.store.say::<()>(&["CLIENT", "UNPAUSE"]).await;
    let answer = eventually("the order", PATIENCE, || async {
        let answer = shop.gateway.post_with_key("key", two_books()).await;
        if answer.status == 201 { Ok(answer) } else { Err(answer.text()) }
    })
    .await;
    assert_eq!(shop.gateway.post_with_key("key", two_books()).await.body, answer.body);
    assert_eq!(shop.store.journal().await.len(), 2);
}

#[tokio::test]
async fn an_order_whose_confirmation_was_lost_on_the_way_is_503_and_whole() {
    let redis = Server::ephemeral(Durability::Always).await.unwrap();
    let proxy = FaultProxy::start((Ipv4Addr::LOCALHOST, redis.port()).into()).await.unwrap();
    let database = Database::new().await;
    let gateway = Gateway::start(&proxy.url(), &database, &[]).await;
    gateway.until_ready().await;
    // The script must be known, or its first refusal is what is lost.
    gateway.place().await;
    proxy.drop_replies();
    let (answer, taken) = timed(gateway.post(two_books())).await;
    answer.problem(503);
    assert!(taken < AFTER_THE_LIMIT, "{taken:?}");
    let store = Store::of(&redis.url());
    assert_eq!((store.journal().await.len(), store.keys("order:*").await.len()), (2, 2));
    proxy.pass();
    let shop = Shop { gateway, store, redis, database };
    shop.until_accepting().await;
}

#[tokio::test]
async fn connections_that_are_reset_are_made_anew() {
    let redis = Server::ephemeral(Durability::Always).await.unwrap();
    let proxy = FaultProxy::start((Ipv4Addr::LOCALHOST, redis.port()).into()).await.unwrap();
    let database = Database::new().await;
    let gateway = Gateway::start(&proxy.url(), &database, &[]).await;
    gateway.until_ready().await;
    let shop = Shop { gateway, store: Store::of(&redis.url()), redis, database };
    for _ in 0..5 {
        proxy.reset_connections();
        shop.until_accepting().await;
    }
}
