//! Which Redis is good enough to say 201 on, and what is said on another.

use local_redis::{Durability, Server};
use reqwest::StatusCode;
use test_support::eventually;

use crate::harness::{Database, Gateway, PATIENCE, Shop, Store, two_books};

/// A Redis with `settings` beside the durable ones, and a gateway with `flags` on it.
async fn on(settings: &[(&str, &str)], flags: &[&str]) -> Shop {
    let redis = Server::ephemeral_with(|it| {
        it.durability = Durability::Always;
        it.extra.extend(settings.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    });
    let redis = redis.await.unwrap();
    let database = Database::new().await;
    let gateway = Gateway::start(&redis.url(), &database, flags).await;
    Shop { gateway, store: Store::of(&redis.url()), redis, database }
}

impl Shop {
    /// Orders are refused with a reason that names the setting and the ways out, and are not written.
    async fn refuses_because(&self, setting: &str) {
        let reason = eventually("the refusal", PATIENCE, || async {
            let problem = self.gateway.post(two_books()).await.problem(503);
            let detail = problem["detail"].as_str().unwrap().to_owned();
            // Until it has started, that is what it says.
            if detail.contains(setting) { Ok(detail) } else { Err(detail) }
        })
        .await;
        for needed in ["appendonly yes", "appendfsync always", "no-appendfsync-on-rewrite no", "--durability"]
        {
            assert!(reason.contains(needed), "{reason}");
        }
        let readiness = self.gateway.get("/readyz").await;
        assert_eq!(readiness.status, 503);
        assert_eq!(readiness.json()["parts"]["durability"], reason);
        assert!(self.store.journal().await.is_empty());
    }
}

#[tokio::test]
async fn a_redis_that_may_lose_what_it_confirmed_is_not_good_enough() {
    for (name, value) in [("appendonly", "no"), ("appendfsync", "everysec"), ("appendfsync", "no")] {
        let shop = on(&[(name, value)], &[]).await;
        shop.refuses_because(&format!("{name} {value}")).await;
    }
    let shop = on(&[("no-appendfsync-on-rewrite", "yes")], &[]).await;
    shop.refuses_because("no-appendfsync-on-rewrite yes").await;
}

#[tokio::test]
async fn a_gateway_that_promises_a_second_accepts_on_everysec_and_not_on_less() {
    let everysec = on(&[("appendfsync", "everysec")], &["--durability", "everysec"]).await;
    everysec.gateway.until_ready().await;
    everysec.gateway.place().await;
    let never = on(&[("appendfsync", "no")], &["--durability", "everysec"]).await;
    never.refuses_because("appendfsync no").await;
}

#[tokio::test]
async fn a_gateway_that_promises_nothing_accepts_on_any_redis() {
    let shop = on(&[("appendonly", "no")], &["--durability", "none"]).await;
    shop.gateway.until_ready().await;
    shop.gateway.place().await;
}

#[tokio::test]
async fn a_setting_that_is_changed_while_redis_runs_is_noticed_both_ways() {
    let shop = Shop::open().await;
    shop.store.configure("appendfsync", "everysec").await;
    shop.gateway.until_not_ready().await;
    shop.refuses_because("appendfsync everysec").await;
    shop.store.configure("appendfsync", "always").await;
    shop.gateway.until_ready().await;
    shop.gateway.place().await;
}

#[tokio::test]
async fn what_was_accepted_is_shown_on_a_redis_that_is_not_good_enough_any_more() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    shop.store.configure("appendfsync", "no").await;
    shop.gateway.until_not_ready().await;
    assert_eq!(shop.gateway.get(&format!("/orders/{id}")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_gateway_that_may_not_ask_does_not_guess() {
    let shop = on(&[("rename-command", "CONFIG \"\"")], &[]).await;
    let reason = eventually("the refusal", PATIENCE, || async {
        let problem = shop.gateway.post(two_books()).await.problem(503);
        let detail = problem["detail"].as_str().unwrap().to_owned();
        if detail.contains("CONFIG GET") { Ok(detail) } else { Err(detail) }
    })
    .await;
    assert!(reason.contains("--durability none"), "{reason}");
}

#[tokio::test]
async fn data_in_another_number_of_partitions_is_refused_at_start_with_the_ways_out() {
    let shop = Shop::open().await;
    let id = shop.gateway.place().await;
    let other = Gateway::start(&shop.redis.url(), &shop.database, &["--partitions", "8"]).await;
    let error = format!("{:#}", other.end().await.unwrap_err());
    for needed in ["4 partitions", "--partitions 4", "--key-prefix"] {
        assert!(error.contains(needed), "{error}");
    }
    // The data is as it was, and those who agree with it go on.
    assert_eq!(shop.gateway.get(&format!("/orders/{id}")).await.status, StatusCode::OK);
}
